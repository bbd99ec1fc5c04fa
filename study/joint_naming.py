"""Naming the levels of all films of a subject together.

A network counts vertebrae film by film, and where neither sacrum nor ribs help it may be off by
one. Across the films of one person the bodies are the same, so a film whose bodies fit those of
the other films only after a shift of all its names was miscounted. Each film may be shifted by up
to two levels; the best set of shifts has the greatest sum of

- the posterior of the film's own naming: the probability of each shift that the reading keeps, or,
  where it keeps none, one made from the probabilities of its names;
- the likeness of the bodies that then carry the same name on two films;
- where the injured level is known, what speaks for the body that then carries that name being the
  injured one (`study/injury_evidence.py`).

Likeness compares what does not depend on magnification: the height-to-depth ratios and the wedge
of each body, its size against the next, cement and screws. Each feature adds the logarithm of how
much likelier its difference is between two films of one body than between two bodies that lie one
or two levels apart; bodies on one film only add nothing. Every term is bounded, so that a body
which was broken, treated, or broke in between cannot outvote the others.

All sets of shifts together give the probability of each film's names, which the result keeps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import REGULAR_LEVELS
from endplate.geometry.measure import measure
from endplate.study.body_likeness import (
    JointNamingSettings,
    body_cost,
    features,
    relative_errors,
)
from endplate.study.factors import factors_of, with_factors
from endplate.study.injury_evidence import InjuryEvidence
from endplate.study.reading import Naming, Quality, Reading, Reason

__all__ = ["JointNaming", "JointNamingSettings", "name_jointly", "shift_level"]

_REACH: Final = 2
#: Up to so many films all sets of shifts are tried; beyond, one film after another.
_ALL_SETS: Final = 5


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
    posteriors : tuple of mapping
        For each film: shift of its own names -> probability, all films considered.
    """

    readings: tuple[Reading, ...]
    shifts: tuple[int, ...]
    gain: float
    margin: float
    posteriors: tuple[Mapping[int, float], ...] = ()

    @property
    def off(self) -> dict[int, float]:
        """Probability that the names as they now are ought to be moved down by so many levels.

        The mean of the films: what moves one against the others is told by its own.
        """
        out: dict[int, float] = {}
        for shift, posterior in zip(self.shifts, self.posteriors, strict=True):
            for s, p in posterior.items():
                out[s - shift] = out.get(s - shift, 0.0) + p / len(self.posteriors)
        return out


def shift_level(level: str, shift: int) -> str | None:
    """The level `shift` places further down in a regular spine; None beyond its ends."""
    if shift == 0:
        return level
    if level not in REGULAR_LEVELS:
        return None
    i = REGULAR_LEVELS.index(level) + shift
    return REGULAR_LEVELS[i] if 0 <= i < len(REGULAR_LEVELS) else None


def name_jointly(
    readings: Sequence[Reading],
    settings: JointNamingSettings | None = None,
    *,
    index_level: str = "",
    operated: Sequence[bool] | None = None,
) -> JointNaming:
    """Name the films of one subject together.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of time; films of the whole subject.
    settings : JointNamingSettings, optional
    index_level : str
        The injured level, if somebody who knows it gave it.
    operated : sequence of bool, optional
        By film: whether it was taken after the operation. None: not known.
    """
    chosen = settings or JointNamingSettings()
    films = [_Film.of(r, chosen) for r in readings]
    if not films or (len(films) < 2 and not index_level):
        own = tuple(_normalised({s: -c for s, c in f.cost.items()}) for f in films)
        return JointNaming(tuple(readings), (0,) * len(films), 0.0, math.inf, own)
    likeness = {
        (i, j): _pair_costs(films[i], films[j], chosen)
        for i, j in combinations(range(len(films)), 2)
    }
    injured = _Injured(index_level, InjuryEvidence.of(readings, operated), chosen.injured_bound)
    costs = _search(films, likeness, injured)
    none = (0,) * len(films)
    ranked = sorted(costs, key=lambda s: costs[s])
    best, margin = ranked[0], math.inf
    gain = costs[none] - costs[best]
    if len(ranked) > 1:
        margin = costs[ranked[1]] - costs[best]
    if gain < chosen.margin:
        best, gain = none, 0.0
    posteriors = tuple(_marginal(costs, i) for i in range(len(films)))
    named = tuple(
        _shifted(r, s, p, index_level) for r, s, p in zip(readings, best, posteriors, strict=True)
    )
    return JointNaming(named, best, gain, margin, posteriors)


def _marginal(costs: Mapping[tuple[int, ...], float], film: int) -> dict[int, float]:
    """Probability of each shift of one film, over all sets of shifts."""
    least = min(costs.values())
    total: dict[int, float] = {}
    for shifts, cost in costs.items():
        total[shifts[film]] = total.get(shifts[film], 0.0) + math.exp(least - cost)
    whole = sum(total.values())
    return {s: p / whole for s, p in sorted(total.items())}


def _normalised(logarithms: Mapping[int, float]) -> dict[int, float]:
    top = max(logarithms.values())
    shares = {s: math.exp(x - top) for s, x in sorted(logarithms.items())}
    return {s: p / sum(shares.values()) for s, p in shares.items()}


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
            features(reading),
            relative_errors(reading, settings),
            {v.level: v.cement or v.hardware for v in reading.vertebrae},
            _shift_costs(reading, settings),
        )


def _shift_costs(reading: Reading, settings: JointNamingSettings) -> dict[int, float]:
    """Negative log posterior of each shift; infinite where the names would leave the spine."""
    shares = _own_shares(reading, settings)
    return {
        s: -math.log(max(p, settings.least_probability)) if _can_move(reading, s) else math.inf
        for s, p in shares.items()
    }


def _own_shares(reading: Reading, settings: JointNamingSettings) -> dict[int, float]:
    """Probability of each shift by the film's own naming."""
    if reading.naming is not None:
        return {s: reading.naming.shifts.get(s, 0.0) for s in range(-_REACH, _REACH + 1)}
    known = [v.level_probability for v in reading.vertebrae if not math.isnan(v.level_probability)]
    right = min(known, default=settings.person_probability)
    right = min(max(right, 0.02), 0.9999)
    return {0: right} | {s: (1.0 - right) * (0.42 if abs(s) == 1 else 0.08) for s in (-2, -1, 1, 2)}


def _can_move(reading: Reading, shift: int) -> bool:
    """Whether all names can move; the sacrum only where the reading says how sure it is of it."""
    levels = [v.level for v in reading.vertebrae]
    if shift == 0:
        return True
    if reading.naming is not None:
        moved = _moved(reading.vertebrae, shift, math.nan)
        return len(moved) >= 2 and len(moved) >= len(levels) - abs(shift)
    # the sacral endplate looks like no other, and no other has two points only
    return all(
        (new := shift_level(x, shift)) is not None and (new == "S1") == (x == "S1") for x in levels
    )


def _moved(vertebrae: Sequence[Vertebra], shift: int, probability: float) -> tuple[Vertebra, ...]:
    """The bodies with other names.

    What was taken for the sacrum is none then, and is left out. A body that turns out to be the
    first of the sacrum keeps its superior endplate; what lies below it is left out.
    """
    out = []
    for v in vertebrae:
        level = None if v.level == "S1" else shift_level(v.level, shift)
        if level is None:
            continue
        points, covariance = v.points, v.covariance
        if level == "S1":
            points = points.copy()
            points[3:] = np.nan
            if covariance is not None:
                covariance = covariance.copy()
                covariance[6:] = covariance[:, 6:] = np.nan
        out.append(
            replace(
                v,
                level=level,
                points=points,
                covariance=covariance,
                level_probability=probability,
            )
        )
    return tuple(out)


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
            total += body_cost(apart, math.hypot(a.errors[name], b.errors[level]), settings)
            # What was put in stays in: implants of the earlier film are on the later one too.
            if a.implants[name] and not b.implants[level] and any(b.implants.values()):
                total += settings.implant
        out[shift] = total
    return out


@dataclass(frozen=True, eq=False)
class _Injured:
    """What speaks for the names by which the injured body bears the level that was given."""

    level: str
    evidence: InjuryEvidence
    bound: float

    def gain(self, shifts: tuple[int, ...]) -> float:
        """Nats; 0 where no level was given."""
        if not self.level:
            return 0.0
        said = sum(self.evidence.speaks([shift_level(self.level, -s) for s in shifts]).values())
        return min(max(said, -self.bound), self.bound)


def _search(
    films: Sequence[_Film],
    likeness: Mapping[tuple[int, int], Mapping[int, float]],
    injured: "_Injured",
) -> dict[tuple[int, ...], float]:
    """Cost of the sets of shifts that were tried: all of them, or those near good ones."""
    n = len(films)

    def cost(shifts: tuple[int, ...]) -> float:
        own = sum(f.cost[s] for f, s in zip(films, shifts, strict=True))
        # Each film has n - 1 partners, but only one set of bodies: the pairs share its evidence.
        shared = sum(costs[shifts[j] - shifts[i]] for (i, j), costs in likeness.items())
        return own + 2.0 / n * shared - injured.gain(shifts)

    options = [[s for s in range(-_REACH, _REACH + 1) if f.cost[s] < math.inf] for f in films]
    if n <= _ALL_SETS:
        return {shifts: cost(shifts) for shifts in product(*options)}
    none = (0,) * n
    costs = {none: cost(none)}
    for start in range(n):
        _descend(none, start, options, cost, costs)
    return costs


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


def _shifted(
    reading: Reading, shift: int, posterior: Mapping[int, float], index_level: str
) -> Reading:
    """The reading with other names; its parent is the one whose names were changed."""
    if shift == 0:
        return reading
    vertebrae = _moved(reading.vertebrae, shift, posterior[shift])
    way = "down" if shift > 0 else "up"
    what = "the subject's other films"
    if index_level:
        what += f" and the injured level, {index_level}"
    reason = Reason(
        "renamed_jointly",
        f"Levels moved {way} by {abs(shift)}: so the bodies fit {what}.",
    )
    status = "flagged" if reading.quality.status == "accepted" else reading.quality.status
    return replace(
        reading,
        id=f"{reading.id}-renamed{shift:+d}",
        parent=reading.id,
        vertebrae=vertebrae,
        measurements=with_factors(measure(vertebrae, reading.calibration), factors_of(reading)),
        quality=Quality(status, (*reading.quality.reasons, reason)),
        naming=_named_anew(reading.naming, shift, posterior),
    )


def _named_anew(naming: Naming | None, shift: int, posterior: Mapping[int, float]) -> Naming | None:
    """The naming as seen from the new names; what each body may be is told by the shifts."""
    if naming is None:
        return None
    shifts = {s: posterior.get(s + shift, 0.0) for s in range(-_REACH, _REACH + 1)}
    others = [p for s, p in shifts.items() if s and p > 0]
    margin = math.log(shifts[0] / max(others)) if others and shifts[0] > 0 else math.inf
    return Naming(shifts[0], max(margin, 0.0), shifts, {})
