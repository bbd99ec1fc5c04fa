"""The vertebral body as a stack of sagittal slices with a dense shell."""

from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body
from endplate.datasets.simulator.projection import Slabs
from endplate.datasets.simulator.shapes import CORTEX, SPONGE, inset, lift
from endplate.geometry.landmarks import FloatArray

__all__ = ["body_slabs", "corner_points", "endplate_drop", "endplate_line", "waist_share"]

_EDGE_POINTS: Final[int] = 25
_WALL_POINTS: Final[int] = 9
_ENDPLATE_MM: Final[float] = 0.75
_WALL_MM: Final[float] = 0.5


def corner_points(body: Body) -> FloatArray:
    """(4, 2) corners of the rim in the body's frame: SA, SP, IP, IA."""
    return np.array(
        [
            [body.depth_superior / 2, -body.anterior / 2],
            [-body.depth_superior / 2, -body.posterior / 2],
            [-body.depth_inferior / 2, body.posterior / 2],
            [body.depth_inferior / 2, body.anterior / 2],
        ]
    )


def endplate_drop(
    body: Body, superior: bool, u: FloatArray, side: float | FloatArray = 0.0
) -> FloatArray:
    """How far, in mm, the endplate lies inside the line of its rim.

    Parameters
    ----------
    body, superior
        Which endplate.
    u : array
        -1 at the back of the body, 1 at its front.
    side : float or array
        -1 to 1: lateral offset as a share of the half width; broadcasts with `u`.
    """
    depth = body.concavity_superior if superior else body.concavity_inferior
    # The lower endplate is deepest behind its middle.
    shift = 0.0 if superior else 0.15
    v = np.clip(np.abs(u + shift * (1 - np.abs(u))) / 0.94, 0, 1)
    out: FloatArray = depth * (1 - v**2.6) * (1 - np.abs(side) ** 3)
    return out


def endplate_line(
    body: Body, superior: bool, u: FloatArray, side: float | FloatArray = 0.0
) -> FloatArray:
    """y of an endplate in the body's frame; parameters as for `endplate_drop`."""
    sa, sp, ip, ia = corner_points(body)
    back, front = (sp, sa) if superior else (ip, ia)
    drop = endplate_drop(body, superior, u, side)
    out: FloatArray = back[1] + (u + 1) / 2 * (front[1] - back[1]) + (drop if superior else -drop)
    return out


def waist_share(v: float | FloatArray) -> FloatArray:
    """Share of its waist by which a wall is drawn in, at the shares `v` of its height."""
    out: FloatArray = 1 - np.abs(2 * np.asarray(v) - 1) ** 2.2
    return out


def _planform(t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Backward and forward reach of the slices at the lateral offsets `t`, in half depths."""
    front = (1 - np.abs(t) ** 2.4) ** (1 / 2.4)
    kidney = 0.02 * (1 - np.minimum(np.abs(t) / 0.5, 1.0) ** 2)
    # The two lips of the back reach the line of the corners exactly.
    back = ((1 - np.abs(t) ** 5) ** (1 / 3) - kidney) / 0.989
    return back, front


def body_outlines(body: Body, t: FloatArray) -> FloatArray:
    """(K, P, 2) sagittal outlines at the (K,) lateral offsets `t` of the half width."""
    sa, sp, ip, ia = corner_points(body)
    back, front = _planform(t)
    span = (1 - back) / 2, (1 + front) / 2
    sa_r, sp_r, ip_r, ia_r = body.corner_radii
    top = _edge(body, sp, sa, span, t, True)
    bottom = _edge(body, ip, ia, span, t, False)
    wall_front = _wall(top[:, -1], bottom[:, -1], body.waist_anterior, sa_r, ia_r)
    wall_back = _wall(bottom[:, 0], top[:, 0], -body.waist_posterior, ip_r, sp_r)
    v = np.linspace(0, 1, _WALL_POINTS)
    flat = (1 - t**2)[:, None]
    wall_back[..., 0] -= body.bulge * np.exp(-(((v - 0.72) / 0.2) ** 2)) * flat
    wall_front[..., 0] += body.step * np.exp(-(((v - 0.22) / 0.1) ** 2)) * flat
    corners = (
        _rim(top[:, -1], top[:, -2], wall_front[:, 0], sa_r),
        _rim(bottom[:, -1], bottom[:, -2], wall_front[:, -1], ia_r),
        _rim(bottom[:, 0], bottom[:, 1], wall_back[:, 0], ip_r),
        _rim(top[:, 0], top[:, 1], wall_back[:, -1], sp_r),
    )
    top, bottom = _shortened(top, sp_r, sa_r), _shortened(bottom, ip_r, ia_r)
    parts = (top, corners[0], wall_front, corners[1], bottom[:, ::-1], corners[2], wall_back)
    return np.concatenate([*parts, corners[3]], axis=1)


def _edge(
    body: Body,
    back: FloatArray,
    front: FloatArray,
    span: tuple[FloatArray, FloatArray],
    t: FloatArray,
    superior: bool,
) -> FloatArray:
    """(K, N, 2) endplate of each slice, back to front."""
    begin, end = span[0][:, None], span[1][:, None]
    f = begin + (end - begin) * np.linspace(0, 1, _EDGE_POINTS)
    edge = back + f[..., None] * (front - back)
    u, side = 2 * f - 1, t[:, None]
    inwards = endplate_drop(body, superior, u, side) + _unevenness(body, superior, u, side)
    edge[..., 1] += (1.0 if superior else -1.0) * inwards
    out: FloatArray = edge
    return out


def _unevenness(body: Body, superior: bool, u: FloatArray, t: FloatArray) -> FloatArray:
    """Ripple and dents, mm inwards; none at the corners and at the middle."""
    amplitude, phase = body.ripple[:2] if superior else body.ripple[2:]
    out: FloatArray = amplitude * np.sin(np.pi * u) * np.cos(6 * u + 3 * t + phase)
    for upper, place, depth in body.nodes:
        if upper == superior:
            out = out + depth * np.exp(-(((u - place) / 0.14) ** 2) - ((t - 0.1) / 0.3) ** 2)
    return out


def _length(vectors: FloatArray) -> FloatArray:
    """(K, 1) lengths of (K, 2) vectors, never 0."""
    out: FloatArray = np.maximum(np.hypot(vectors[:, 0], vectors[:, 1]), 1e-3)[:, None]
    return out


def _between(start: FloatArray, end: FloatArray, first: float, last: float, n: int) -> FloatArray:
    """(K, n) places from 0 to 1 along the straight run between two rounded corners."""
    length = _length(end - start)
    begin, stop = np.minimum(first / length, 0.3), 1 - np.minimum(last / length, 0.3)
    out: FloatArray = begin + (stop - begin) * np.linspace(0, 1, n)
    return out


def _shortened(edge: FloatArray, back: float, front: float) -> FloatArray:
    """Draw both ends of the edges in by the radii of the corners."""
    count = edge.shape[1]
    at = _between(edge[:, 0], edge[:, -1], back, front, count) * (count - 1)
    low = np.minimum(at.astype(int), count - 2)
    share = (at - low)[..., None]
    rows = np.arange(len(edge))[:, None]
    out: FloatArray = edge[rows, low] * (1 - share) + edge[rows, low + 1] * share
    return out


def _rim(corner: FloatArray, along: FloatArray, wall: FloatArray, radius: float) -> FloatArray:
    """(K, 1, 2) points of the rounded rim nearest to the corner of the straight lines."""
    inward = (along - corner) / _length(along - corner)
    down = (wall - corner) / _length(wall - corner)
    out: FloatArray = (corner + 0.29 * radius * (inward + down))[:, None]
    return out


def _wall(
    start: FloatArray, end: FloatArray, waist: float, first: float, last: float
) -> FloatArray:
    """(K, N, 2) wall of each slice, drawn in by `waist` at its middle."""
    v = _between(start, end, first, last, _WALL_POINTS)
    wall = start[:, None] + v[..., None] * (end - start)[:, None]
    wall[..., 0] -= waist * waist_share(v)
    out: FloatArray = wall
    return out


def _slices(body: Body, ray_slope: float) -> tuple[FloatArray, FloatArray]:
    """Offsets in (-1, 1), closer at the sides, and the share of the width of each slice.

    A body that leans against the ray gets more slices, or each would show as a line of its own.
    """
    lean = abs(np.tan(body.angles[1]) - ray_slope) + abs(np.tan(body.angles[2]))
    count = int(np.clip(np.ceil(1.6 * body.width * lean / 0.3), 17, 80))
    if body.level[0] == "C":
        count = 9
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, count + 1))
    return (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2


def body_slabs(body: Body, ray_slope: float = 0.0) -> list[Slabs]:
    """The body with its shell, its spurs and the dense band of an impaction.

    Parameters
    ----------
    body : Body
        What to draw.
    ray_slope : float
        dy/dz of the rays that pass it: only sets how finely it is sliced.
    """
    ts, share = _slices(body, ray_slope)
    z = ts * body.width / 2
    outline = body_outlines(body, ts)
    # A wall that runs along the ray is a sharp line; one that turns away is spread out.
    step = np.abs(np.gradient(outline.max(axis=1)[:, 0]))
    thick = np.repeat((_WALL_MM / (1 + (step / 0.4) ** 2))[:, None], outline.shape[1], axis=1)
    thick[:, :_EDGE_POINTS] = _ENDPLATE_MM * (1 + body.sclerosis[0])
    low = _EDGE_POINTS + _WALL_POINTS + 2
    thick[:, low : low + _EDGE_POINTS] = _ENDPLATE_MM * (1 + body.sclerosis[1])
    parts = [
        Slabs(
            body.to_subject(lift(outline, z)),
            body.to_subject(lift(inset(outline, thick[..., None] * body.size**0.5), z)),
            share * body.width,
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
    out_and_in = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    for corner, length, (out, into) in zip(
        corner_points(body), body.spurs, out_and_in, strict=True
    ):
        if length < 0.8:
            continue
        beak = np.array(
            [
                [-out * 2.5, into * 0.3],
                [out * 0.5 * length, -into * 0.05 * length],
                [out * length, -into * 0.12 * length],
                [out * 0.75 * length, into * 0.35 * length],
                [out * 0.1 * length, into * (1.5 + 0.6 * length)],
                [-out * 1.2, into * (2.0 + 0.8 * length)],
            ]
        )
        offsets = np.linspace(-1, 1, 11)
        outline = corner + beak * (1 - 0.35 * np.abs(offsets))[:, None, None]
        z = 0.32 * offsets * body.width
        parts.append(
            Slabs(
                body.to_subject(lift(outline, z)),
                body.to_subject(lift(inset(outline, 0.5), z)),
                np.full(11, 0.045 * body.width),
                0.5 * CORTEX,
                SPONGE,
            )
        )
    return parts


def _crease(body: Body) -> Slabs:
    """Impacted spongy bone under a broken superior endplate."""
    u = np.linspace(-0.3, 0.92, 12)
    x = u * body.depth_superior / 2
    line = endplate_line(body, True, u)
    top = np.stack([x, line + 1.5], axis=1)
    low = np.stack([x, line + 4.5 + 1.5 * np.sin(4 * u)], axis=1)
    outline = np.concatenate([top, low[::-1]])[None].repeat(6, axis=0)
    z = np.linspace(-0.3, 0.3, 6) * body.width
    strength = SPONGE * body.crease
    return Slabs(
        body.to_subject(lift(outline, z)),
        body.to_subject(lift(inset(outline, 0.9), z)),
        np.full(6, 0.12 * body.width),
        0.6 * strength,
        strength,
    )
