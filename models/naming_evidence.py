"""What speaks for a candidate being a level, and for two candidates following each other.

Everything is linear in a few weights: the tables here hold the features, in the order of
`FEATURES`; their weighted sum is what the dynamic program adds up (NumPy only).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.models.decode import CLASSES, Candidate
from endplate.models.frames import body_frame
from endplate.models.normal_column import ANGLES, BELOW, LOG_SIZES, REACH, STEPS, TILTS

__all__ = ["FEATURES", "IMPOSSIBLE", "S1", "Evidence", "IntArray", "gather"]

IntArray = np.ndarray[tuple[int, ...], np.dtype[np.intp]]

IMPOSSIBLE: Final = -1e9
S1: Final = CLASSES.index("S1")
CERVICAL: Final = len(CLASSES) - 1

_NODE: Final = (
    "body",
    "bodies",
    "sacrum",
    "sacra",
    "sacral",
    "lowest",
    "lumbar",
    "lower_thoracic",
    "thoracic",
    "tilt",
    "doubled",
)
_EDGE: Final = (
    "thoracic_spacing",
    "lumbar_spacing",
    "sacral_spacing",
    "overlap",
    "size",
    "kink",
    "angle",
    "skipped",
)
#: Names of the features: of a body, of a step, of the lower end, of the counts.
FEATURES: Final = (*_NODE, *_EDGE, "unseen", "irregular")

_FLOOR: Final = -9.0
"""Least log probability of a level against the likeliest one."""
_SPACING_SD: Final = 0.13
_SIZE_SD: Final = 0.10
_KINK_SD: Final = 16.0
_ANGLE_SD: Final = 7.0
_TILT_SD: Final = 12.0
_LONGER: Final = 0.14
"""Logarithm by which steps on films are longer, in depths, than those of `normal_column`."""
_DISC, _LEAST_DISC, _DISC_SD = 0.15, 0.5, 0.1
"""Depths between two bodies below which they overlap; greatest overlap that counts; its unit."""
_BOUND: Final = 9.0
"""A squared deviation counts as no more than this: fractures and slips are no impossibility."""
_FARTHEST: Final = 40.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """Features of one film.

    Parameters
    ----------
    nodes : (N, L, 11) array
        Of candidate i being level l; `possible` says where that can be.
    possible : (N, L) bool array
    edges : (E, 3) int array
        Upper candidate, lower candidate, levels down.
    steps : (E, L, 8) array
        Of such a step from an upper candidate of level l.
    ends : (N, L) array
        Levels that the film should show below if the column ended with candidate i as level l.
    """

    nodes: FloatArray
    possible: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    edges: IntArray
    steps: FloatArray
    ends: FloatArray


def gather(
    ordered: Sequence[Candidate], downward: FloatArray, shape: tuple[int, int] | None
) -> Evidence:
    """Features of candidates that are ordered from head to foot.

    Parameters
    ----------
    downward : (2,) array
        Unit vector from head to foot in the film.
    shape : (rows, columns) or None
        Of the film; None: nothing is known about what it shows below the column.
    """
    geometry = _Geometry.of(ordered, downward)
    nodes, possible = _nodes(ordered, geometry)
    edges, steps = _edges(geometry)
    return Evidence(nodes, possible, edges, steps, _ends(geometry, downward, shape))


@dataclass(frozen=True, eq=False)
class _Geometry:
    centres: FloatArray
    tops: FloatArray
    bottoms: FloatArray
    forward: FloatArray
    depths: FloatArray
    tilts: FloatArray
    sacrum: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    @classmethod
    def of(cls, ordered: Sequence[Candidate], downward: FloatArray) -> "_Geometry":
        frames = [body_frame(c.points) for c in ordered]
        forward = np.array([f[1] for f in frames])
        sideways = np.array([-downward[1], downward[0]])
        weights = np.array([c.score for c in ordered])
        # bodies that face against the majority are taken to be seen the wrong way round
        across = forward @ sideways
        facing = 1.0 if float(weights @ across) >= 0 else -1.0
        along = forward @ downward * np.where(across * facing < 0, -1.0, 1.0)
        return cls(
            np.array([c.centre for c in ordered]),
            np.array([0.5 * (c.points[0] + c.points[2]) for c in ordered]),
            np.array([0.5 * (c.points[3] + c.points[5]) for c in ordered]),
            forward,
            np.array([f[2] for f in frames]),
            np.degrees(np.arcsin(np.clip(along, -1, 1))),
            np.array([c.sacrum for c in ordered]),
        )


def _nodes(
    ordered: Sequence[Candidate], geometry: _Geometry
) -> tuple[FloatArray, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    n, levels = len(ordered), len(CLASSES)
    out = np.zeros((n, levels, len(_NODE)))
    possible = np.ones((n, levels), dtype=bool)
    doubled = _doubled(ordered, geometry)
    for i, c in enumerate(ordered):
        score = min(max(c.score, 1e-4), 1 - 1e-4)
        odds = float(np.log(score / (1 - score)))
        # a body marked on the body map is not the sacral endplate, nor the other way round
        possible[i] = c.sacrum
        possible[i, S1] = c.sacrum
        if c.sacrum:
            possible[i, :S1] = possible[i, S1 + 1 :] = False
            out[i, S1, 2:5] = odds, 1.0, max(float(c.log_levels[S1]), _FLOOR)
        else:
            possible[i] = True
            possible[i, S1] = False
            out[i, :, 0], out[i, :, 1] = odds, 1.0
            # relative to its likeliest level: a level in doubt is no evidence against a body
            seen = np.maximum(c.log_levels - c.log_levels.max(), _FLOOR)
            out[i, :, _region(c)] = seen
            out[i, :, _NODE.index("doubled")] = -doubled[i]
        away = (geometry.tilts[i] - TILTS) / _TILT_SD
        out[i, :, _NODE.index("tilt")] = -0.5 * np.minimum(away**2, _BOUND)
    out[~possible] = 0.0
    return out, possible


def _region(candidate: Candidate) -> int:
    """Column of `FEATURES` that holds what a body looks like: neighbours look more alike above."""
    level = int(candidate.log_levels.argmax())
    if level == CERVICAL or level < CLASSES.index("T10"):
        return _NODE.index("thoracic")
    if level >= CLASSES.index("L5"):
        return _NODE.index("lowest")
    return _NODE.index("lumbar" if level >= CLASSES.index("L1") else "lower_thoracic")


def _doubled(ordered: Sequence[Candidate], geometry: _Geometry) -> FloatArray:
    """(N,) how surely a sacral endplate was seen where a body has its superior endplate."""
    apart = geometry.tops[:, None] - geometry.tops[None]
    near = np.hypot(apart[..., 0], apart[..., 1]) < 0.3 * geometry.depths[:, None]
    scores = np.array([c.score if c.sacrum else 0.0 for c in ordered])
    out: FloatArray = np.where(near, scores[None], 0.0).max(axis=1)
    return out


def _edges(g: _Geometry) -> tuple[IntArray, FloatArray]:
    """Possible steps from candidate to candidate, and their features."""
    step = g.centres[None] - g.centres[:, None]
    distance = np.maximum(np.hypot(step[..., 0], step[..., 1]), 1e-9)
    depth = 0.5 * (g.depths[:, None] + g.depths[None])
    reach = np.arange(1, REACH + 1)
    possible = np.triu(np.ones_like(distance, dtype=bool), 1) & ~g.sacrum[:, None]
    near = (distance >= 0.3 * depth)[..., None] & (
        distance[..., None] <= 1.75 * reach * depth[..., None]
    )
    upper, lower, k = np.nonzero(possible[..., None] & near)
    d, relative = step[upper, lower] / distance[upper, lower, None], distance[upper, lower]
    relative = relative / depth[upper, lower]
    kinks = [
        np.degrees(np.arcsin(np.minimum(np.abs((d * g.forward[i]).sum(axis=1)), 1.0)))
        for i in (upper, lower)
    ]
    to_sacrum = g.sacrum[lower]
    # only the lowest lumbar body is followed by the sacrum: the last step is short
    shorter = np.where(to_sacrum, STEPS[0, CLASSES.index("L4")] - STEPS[0, CLASSES.index("L5")], 0)
    expected = np.where(
        to_sacrum[:, None], STEPS[0, CLASSES.index("L4")] * (k[:, None] + 1), STEPS[k]
    )
    # nothing lies below the sacrum: that row is never used
    expected = np.maximum(expected - shorter[:, None], 0.1)
    gap = ((g.tops[lower] - g.bottoms[upper]) * d).sum(axis=1) / depth[upper, lower]
    out = np.zeros((len(k), len(CLASSES), len(_EDGE)))
    spacing = _heavy(np.log(relative[:, None] / expected) - _LONGER, _SPACING_SD)
    # thoracic bodies are found less exactly, and so is the sacral endplate
    lumbar = (np.arange(len(CLASSES)) >= CLASSES.index("T12"))[None] & ~to_sacrum[:, None]
    out[..., 0] = np.where(lumbar | to_sacrum[:, None], 0.0, spacing)
    out[..., 1] = np.where(lumbar, spacing, 0.0)
    out[..., 2] = np.where(to_sacrum[:, None], spacing, 0.0)
    # two candidates on one body: there is no disc between them
    out[..., 3] = -0.5 * (np.clip(_DISC - gap, 0.0, _LEAST_DISC) / _DISC_SD)[:, None] ** 2
    sizes = np.log(g.depths[lower] / g.depths[upper])[:, None] - LOG_SIZES[k]
    out[..., 4] = _heavy(sizes, _SIZE_SD)
    kink = (kinks[0] / _KINK_SD) ** 2 + np.where(to_sacrum, 0.5, 1.0) * (kinks[1] / _KINK_SD) ** 2
    out[..., 5] = -0.5 * np.minimum(kink, _FARTHEST)[:, None]
    turned = (g.tilts[lower] - g.tilts[upper])[:, None] - ANGLES[k]
    out[..., 6] = _heavy(turned, _ANGLE_SD)
    out[..., 7] = -k[:, None]
    return np.stack([upper, lower, k + 1], axis=1), out


def _heavy(value: FloatArray, sd: float) -> FloatArray:
    """Log density of Student's t with 3 degrees of freedom, 0 at its peak: outliers happen."""
    out: FloatArray = -2.0 * np.log1p((value / sd) ** 2 / 3.0)
    return out


def _ends(g: _Geometry, downward: FloatArray, shape: tuple[int, int] | None) -> FloatArray:
    n = len(g.centres)
    if shape is None:
        return np.zeros((n, len(CLASSES)))
    corners = np.array([[0, 0], [shape[1] - 1, 0], [0, shape[0] - 1], [shape[1] - 1, shape[0] - 1]])
    room = ((corners @ downward).max() - g.centres @ downward) / g.depths
    # a body counts as shown when all of it is on the film
    shown = (BELOW[None] + 0.5 <= room[:, None, None]).sum(axis=2)
    out: FloatArray = -shown.astype(np.float64)
    return out
