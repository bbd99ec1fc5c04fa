"""Bending, turning and breaking a spine: voxels and points move together.

The deformation is told backwards, from the deformed patient to the CT: each body has a rigid map
of its own (and a fracture), which blend into each other within the discs. Points are carried the
other way by solving for the place that the backward map brings to them, so that they stay on the
voxels that they were on.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.datasets.ct_simulator.fracture import (
    BREAKABLE,
    Fracture,
    draw_fracture,
    restored,
    smooth_step,
)
from endplate.datasets.ct_simulator.source import CtSource, SourceBody
from endplate.geometry.landmarks import FloatArray

__all__ = ["Deformation", "draw_deformation"]

#: Parts of the way between two centres at which the blend begins and ends: the disc.
_BLEND: Final = (0.40, 0.60)
_ROUNDS: Final = 10


@dataclass(frozen=True, eq=False)
class Deformation:
    """A deformed spine.

    Parameters
    ----------
    levels : tuple of str
        Head to foot.
    bodies : tuple of SourceBody
        As they are in the CT.
    turns : (N, 3, 3) array
        Rotation of each body.
    centres : (N, 3) array
        Where their centres came to lie, in the patient's own axes.
    fracture : Fracture or None
    """

    levels: tuple[str, ...]
    bodies: tuple[SourceBody, ...]
    turns: FloatArray
    centres: FloatArray
    fracture: Fracture | None

    def axes_of(self, index: int) -> FloatArray:
        """(3, 3) rows left, front and up of a deformed body."""
        out: FloatArray = self.bodies[index].axes @ self.turns[index].T
        return out

    def backward(self, places: FloatArray) -> FloatArray:
        """(N, 3) places of the deformed patient to those of the CT."""
        weights = self._weights(places)
        out = np.zeros_like(places)
        for i, (body, turn, centre) in enumerate(
            zip(self.bodies, self.turns, self.centres, strict=True)
        ):
            near = weights[:, i] > 0
            if not near.any():
                continue
            own = (places[near] - centre) @ turn
            if self.fracture is not None and self.fracture.level == self.levels[i]:
                own = restored(own, body, self.fracture)
            out[near] += weights[near, i, None] * (own + body.centre)
        return out

    def forward(self, points: FloatArray, index: int) -> FloatArray:
        """(N, 3) points of body `index` in the CT to the deformed patient; NaN stays NaN."""
        turn = self.turns[index]
        goal = np.where(np.isnan(points), 0.0, points)
        places = (goal - self.bodies[index].centre) @ turn.T + self.centres[index]
        for _ in range(_ROUNDS):
            places = places + 0.8 * (goal - self.backward(places)) @ turn.T
        return np.where(np.isnan(points), np.nan, places)

    def _weights(self, places: FloatArray) -> FloatArray:
        """(N, bodies) share of each body's map at each place; rows add up to 1."""
        below = np.zeros((len(places), len(self.bodies) + 1))
        below[:, 0] = 1.0
        for k in range(len(self.bodies) - 1):
            up = self.axes_of(k)[2] + self.axes_of(k + 1)[2]
            gap = self.centres[k] - self.centres[k + 1]
            t = (self.centres[k] - places) @ up / (gap @ up)
            ramp = smooth_step((t - _BLEND[0]) / (_BLEND[1] - _BLEND[0]))
            # never more of a lower body than of the one above it has given away
            below[:, k + 1] = np.minimum(ramp, below[:, k])
        out: FloatArray = below[:, :-1] - below[:, 1:]
        return out


def draw_deformation(rng: np.random.Generator, source: CtSource, fractured: float) -> Deformation:
    """Draw how a spine is bent, turned and broken.

    Parameters
    ----------
    fractured : float
        Chance of a fracture of T10 to L4, where the CT shows one of them as a whole.
    """
    levels = tuple(source.bodies)
    bodies = tuple(source.bodies.values())
    fracture = None
    open_to = [x for x in levels[1:-1] if x in BREAKABLE]
    if open_to and rng.random() < fractured:
        fracture = draw_fracture(rng, open_to)
    n = len(levels)
    place = np.linspace(0, 1, n)
    waves = [rng.normal(0, s) * np.sin(np.pi * (place * f + rng.random())) for s, f in _WAVES]
    flexed = waves[0] + waves[1] + rng.normal(0, np.deg2rad(0.8), n)
    tilted = waves[2] + rng.normal(0, np.deg2rad(0.6), n)
    turned = waves[3] + rng.normal(0, np.deg2rad(0.8), n)
    if fracture is not None and fracture.kind in ("wedge", "burst"):
        at = levels.index(fracture.level)
        wedge = np.arctan2(fracture.wedging * bodies[at].height, bodies[at].depth)
        flexed[:at] += wedge * rng.uniform(0.4, 0.9)
        flexed[at] += wedge * rng.uniform(0.2, 0.45)
    turns = np.stack([_rotation(*a) for a in zip(flexed, tilted, turned, strict=True)])
    return Deformation(levels, bodies, turns, _chained(bodies, turns, levels, fracture), fracture)


#: Standard deviation in radians and half waves along the spine: flexion twice, tilt, rotation.
_WAVES: Final = ((0.09, 1.0), (0.05, 2.0), (0.04, 1.5), (0.05, 1.5))


def _rotation(flexed: float, tilted: float, turned: float) -> FloatArray:
    """Rotation about left (flexion forward), front and up."""
    c, s = np.cos([flexed, tilted, turned]), np.sin([flexed, tilted, turned])
    bend = np.array([[1, 0, 0], [0, c[0], s[0]], [0, -s[0], c[0]]])
    lean = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
    turn = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    out: FloatArray = bend @ lean @ turn
    return out


def _chained(
    bodies: tuple[SourceBody, ...],
    turns: FloatArray,
    levels: tuple[str, ...],
    fracture: Fracture | None,
) -> FloatArray:
    """Centres from the foot up; the discs keep their length."""
    centres = np.stack([b.centre for b in bodies])
    out = centres.copy()
    for i in range(len(bodies) - 2, -1, -1):
        step = centres[i] - centres[i + 1]
        half = (turns[i] + turns[i + 1]) / 2
        shorter = 0.0
        if fracture is not None:
            lost = fracture.loss * (0.5 if fracture.kind == "wedge" else 0.7)
            for k in (i, i + 1):
                if levels[k] == fracture.level:
                    shorter = lost * bodies[k].height / 2
        out[i] = out[i + 1] + half @ step * (1 - shorter / float(np.linalg.norm(step)))
    return out
