"""Windows on a film: the whole film for the detector, one upright vertebra for the refiner."""

import math
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray

__all__ = ["S1_DROP", "UNIT", "across", "body_frame", "film_window", "vertebra_window"]

#: The window of S1 is centred this many depths below its endplate, as if S1 were a body.
S1_DROP: Final = 0.35
#: The detector takes windows whose rows and columns are multiples of this.
UNIT: Final = 64


def film_window(
    shape: tuple[int, int], pixels: int = 512 * 288, tallest: int = 576, multiple: int = UNIT
) -> tuple[FloatArray, tuple[int, int]]:
    """Window that shows a whole film at about `pixels` pixels.

    Returns
    -------
    to_image : (2, 3) array
        From window to film.
    size : (rows, columns)
        Multiples of `multiple`; the film fills the top-left part.
    """
    rows, columns = shape
    scale = min(math.sqrt(pixels / (rows * columns)), tallest / rows, tallest / columns)
    size = tuple(max(multiple, math.ceil(n * scale / multiple) * multiple) for n in shape)
    step = 1.0 / scale
    # centres of pixels, not corners, are at integers
    offset = 0.5 * step - 0.5
    return np.array([[step, 0.0, offset], [0.0, step, offset]]), (size[0], size[1])


def body_frame(points: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Centre, anterior direction and depth of a body.

    Parameters
    ----------
    points : (6, 2) array
        In the order of `POINTS`. Where only one endplate was seen, as on S1, its middle
        stands for the centre; `S1_DROP` says how far below it the refiner looks.

    Returns
    -------
    centre : (2,) array
    anterior : (2,) array
        Unit vector from posterior to anterior, the mean of the endplates.
    depth : float
        Mean length of the endplates that were seen, in pixels; NaN if none.
    """
    superior = points[0] - points[2]
    inferior = points[5] - points[3]
    vectors = np.array([v for v in (superior, inferior) if not np.isnan(v).any()])
    if len(vectors) == 0:
        return np.full(2, np.nan), np.full(2, np.nan), math.nan
    lengths = np.hypot(vectors[:, 0], vectors[:, 1])
    depth = float(lengths.mean())
    direction = (vectors / np.maximum(lengths, 1e-9)[:, None]).sum(axis=0)
    direction /= max(float(np.hypot(*direction)), 1e-9)
    corners = points[[0, 2, 3, 5]]
    if not np.isnan(corners).any():
        return corners.mean(axis=0), direction, depth
    seen = points[[0, 2]] if not np.isnan(superior).any() else points[[3, 5]]
    return seen.mean(axis=0), direction, depth


def across(anterior: FloatArray, down: FloatArray) -> FloatArray:
    """(2,) unit vector across the endplate, on the side to which `down` points."""
    normal = np.array([-anterior[1], anterior[0]])
    return normal if float(normal @ down) > 0 else -normal


def vertebra_window(
    centre: FloatArray,
    anterior: FloatArray,
    depth: float,
    *,
    downward: FloatArray,
    crop: int,
    extent: float,
) -> FloatArray:
    """(2, 3) map from a square crop to the film: anterior is left, superior is up.

    Parameters
    ----------
    centre, anterior, depth
        Of the body, as from `body_frame`.
    downward : (2,) array
        Any vector that points roughly from head to foot; it decides whether to mirror.
    crop : int
        Side of the crop in pixels.
    extent : float
        Side of the crop in depths.
    """
    step = extent * depth / crop
    x_axis = -anterior * step
    y_axis = np.array([-x_axis[1], x_axis[0]])
    if float(y_axis @ downward) < 0:
        y_axis = -y_axis
    middle = (crop - 1) / 2
    origin = centre - middle * (x_axis + y_axis)
    return np.column_stack([x_axis, y_axis, origin])
