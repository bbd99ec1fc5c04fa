"""Solids of a vertebra, the sacrum, the ribs and the pelvis, as slabs and tubes."""

from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel
from endplate.datasets.simulator.projection import Slabs, Tube
from endplate.geometry.landmarks import FloatArray

__all__ = ["body_slabs", "pelvis_slabs", "posterior_slabs", "rib_tubes", "sacrum_slabs"]

#: Attenuation per mm above that of soft tissue, at the energy of a lateral film.
CORTEX: Final[float] = 0.040
SPONGE: Final[float] = 0.0085

_SLICES: Final[int] = 21
_EDGE_POINTS: Final[int] = 15
_WALL_POINTS: Final[int] = 9


def inset(outline: FloatArray, distance: float | FloatArray) -> FloatArray:
    """(..., P, 2) closed outlines moved inwards along their normals by `distance` mm."""
    ahead = np.roll(outline, -1, axis=-2) - np.roll(outline, 1, axis=-2)
    length = np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-6)
    normal = np.stack([-ahead[..., 1], ahead[..., 0]], axis=-1) / length
    x, y = outline[..., 0], outline[..., 1]
    area = (x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)).sum(axis=-1)
    out: FloatArray = outline + normal * np.sign(area)[..., None, None] * np.asarray(distance)
    return out


def _lift(outline: FloatArray, z: FloatArray) -> FloatArray:
    """(K, P, 3) from (K, P, 2) outlines and their (K,) lateral offsets."""
    depth = np.broadcast_to(z[:, None, None], (*outline.shape[:2], 1))
    out: FloatArray = np.concatenate([outline, depth], axis=-1)
    return out


def _slices(count: int = _SLICES) -> tuple[FloatArray, FloatArray]:
    """Offsets in (-1, 1), closer at the sides, and the share of the width of each slice."""
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, count + 1))
    return (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2


def corner_points(body: Body) -> FloatArray:
    """(4, 2) rim corners in the body's frame: SA, SP, IP, IA."""
    return np.array(
        [
            [body.depth_superior / 2, -body.anterior / 2],
            [-body.depth_superior / 2, -body.posterior / 2],
            [-body.depth_inferior / 2, body.posterior / 2],
            [body.depth_inferior / 2, body.anterior / 2],
        ]
    )


def endplate_drop(body: Body, superior: bool, u: FloatArray, side: float = 0.0) -> FloatArray:
    """How far, in mm, the endplate lies inside its rim line; u from -1 (back) to 1 (front)."""
    depth = body.concavity_superior if superior else body.concavity_inferior
    shift = 0.0 if superior else 0.15
    v = np.clip(np.abs(u + shift * (1 - np.abs(u))) / 0.94, 0, 1)
    out: FloatArray = depth * (1 - v**2.6) * (1 - np.abs(side) ** 3)
    return out


def body_outline(body: Body, t: float) -> FloatArray:
    """(P, 2) sagittal outline of the body at the lateral offset `t` of its half width."""
    sa, sp, ip, ia = corner_points(body)
    front = (1 - np.abs(t) ** 2.4) ** (1 / 2.4)
    kidney = 0.02 * (1 - min(abs(t) / 0.5, 1.0) ** 2)
    # The two lips of the back reach the line of the corners exactly.
    back = ((1 - np.abs(t) ** 5) ** (1 / 3) - kidney) / 0.989
    span = (1 - back) / 2, (1 + front) / 2
    radius = body.corner_radius
    top = _edge(body, sp, sa, span, t, True)
    bottom = _edge(body, ip, ia, span, t, False)
    wall_front = _wall(top[-1], bottom[-1], body.waist_anterior, radius)
    wall_back = _wall(bottom[0], top[0], -body.waist_posterior, radius)
    if body.bulge:
        v = np.linspace(0, 1, len(wall_back))
        wall_back[:, 0] -= body.bulge * np.exp(-(((v - 0.72) / 0.2) ** 2)) * (1 - t**2)
    rims = [_rim(edge[end], edge[inner], wall[first], radius) for edge, end, inner, wall, first in (
        (top, -1, -2, wall_front, 0), (bottom, -1, -2, wall_front, -1),
        (bottom, 0, 1, wall_back, 0), (top, 0, 1, wall_back, -1),
    )]  # fmt: skip
    top = _cut(top, radius)
    bottom = _cut(bottom, radius)
    parts = (top, rims[0], wall_front, rims[1], bottom[::-1], rims[2], wall_back, rims[3])
    return np.concatenate(parts)


def _edge(
    body: Body, back: FloatArray, front: FloatArray, span: tuple[float, float], t: float, sup: bool
) -> FloatArray:
    f = np.linspace(span[0], span[1], _EDGE_POINTS)
    edge = back + f[:, None] * (front - back)
    edge[:, 1] += (1.0 if sup else -1.0) * endplate_drop(body, sup, 2 * f - 1, t)
    return edge


def _cut(edge: FloatArray, radius: float) -> FloatArray:
    """Draw both ends of an edge in by the radius of the corner."""
    length = max(float(np.linalg.norm(edge[-1] - edge[0])), 1e-3)
    f = min(radius / length, 0.3)
    old = np.linspace(0, 1, len(edge))
    new = np.linspace(f, 1 - f, len(edge))
    return np.stack([np.interp(new, old, edge[:, 0]), np.interp(new, old, edge[:, 1])], axis=1)


def _rim(corner: FloatArray, along: FloatArray, wall: FloatArray, radius: float) -> FloatArray:
    """(1, 2) point of the rounded rim nearest to the corner of the straight lines."""
    inward = (along - corner) / max(float(np.linalg.norm(along - corner)), 1e-6)
    down = (wall - corner) / max(float(np.linalg.norm(wall - corner)), 1e-6)
    out: FloatArray = (corner + 0.29 * radius * (inward + down))[None]
    return out


def _wall(start: FloatArray, end: FloatArray, waist: float, radius: float) -> FloatArray:
    length = max(float(np.linalg.norm(end - start)), 1e-3)
    f = min(radius / length, 0.3)
    v = np.linspace(f, 1 - f, _WALL_POINTS)
    wall = start + v[:, None] * (end - start)
    wall[:, 0] -= waist * (1 - np.abs(2 * v - 1) ** 2.2)
    return wall


def body_slabs(body: Body) -> list[Slabs]:
    """The body with its shell, spurs and dense bands."""
    ts, share = _slices(9 if body.level[0] == "C" else _SLICES)
    z = ts * body.width / 2
    chord = share * body.width
    outline = np.stack([body_outline(body, t) for t in ts])
    # A wall that runs along the ray is a sharp line; one that turns away is spread out.
    step = np.abs(np.gradient(outline.max(axis=1)[:, 0]))
    sharp = 0.5 / (1 + (step / 0.4) ** 2)
    thick = np.repeat(sharp[:, None, None], outline.shape[1], axis=1)
    thick[:, :_EDGE_POINTS] = 0.75 * (1 + body.sclerosis[0])
    low = _EDGE_POINTS + _WALL_POINTS + 2
    thick[:, low : low + _EDGE_POINTS] = 0.75 * (1 + body.sclerosis[1])
    inner = inset(outline, thick * body.size**0.5)
    parts = [
        Slabs(
            body.to_subject(_lift(outline, z)),
            body.to_subject(_lift(inner, z)),
            chord,
            CORTEX * body.cortex,
            SPONGE * body.density,
        )
    ]
    parts += _spurs(body)
    if body.crease:
        parts.append(_crease(body))
    return parts


def _spurs(body: Body) -> list[Slabs]:
    """Osteophytes: beaks beyond the corners, over part of the rim."""
    parts = []
    corners = corner_points(body)
    for corner, length, (out_x, in_y) in zip(
        corners, body.spurs, ((1, 1), (-1, 1), (-1, -1), (1, -1)), strict=True
    ):
        if length < 0.8:
            continue
        x, y = corner
        beak = np.array(
            [
                [x - out_x * 2.5, y + in_y * 0.3],
                [x + out_x * 0.5 * length, y - in_y * 0.05 * length],
                [x + out_x * length, y - in_y * 0.12 * length],
                [x + out_x * 0.75 * length, y + in_y * 0.35 * length],
                [x + out_x * 0.1 * length, y + in_y * (1.5 + 0.6 * length)],
                [x - out_x * 1.2, y + in_y * (2.0 + 0.8 * length)],
            ]
        )
        z = np.linspace(-0.32, 0.32, 5) * body.width
        scale = 1 - 0.35 * np.abs(np.linspace(-1, 1, 5))
        outline = corner + (beak - corner) * scale[:, None, None]
        parts.append(
            Slabs(
                body.to_subject(_lift(outline, z)),
                body.to_subject(_lift(inset(outline, 0.5), z)),
                np.full(5, 0.1 * body.width),
                0.7 * CORTEX,
                SPONGE,
            )
        )
    return parts


def _crease(body: Body) -> Slabs:
    """Impacted spongy bone under a broken superior endplate."""
    u = np.linspace(-0.3, 0.92, 12)
    x = u * body.depth_superior / 2
    sa, sp, _, _ = corner_points(body)
    line = sp[1] + (u + 1) / 2 * (sa[1] - sp[1]) + endplate_drop(body, True, u)
    top = np.stack([x, line + 1.5], axis=1)
    low = np.stack([x, line + 4.5 + 1.5 * np.sin(4 * u)], axis=1)
    outline = np.concatenate([top, low[::-1]])[None].repeat(4, axis=0)
    z = np.linspace(-0.3, 0.3, 4) * body.width
    return Slabs(
        body.to_subject(_lift(outline, z)),
        None,
        np.full(4, 0.18 * body.width),
        SPONGE * body.crease,
        0.0,
    )


def _extrude(
    body: Body, shape: list[tuple[float, float]], zs: FloatArray, chord: float, cortex: float = 0.7
) -> Slabs:
    """A rounded plate of the sagittal shape (mm for a usual L3) at the lateral offsets `zs`."""
    points = _rounded(np.array(shape, dtype=float)) * body.size
    zs = np.asarray(zs, dtype=float) * body.size
    middle = points.mean(axis=0)
    bow = 1 - 0.3 * np.abs(np.linspace(-1, 1, len(zs))) ** 2
    outline = middle + (points - middle) * bow[:, None, None]
    return Slabs(
        body.to_subject(_lift(outline, zs)),
        body.to_subject(_lift(inset(outline, 0.9 * body.size), zs)),
        np.full(len(zs), chord * body.size / len(zs)),
        CORTEX * cortex * body.cortex,
        SPONGE * 1.2 * body.density,
    )


def _rounded(points: FloatArray) -> FloatArray:
    """Corner-cutting subdivision, twice."""
    for _ in range(2):
        ahead = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * ahead, 0.25 * points + 0.75 * ahead], axis=1)
        points = points.reshape(-1, 2)
    return points


def posterior_slabs(body: Body, rng: np.random.Generator) -> list[Slabs]:
    """Pedicles, articular processes, laminae, spinous and transverse processes."""
    # Written for a usual L3: posterior wall at x = -17.5, half height 13.3.
    wall = -body.depth_superior / 2 / body.size
    half = body.posterior / 2 / body.size
    lumbar = body.level[0] in "LS"
    cervical = body.level[0] == "C"
    w = lambda x: wall - x  # noqa: E731
    jitter = rng.normal(0, 0.6, 8)
    pedicle_z = 0.34 * body.width / body.size
    parts = []
    droop = 0.0 if lumbar else 9.0
    for side in (-1, 1):
        z = side * pedicle_z
        pedicle = [
            (wall + 3, -half + 2.5),
            (w(4), -half + 2.8 + jitter[0]),
            (w(10), -half + 2.5),
            (w(11), -half + 14),
            (w(5), -half + 12.0 + jitter[1]),
            (wall + 3, -half + 12.5),
        ]
        parts.append(_extrude(body, pedicle, z + np.linspace(-4, 4, 4), 8.0))
        top = [
            (w(7), -half + 10),
            (w(9), -half - 3),
            (w(12.5 + jitter[2]), -half - 9),
            (w(16), -half - 6),
            (w(17), -half + 8),
            (w(12), -half + 13),
        ]
        parts.append(_extrude(body, top, z + side * 4 + np.linspace(-4, 4, 3), 8.0, 0.9))
        below = [
            (w(8), -half + 8),
            (w(17), -half + 6),
            (w(23), half - 2),
            (w(22 + jitter[3]), half + 9),
            (w(16), half + 10),
            (w(15), half),
            (w(10), half - 9),
        ]
        parts.append(_extrude(body, below, z * 0.85 + np.linspace(-4, 4, 3), 8.0, 0.9))
        if not cervical:
            c = np.array([w(11.0 + (0 if lumbar else 6)), -half + 8 + jitter[4]])
            circle = [
                (c[0] + 5 * np.cos(a), c[1] + 5 * np.sin(a))
                for a in np.linspace(0, 2 * np.pi, 7)[:-1]
            ]
            parts.append(_extrude(body, circle, side * np.linspace(20, 34, 4), 11.0, 0.35))
    spinous = [
        (w(16), -half + 9),
        (w(26), -half + 9 + droop * 0.7),
        (w(40 + jitter[5]), -half + 12 + droop),
        (w(47 + jitter[6]), -half + 15 + 1.5 * droop),
        (w(46), half + 3 + 1.3 * droop),
        (w(36), half + 5 + droop),
        (w(24), half + 2),
        (w(17), half - 4),
    ]
    if cervical:
        spinous = [(wall + (x - wall) * 0.85, y) for x, y in spinous]
    parts.append(_extrude(body, spinous, np.linspace(-2.5, 2.5, 4), 6.0, 0.55))
    return parts


def sacrum_slabs(spine: SpineModel) -> tuple[list[Slabs], FloatArray]:
    """Sacral segments with their remnant discs, and the (6, 3) centres of the segments."""
    first = spine.sacrum
    parts = body_slabs(first)
    flexion, tilt, axial = first.angles
    centres = [first.centre]
    body = first
    for k in range(4):
        bend = spine.sacral_bend * (0.7 if k < 2 else 1.3)
        angle = flexion - bend
        gap = (1.6, 0.6, 0.3, 0.2)[k]
        down = np.array([-np.sin(flexion), np.cos(flexion), 0.0])
        tall = (body.anterior + body.posterior) / 2
        down2 = np.array([-np.sin(angle), np.cos(angle), 0.0])
        scale = 0.83
        nxt = Body(
            "S",
            body.anterior * scale,
            body.posterior * scale,
            body.depth_inferior * 0.98,
            body.depth_inferior * 0.75,
            body.width * 0.8,
            0.4,
            0.4,
            1.0,
            0.5,
            1.0,
            body.centre + down * (tall / 2 + gap) + down2 * tall * scale / 2,
            (angle, tilt, axial),
            0.9,
            0.7,
        )
        parts += body_slabs(nxt)
        centres.append(nxt.centre)
        body, flexion = nxt, angle
    parts += _sacral_mass(spine, centres)
    return parts, np.array(centres)


def _sacral_mass(spine: SpineModel, centres: list[FloatArray]) -> list[Slabs]:
    """Wings at the sides and the crest behind."""
    first = spine.sacrum
    size = spine.size
    half = first.posterior / 2 / first.size
    back = -first.depth_superior / 2 / first.size
    wing = [
        (12, -half + 1),
        (back, -half - 1),
        (back - 8, -half + 14),
        (back - 2, half + 16),
        (2, half + 20),
        (12, half),
    ]
    parts = [_extrude(first, wing, side * np.linspace(28, 48, 5), 22.0, 0.35) for side in (-1, 1)]
    local = (np.array(centres) - first.centre) @ np.linalg.inv(_flat(first)).T
    line = local[:, :2] / first.size
    crest = [(float(p[0] - 21 + 3 * i), float(p[1])) for i, p in enumerate(line)]
    crest += [(float(p[0] - 13 + 1.5 * i), float(p[1])) for i, p in reversed(list(enumerate(line)))]
    parts.append(_extrude(first, crest, np.linspace(-9, 9, 5), 16.0 * size, 0.5))
    facet = [
        (back - 6, -half - 9),
        (back - 10, -half - 10),
        (back - 14, -half + 6),
        (back - 6, -half + 9),
    ]
    parts += [_extrude(first, facet, s * 19 + np.linspace(-4, 4, 3), 8.0, 0.8) for s in (-1, 1)]
    return parts


def _flat(body: Body) -> FloatArray:
    from endplate.datasets.simulator.anatomy import rotation

    return rotation(*body.angles)


def pelvis_slabs(spine: SpineModel, rng: np.random.Generator) -> list[Slabs]:
    """Iliac wings and femoral heads, both sides."""
    s1 = spine.sacrum.centre
    size = spine.size
    roll = spine.sacrum.angles[0] - np.deg2rad(40)
    c, s = np.cos(roll), np.sin(roll)
    lift = rng.normal(0, 6)
    blade = np.array(
        [
            (-58, 20),
            (-52, -2),
            (-36, -22 + lift),
            (-8, -38 + lift),
            (28, -34 + lift),
            (55, -12 + lift),
            (66, 12),
            (60, 26),
            (52, 45),
            (40, 66),
            (16, 72),
            (-10, 62),
            (-22, 52),
            (-34, 56),
            (-44, 42),
        ],
        dtype=float,
    )
    parts = []
    for side in (-1, 1):
        shape = _rounded(blade + rng.normal(0, 2.5, blade.shape) + rng.normal(0, 4, 2)) * size
        shape = shape @ np.array([[c, s], [-s, c]]) + s1[:2]
        zs = side * np.array([66.0, 80.0, 95.0, 110.0]) * size + spine.sacrum.centre[2]
        middle = shape.mean(axis=0) + np.array([10.0, -10.0])
        scale = np.array([0.9, 0.97, 1.0, 0.9])
        outline = middle + (shape - middle) * scale[:, None, None]
        parts.append(
            Slabs(
                _lift(outline, zs),
                _lift(inset(outline, 3.0 * size), zs),
                np.full(4, 2.6),
                CORTEX,
                0.025,
            )
        )
        hip = s1[:2] + np.array([[38.0, 92.0]]) @ np.array([[c, s], [-s, c]]) * size
        hip = hip + rng.normal(0, 4, 2)
        a = np.linspace(0, 2 * np.pi, 25)[:-1]
        for radius, chord in ((24.0, 9.0), (20.0, 12.0), (14.0, 12.0)):
            ring = hip + radius * size * np.stack([np.cos(a), np.sin(a)], axis=1)
            ring = ring[None]
            z = np.array([side * 88.0 * size])
            parts.append(
                Slabs(
                    _lift(ring, z),
                    _lift(inset(ring, 1.2), z),
                    np.array([chord]),
                    CORTEX * 0.8,
                    SPONGE,
                )
            )
    return parts


def rib_tubes(spine: SpineModel, rng: np.random.Generator) -> list[Tube]:
    """Both ribs of every thoracic vertebra, from the back of the body around to the front."""
    tubes: list[Tube] = []
    thoracic = [b for b in spine.bodies if b.level[0] == "T"]
    last = len(thoracic)
    short = rng.random() < 0.15
    for i, body in enumerate(thoracic, start=1):
        reach = 1.0 if i < last - 1 else (0.48 if i == last - 1 else (0.15 if short else 0.36))
        girth = np.interp(i, [1, 4, 8, 12], [55, 95, 125, 118]) * spine.size
        depth = np.interp(i, [1, 4, 8, 12], [65, 120, 165, 150]) * spine.size
        slope = np.deg2rad(np.interp(i, [1, 6, 12], [25, 38, 48]) + rng.normal(0, 3))
        for side in (-1, 1):
            a = np.linspace(0.0, np.pi * 0.95 * reach, 40)
            x = (
                -22 * body.size
                - 12 * np.sin(np.minimum(a * 2.2, np.pi))
                + depth * (1 - np.cos(a)) / 2
            )
            z = side * (8 * body.size + girth * np.sin(a) ** 0.8)
            y = -5 + np.tan(slope) * depth * 0.55 * (1 - np.cos(a)) / 2 + 16 * np.sin(a / 2)
            y = y + side * rng.normal(0, 1.5)
            lean = 0.35 * body.angles[0]
            line = np.stack(
                [x * np.cos(lean) - y * np.sin(lean), x * np.sin(lean) + y * np.cos(lean), z], 1
            )
            tubes.append(
                Tube(
                    line + body.centre,
                    rng.uniform(4.5, 6.0) * spine.size,
                    CORTEX * 0.75,
                    CORTEX * 0.4,
                )
            )
    return tubes
