"""Naming the levels of all films of a subject together.

A network counts vertebrae film by film, and where neither sacrum nor ribs help it may be off by
one. Across the films of one person the bodies are the same, so a film whose bodies fit those of
the other films only after a shift of all its names was miscounted. Each film may be shifted by up
to two levels; the best set of shifts has the greatest sum of

- the posterior of the film's own naming, from the level probabilities that the reading keeps;
- the likeness of the bodies that then carry the same name on two films.

Likeness compares what does not depend on magnification: the height-to-depth ratios and the wedge
of each body, its size against the next, cement and screws. Each feature adds the logarithm of how
much likelier its difference is between two films of one body than between two bodies that lie one
or two levels apart; bodies on one film only add nothing. Every term is bounded, so that a body
which was broken, treated, or broke in between cannot outvote the others.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import REGULAR_LEVELS
from endplate.geometry.measure import measure
from endplate.study.reading import Quality, Reading, Reason

__all__ = ["JointNaming", "JointNamingSettings", "name_jointly", "shift_level"]

_REACH: Final = 2
#: Up to so many films all sets of shifts are tried; beyond, one film after another.
_ALL_SETS: Final = 5


@dataclass(frozen=True, slots=True)
class JointNamingSettings:
    """Spread of a body's features, and the prior of a shift.

    Parameters
    ----------
    point_sd : float
        Error of a point over the depth of its body, where the reading states none.
    greatest_point_sd : float
        A stated error counts as no more than this. Cautious readers state more, and then nothing
        would tell bodies apart, although the same body keeps its shape on their films.
    own_ratio, own_wedge_deg : float
        Spread of a ratio and of the wedge of one body between two films besides that error.
    other_ratio, other_wedge_deg : float
        The same between bodies one or two levels apart.
    weight : float
        Of each feature: they are not independent of each other.
    bound : float
        Greatest cost of one feature, nats: what a change of shape can cost.
    implant : float
        Cost of cement or screws in a body that has none on a later film, nats.
    person_probability : float
        Probability of the names that a person gave, who states none.
    margin : float
        A shift is taken only if it gains so many nats.
    """

    point_sd: float = 0.02
    greatest_point_sd: float = 0.025
    own_ratio: float = 0.015
    own_wedge_deg: float = 0.8
    other_ratio: float = 0.055
    other_wedge_deg: float = 3.5
    weight: float = 0.7
    bound: float = 2.5
    implant: float = 3.0
    person_probability: float = 0.999
    margin: float = 2.0


@dataclass(frozen=True, eq=False)
class JointNaming:
    """Films named together.

    Parameters
    ----------
    readings : tuple of Reading
        As given where nothing was shifted; else new readings that name their parent.
    shifts : tuple of int
        Levels down by which each film's names were moved, 0 for none.
    gain : float
        Nats by which this naming beats that of the films one by one.
    margin : float
        Nats by which it beats the second best, infinite for a single film.
    """

    readings: tuple[Reading, ...]
    shifts: tuple[int, ...]
    gain: float
    margin: float


def shift_level(level: str, shift: int) -> str | None:
    """The level `shift` places further down in a regular spine; None beyond its ends."""
    if shift == 0:
        return level
    if level not in REGULAR_LEVELS:
        return None
    i = REGULAR_LEVELS.index(level) + shift
    return REGULAR_LEVELS[i] if 0 <= i < len(REGULAR_LEVELS) else None


def name_jointly(
    readings: Sequence[Reading], settings: JointNamingSettings | None = None
) -> JointNaming:
    """Name the films of one subject together.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of time; films of the whole subject.
    settings : JointNamingSettings, optional
    """
    chosen = settings or JointNamingSettings()
    films = [_Film.of(r, chosen) for r in readings]
    if len(films) < 2:
        return JointNaming(tuple(readings), (0,) * len(films), 0.0, math.inf)
    likeness = {
        (i, j): _pair_costs(films[i], films[j], chosen)
        for i, j in combinations(range(len(films)), 2)
    }
    best, gain, margin = _search(films, likeness)
    if gain < chosen.margin:
        best, gain = (0,) * len(films), 0.0
    named = tuple(_shifted(r, s) for r, s in zip(readings, best, strict=True))
    return JointNaming(named, best, gain, margin)


@dataclass(frozen=True, eq=False)
class _Film:
    """Features of one film by level with their relative error, and the cost of shifting it."""

    features: Mapping[str, FloatArray]
    errors: Mapping[str, float]
    implants: Mapping[str, bool]
    cost: Mapping[int, float]

    @classmethod
    def of(cls, reading: Reading, settings: JointNamingSettings) -> "_Film":
        return cls(
            _features(reading),
            _relative_errors(reading, settings),
            {v.level: v.cement or v.hardware for v in reading.vertebrae},
            _shift_costs(reading, settings),
        )


def _shift_costs(reading: Reading, settings: JointNamingSettings) -> dict[int, float]:
    """Negative log posterior of each shift; infinite where a name would leave the spine."""
    known = [v.level_probability for v in reading.vertebrae if not math.isnan(v.level_probability)]
    right = min(known, default=settings.person_probability)
    right = min(max(right, 0.02), 0.9999)
    levels = [v.level for v in reading.vertebrae]
    out = {0: -math.log(right)}
    for shift in (-2, -1, 1, 2):
        share = 0.42 if abs(shift) == 1 else 0.08
        cost = -math.log((1.0 - right) * share)
        # The sacral endplate looks like no other, and no other has two points only.
        possible = all(
            (new := shift_level(x, shift)) is not None and (new == "S1") == (x == "S1")
            for x in levels
        )
        out[shift] = cost if possible else math.inf
    return out


def _features(reading: Reading) -> dict[str, FloatArray]:
    """(5,) features by level: three heights over depth, wedge in degrees, log depth ratio."""
    measured = measure(reading.vertebrae, reading.calibration)
    wedge = {m.level: m.value for m in measured if m.name == "vertebral_kyphosis_deg"}
    scale = np.asarray(reading.calibration.scale_xy)
    depth = {v.level: _depth(v, scale) for v in reading.vertebrae}
    out = {}
    bodies = [v for v in reading.vertebrae if v.level != "S1"]
    for body in bodies:
        p = body.points * scale
        heights = np.hypot(*(p[[0, 1, 2]] - p[[5, 4, 3]]).T) / depth[body.level]
        out[body.level] = np.array([*heights, wedge.get(body.level, np.nan), np.nan])
    for upper, lower in pairwise(bodies):
        out[upper.level][4] = math.log(depth[upper.level] / depth[lower.level])
    return out


def _relative_errors(reading: Reading, settings: JointNamingSettings) -> dict[str, float]:
    """Error of a point over the depth of its body, by level."""
    scale = np.asarray(reading.calibration.scale_xy)
    out = {}
    for body in reading.vertebrae:
        sigma = math.nan
        if body.covariance is not None:
            variance = np.diag(body.covariance).reshape(6, 2) * scale**2
            if np.isfinite(variance).any():
                sigma = math.sqrt(float(np.nanmean(variance))) / _depth(body, scale)
        known = sigma if math.isfinite(sigma) else settings.point_sd
        out[body.level] = min(known, settings.greatest_point_sd)
    return out


def _depth(vertebra: Vertebra, scale: FloatArray) -> float:
    p = vertebra.points * scale
    ends = [float(np.hypot(*(p[0] - p[2]))), float(np.hypot(*(p[5] - p[3])))]
    known = [x for x in ends if math.isfinite(x) and x > 0]
    return sum(known) / len(known) if known else math.nan


def _pair_costs(a: _Film, b: _Film, settings: JointNamingSettings) -> dict[int, float]:
    """Cost of two films by the shift of the second against the first; negative if they fit."""
    out = {}
    for shift in range(-2 * _REACH, 2 * _REACH + 1):
        total = 0.0
        for level, theirs in b.features.items():
            name = shift_level(level, shift)
            if name is None or name not in a.features:
                continue
            apart = a.features[name] - theirs
            total += _body_cost(apart, math.hypot(a.errors[name], b.errors[level]), settings)
            # What was put in stays in: implants of the earlier film are on the later one too.
            if a.implants[name] and not b.implants[level] and any(b.implants.values()):
                total += settings.implant
        out[shift] = total
    return out


def _body_cost(apart: FloatArray, error: float, settings: JointNamingSettings) -> float:
    """Log likelihood of the differences between bodies less that within one, bounded."""
    # A ratio of two lengths has about twice the relative error of a point, so has an angle.
    noise = 2.0 * error * np.array([1.0, 1.0, 1.0, math.degrees(1.0), 1.0])
    ratio, wedge = settings.own_ratio, settings.own_wedge_deg
    own = noise**2 + np.array([ratio, ratio, ratio, wedge, ratio]) ** 2
    ratio, wedge = settings.other_ratio, settings.other_wedge_deg
    other = own + np.array([ratio, ratio, ratio, wedge, ratio]) ** 2
    cost = 0.5 * (apart**2 * (1.0 / own - 1.0 / other) + np.log(own / other))
    known = cost[np.isfinite(cost)]
    return settings.weight * float(np.minimum(known, settings.bound).sum())


def _search(
    films: Sequence[_Film], likeness: Mapping[tuple[int, int], Mapping[int, float]]
) -> tuple[tuple[int, ...], float, float]:
    """The best shifts, their gain over none, and their margin over the second best."""
    n = len(films)

    def cost(shifts: tuple[int, ...]) -> float:
        own = sum(f.cost[s] for f, s in zip(films, shifts, strict=True))
        # Each film has n - 1 partners, but only one set of bodies: the pairs share its evidence.
        shared = sum(costs[shifts[j] - shifts[i]] for (i, j), costs in likeness.items())
        return own + 2.0 / n * shared

    options = [[s for s in range(-_REACH, _REACH + 1) if f.cost[s] < math.inf] for f in films]
    none = (0,) * n
    if n <= _ALL_SETS:
        costs = {shifts: cost(shifts) for shifts in product(*options)}
    else:
        costs = {none: cost(none)}
        for start in range(n):
            _descend(none, start, options, cost, costs)
    ranked = sorted(costs, key=lambda s: costs[s])
    best = ranked[0]
    margin = costs[ranked[1]] - costs[best] if len(ranked) > 1 else math.inf
    return best, costs[none] - costs[best], margin


def _descend(
    none: tuple[int, ...],
    start: int,
    options: Sequence[Sequence[int]],
    cost: Callable[[tuple[int, ...]], float],
    costs: dict[tuple[int, ...], float],
) -> None:
    """Change one film at a time, beginning with `start`, as long as that helps."""
    current = none
    n = len(none)
    improved = True
    while improved:
        improved = False
        for k in range(n):
            i = (start + k) % n
            for s in options[i]:
                other = (*current[:i], s, *current[i + 1 :])
                if other not in costs:
                    costs[other] = cost(other)
                if costs[other] < costs[current] - 1e-9:
                    current, improved = other, True


def _shifted(reading: Reading, shift: int) -> Reading:
    """The reading with other names; its parent is the one whose names were changed."""
    if shift == 0:
        return reading
    vertebrae = tuple(
        replace(v, level=shift_level(v.level, shift) or v.level, level_probability=math.nan)
        for v in reading.vertebrae
    )
    way = "down" if shift > 0 else "up"
    reason = Reason(
        "renamed_jointly",
        f"Levels moved {way} by {abs(shift)}: so the bodies fit the subject's other films.",
    )
    status = "flagged" if reading.quality.status == "accepted" else reading.quality.status
    return replace(
        reading,
        id=f"{reading.id}-renamed{shift:+d}",
        parent=reading.id,
        vertebrae=vertebrae,
        measurements=measure(vertebrae, reading.calibration),
        quality=Quality(status, (*reading.quality.reasons, reason)),
    )
