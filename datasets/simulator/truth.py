"""The six points of a simulated body on its film."""

import numpy as np

from endplate.datasets.simulator.anatomy import Body
from endplate.datasets.simulator.body import corner_points, endplate_drop
from endplate.datasets.simulator.projection import Camera
from endplate.geometry.landmarks import FloatArray

__all__ = ["project_body", "rim_points"]


def rim_points(body: Body) -> FloatArray:
    """(6, 3) points of the mid-body in the body's frame, in the order of `POINTS`.

    Corners are where the lines of endplate and wall meet, so neither rounding nor spurs move
    them; middle points lie on the floor of the endplate halfway along it.
    """
    sa, sp, ip, ia = corner_points(body)
    zero = np.zeros(1)
    sm = (sa + sp) / 2 + [0.0, float(endplate_drop(body, True, zero)[0])]
    im = (ia + ip) / 2 - [0.0, float(endplate_drop(body, False, zero)[0])]
    flat = np.array([sa, sm, sp, ip, im, ia])
    return np.hstack([flat, np.zeros((6, 1))])


def project_body(camera: Camera, body: Body) -> FloatArray:
    """(6, 2) landmarks of `body` on the film, in pixels; of S1 the superior ones only.

    Each corner is the mean of the rim's two sides, which is what a reader marks who takes the
    middle between the contours of a tilted endplate.
    """
    local = rim_points(body)
    side = np.array([0.0, 0.0, 0.3 * body.width])
    points: FloatArray = (
        camera.project(body.to_subject(local + side))
        + camera.project(body.to_subject(local - side))
    ) / 2
    if body.level == "S1":
        points[3:] = np.nan
    return points
