"""Sacrum, iliac wings and femoral heads."""

from dataclasses import replace
from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel, rotation
from endplate.datasets.simulator.body import body_slabs
from endplate.datasets.simulator.projection import Slabs
from endplate.datasets.simulator.shapes import CORTEX, SPONGE, inset, lift, plate, rounded
from endplate.geometry.landmarks import FloatArray

__all__ = ["pelvis_slabs", "sacrum_slabs"]

#: Iliac wing from the side, mm from the centre of S1, at a sacral slope of 40 degrees.
_BLADE: Final[tuple[tuple[float, float], ...]] = (
    (-58, 20), (-52, -2), (-36, -22), (-8, -38), (28, -34), (55, -12), (66, 12), (60, 26),
    (52, 45), (40, 66), (16, 72), (-10, 62), (-22, 52), (-34, 56), (-44, 42),
)  # fmt: skip
_WING: Final[tuple[tuple[float, float], ...]] = (
    (12, 1), (0, -1), (-8, 14), (-2, 40), (10, 44), (24, 26),
)  # fmt: skip
_FACET: Final[tuple[tuple[float, float], ...]] = ((-6, -9), (-10, -11), (-15, 6), (-6, 9))


def sacrum_slabs(spine: SpineModel) -> list[Slabs]:
    """Sacral segments with their remnant discs, the wings and the crest behind."""
    body, flexion = spine.sacrum, spine.sacrum.angles[0]
    parts = body_slabs(body)
    centres = [body.centre]
    for k in range(4):
        flexion -= spine.sacral_bend * (0.7 if k < 2 else 1.4)
        body = _segment(body, flexion, (1.8, 0.6, 0.3, 0.2)[k])
        # The lower segments are fused: little of a shell between them.
        parts += body_slabs(replace(body, cortex=0.55 if k == 0 else 0.3))
        centres.append(body.centre)
    return parts + _mass(spine, np.array(centres))


def _segment(above: Body, flexion: float, gap: float) -> Body:
    """The segment below `above`, smaller and turned to `flexion`."""
    scale = 0.84
    tall = (above.anterior + above.posterior) / 2
    old = above.angles[0]
    down = np.array([-np.sin(old), np.cos(old), 0.0]) * (tall / 2 + gap)
    down = down + np.array([-np.sin(flexion), np.cos(flexion), 0.0]) * tall * scale / 2
    return replace(
        above,
        level="S",
        anterior=above.anterior * scale,
        posterior=above.posterior * scale,
        depth_superior=above.depth_inferior * 0.98,
        depth_inferior=above.depth_inferior * 0.76,
        width=above.width * 0.8,
        concavity_superior=0.4,
        concavity_inferior=0.4,
        centre=above.centre + down,
        angles=(flexion, above.angles[1], above.angles[2]),
        spurs=(0.0, 0.0, 0.0, 0.0),
        sclerosis=(0.0, 0.0),
    )


def _mass(spine: SpineModel, centres: FloatArray) -> list[Slabs]:
    """Wings at the sides, crest and facets behind."""
    first = spine.sacrum
    corner = np.array([-first.depth_superior / 2, -first.posterior / 2]) / first.size
    wing, facet = np.array(_WING) + corner, np.array(_FACET) + corner
    spread = np.linspace(-1, 1, 5)
    parts = []
    for side in (-1, 1):
        parts.append(plate(first, wing, side * (38 + 10 * spread), 24.0, 0.3, 0.8))
        parts.append(plate(first, facet, side * 19 + 4 * spread, 8.0, 0.8, 2.2))
    local = (centres - first.centre) @ rotation(*first.angles)
    line = local[:, :2] / first.size
    step = np.arange(len(line))[:, None] * [1.0, 0.0]
    crest = np.concatenate([line + [-22, 2] + 3 * step, (line + [-13, 4] + 1.5 * step)[::-1]])
    parts.append(plate(first, crest, 9 * spread, 16.0, 0.5, 1.2))
    return parts


def pelvis_slabs(spine: SpineModel, rng: np.random.Generator) -> list[Slabs]:
    """Iliac wings and femoral heads, both sides."""
    size, middle = spine.size, spine.sacrum.centre
    roll = spine.sacrum.angles[0] - np.deg2rad(36)
    turn = rotation(roll, 0.0, 0.0)[:2, :2].T
    blade = np.array(_BLADE) + np.where(np.array(_BLADE)[:, 1:] < -10, [[0.0, rng.normal(0, 6)]], 0)
    parts = []
    for side in (-1, 1):
        shape = rounded(blade + rng.normal(0, 2.5, blade.shape) + rng.normal(0, 4, 2)) * size
        shape = shape @ turn + middle[:2]
        zs = side * np.array([62.0, 74.0, 86.0, 98.0, 110.0]) * size + middle[2]
        inner = shape.mean(axis=0) + np.array([10.0, -10.0])
        scale = np.array([0.86, 0.93, 0.98, 1.0, 0.92])
        outline = inner + (shape - inner) * scale[:, None, None]
        parts.append(
            Slabs(
                lift(outline, zs),
                lift(inset(outline, 2.5 * size), zs),
                np.full(5, 2.2),
                0.8 * CORTEX,
                0.022,
            )
        )
        hip = middle[:2] + np.array([38.0, 92.0]) @ turn * size + rng.normal(0, 4, 2)
        parts.append(_ball(np.array([*hip, middle[2] + side * 88.0 * size]), 24.0 * size))
    return parts


def _ball(centre: FloatArray, radius: float) -> Slabs:
    """A femoral head as slices of a sphere."""
    edges = np.linspace(-1, 1, 12)
    t = (edges[1:] + edges[:-1]) / 2
    a = np.linspace(0, 2 * np.pi, 33)[:-1]
    ring = np.stack([np.cos(a), np.sin(a)], axis=1)
    outline = centre[:2] + radius * np.sqrt(1 - t**2)[:, None, None] * ring
    zs = centre[2] + radius * t
    return Slabs(
        lift(outline, zs),
        lift(inset(outline, 0.8), zs),
        np.full(11, 2 * radius / 11),
        0.5 * CORTEX,
        SPONGE * 1.2,
    )
