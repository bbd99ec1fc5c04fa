"""Drawing bone cement: two casts of the balloons' cavities, and what leaked.

Acrylic grows into the spongy bone around the cavity: lobes with rough edges and droplets. Calcium
phosphate stays where it was put: smooth and even. Shapes were drawn by eye.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel
from endplate.datasets.simulator.body import corner_points, endplate_line
from endplate.datasets.simulator.cement import DENSITIES, LEAKS, Cement, Lump
from endplate.datasets.simulator.cement_leak import draw_leak
from endplate.datasets.simulator.cement_lump import draw_lump
from endplate.datasets.simulator.projection import (
    Camera,
    Map,
    Slabs,
    Tube,
    render_slabs,
    render_tubes,
)
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.geometry.landmarks import FloatArray

__all__ = ["draw_cement", "fill_bodies", "render_cement"]

#: Bone that is left between cement and wall or endplate, mm.
_MARGIN: Final = 1.3


def fill_bodies(
    rng: np.random.Generator, spine: SpineModel, settings: SimulatorSettings
) -> SpineModel:
    """Put cement into the broken bodies, or into one at random; one of them may leak.

    Shapes come from a generator of their own, so that they take nothing from `rng`.
    """
    broken = [b.level for b in spine.bodies if b.fracture]
    if not broken:
        broken = [
            str(rng.choice([b.level for b in spine.bodies if b.level in ("T12", "L1", "L2")]))
        ]
    own = rng.spawn(1)[0]
    kind = "calcium_phosphate" if own.random() < settings.calcium_phosphate else "acrylic"
    leaking = str(own.choice(broken)) if own.random() < settings.leak else ""
    bodies = tuple(
        replace(b, cement=draw_cement(own, b, kind, b.level == leaking)) if b.level in broken else b
        for b in spine.bodies
    )
    return replace(spine, bodies=bodies)


def draw_cement(rng: np.random.Generator, body: Body, kind: str, leak: bool) -> Cement:
    """The cement of one body.

    Parameters
    ----------
    body : Body
        That it fits into.
    kind : str
        One of `CEMENTS`.
    leak : bool
        Whether some of it got out.
    """
    rough = kind == "acrylic"
    low, high = DENSITIES[kind]
    cement = Cement(kind, float(rng.uniform(low, high)), tuple(_casts(rng, body, rough)))
    if not leak:
        return cement
    where = str(rng.choice(list(LEAKS), p=list(LEAKS.values())))
    return draw_leak(rng, body, cement, where)


def _casts(rng: np.random.Generator, body: Body, rough: bool) -> list[Lump]:
    """One cast a side; with acrylic the droplets around them too."""
    half_depth = (body.depth_superior + body.depth_inferior) / 4
    sides = (-1, 1) if rng.random() < 0.8 else (int(rng.choice([-1, 1])),)
    lumps = []
    for side in sides:
        centre = np.array(
            [
                half_depth * rng.uniform(0.0, 0.3),
                body.posterior * rng.normal(-0.02, 0.05),
                side * body.width * rng.uniform(0.12, 0.2),
            ]
        )
        axes = np.array(
            [
                half_depth * rng.uniform(0.42, 0.62),
                body.posterior * rng.uniform(0.26, 0.38),
                body.width * rng.uniform(0.14, 0.2),
            ]
        )
        unevenness = float(rng.uniform(0.05, 0.09) if rough else rng.uniform(0.03, 0.06))
        cast = draw_lump(rng, centre, axes, unevenness, fingers=rough)
        lumps.append(cast)
        if rough:
            lumps += _droplets(rng, centre, axes)
    return _within(body, lumps)


def _droplets(rng: np.random.Generator, centre: FloatArray, axes: FloatArray) -> list[Lump]:
    """Cement that ran between the trabeculae around a cast: buds on it, and drops beside it."""
    out = []
    buds, drops = int(rng.integers(4, 9)), int(rng.integers(3, 8))
    for k in range(buds + drops):
        toward = rng.normal(0, 1, 3)
        toward /= np.linalg.norm(toward)
        far, least, most = (0.85, 1.8, 4.2) if k < buds else (1.2, 0.6, 1.5)
        at = centre + toward * axes * far * rng.uniform(0.9, 1.1)
        out.append(draw_lump(rng, at, rng.uniform(least, most, 3), 0.12, fingers=False))
    return out


def _within(body: Body, lumps: list[Lump]) -> list[Lump]:
    """Flatten lumps where they would touch the shell of the body."""
    points = np.concatenate([x.outline for x in lumps])
    sa, sp, ip, ia = corner_points(body)
    front = min(sa[0], ia[0]) - max(body.waist_anterior, 0.0) - _MARGIN
    back = max(sp[0], ip[0]) + max(body.waist_posterior, 0.0) + _MARGIN
    x = np.clip(points[..., 0], back, front)
    side = np.clip(np.abs(points[:, :1, 2]) / (body.width / 2), 0, 1)
    upper, lower = _endplates(body, x, side)
    middle = (upper + lower) / 2
    points[..., 0] = x
    points[..., 1] = np.clip(
        points[..., 1],
        np.minimum(upper + _MARGIN, middle - 0.2),
        np.maximum(lower - _MARGIN, middle + 0.2),
    )
    ends = np.cumsum([len(x.outline) for x in lumps])[:-1]
    return [
        replace(lump, outline=outline)
        for lump, outline in zip(lumps, np.split(points, ends), strict=True)
    ]


def _endplates(body: Body, x: FloatArray, side: FloatArray) -> tuple[FloatArray, FloatArray]:
    """y of the superior and of the inferior endplate at the depths `x` of the body's frame.

    Parameters
    ----------
    side : array
        0 to 1: lateral offset as a share of the half width; broadcasts with `x`.
    """
    sa, sp, ip, ia = corner_points(body)
    upper_u = 2 * (x - sp[0]) / (sa[0] - sp[0]) - 1
    lower_u = 2 * (x - ip[0]) / (ia[0] - ip[0]) - 1
    return endplate_line(body, True, upper_u, side), endplate_line(body, False, lower_u, side)


def render_cement(camera: Camera, body: Body, out: Map) -> None:
    """Add the attenuation of a body's cement to `out` in place."""
    cement = body.cement
    if cement is None:
        return
    lumps = (*cement.inside, *cement.outside)
    outline = body.to_subject(np.concatenate([x.outline for x in lumps]))
    chord = np.concatenate([x.chord for x in lumps])
    render_slabs(camera, [Slabs(outline, None, chord, cement.density, cement.density)], out)
    veins = [
        Tube(body.to_subject(v.line), v.radius, cement.density, cement.density)
        for v in cement.veins
    ]
    render_tubes(camera, veins, out)
