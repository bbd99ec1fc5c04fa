"""Fit the weights of the naming by maximum likelihood, on films not used for training.

Every film has a list of namings that compete (`endplate.models.naming_paths`); some of them are
right. The weights are those that make the right ones likeliest, held near the given ones by a
prior, since films are few. How far the probabilities can be trusted, and below which one a
naming is called uncertain, is fitted on films that the weights were not fitted on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.models.decode import CLASSES, Candidate
from endplate.models.naming import NamedColumn, NamingConfig, choose_naming, name_column, order_down
from endplate.models.naming_evidence import FEATURES, gather
from endplate.models.naming_paths import Path, best_paths, path_features
from endplate.train.accuracy import JUDGED_LEVELS, Truth

__all__ = [
    "NamingCase",
    "NamingFit",
    "NamingScore",
    "fit_modesty",
    "fit_naming",
    "naming_score",
]

_PRIOR_SD: Final = np.array(
    [0.3 if f in ("bodies", "sacra", "irregular", "skipped") else 0.15 for f in FEATURES]
)
_LEAST: Final = np.array([-5.0 if f in ("bodies", "sacra") else 0.0 for f in FEATURES])
"""Evidence may be worthless, but never speaks for the contrary."""
_TRUSTS: Final = tuple(float(t) for t in np.exp(np.linspace(math.log(0.4), math.log(4.0), 25)))
_BLINDS: Final = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.16)
_TRUST_SD, _BLIND_SD = 0.4, 0.7
"""Standard deviations of their logarithms before any film; wrong namings are few."""
_CAUGHT: Final = 0.9
"""Share of the wrong namings that are to be called uncertain, of those that show."""
_LOWEST_THRESHOLD, _HIGHEST_THRESHOLD = 0.5, 0.98


@dataclass(frozen=True, eq=False)
class NamingCase:
    """Candidates of one film and what the annotation says they are."""

    candidates: tuple[Candidate, ...]
    downward: FloatArray
    truth: Truth
    fold: int
    shape: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class NamingScore:
    """How well one film was named.

    `right`: whether every annotated body that was found bears its level, None if none was found;
    `found`: annotated bodies found; `probability`: what was given to the naming being right.
    """

    right: bool | None
    found: int
    probability: float

    @property
    def surprise(self) -> float:
        """Negative logarithm of the probability that was given to what is so."""
        p = min(max(self.probability, 0.01), 0.99)
        return -math.log(p if self.right else 1 - p)


@dataclass(frozen=True, slots=True)
class NamingFit:
    """Weights, and the probability below which a naming is to be called uncertain."""

    config: NamingConfig
    uncertain_below: float


def naming_score(case: NamingCase, config: NamingConfig) -> NamingScore:
    """Name one film and compare with its annotation."""
    column = name_column(case.candidates, config, downward=case.downward, shape=case.shape)
    return _compare(column, case.truth)


def fit_naming(cases: Sequence[NamingCase], start: NamingConfig) -> NamingFit:
    """Weights, trust and threshold from films; `start` is the centre of the prior.

    Names count on films whose levels are certain, bodies found on all.
    """
    lists = [_namings(case, start) for case in cases]
    usable = [one for one in lists if one.paths]
    weights = _maximise(usable, start.weights)
    held_out = [
        (one, start.with_weights(inner))
        for fold in sorted({one.case.fold for one in usable})
        for inner in [_maximise([o for o in usable if o.case.fold != fold], start.weights)]
        for one in usable
        if one.case.fold == fold and not one.case.truth.levels_doubtful
    ]
    scores, trust, blind = _modesty(held_out, start)
    fitted = replace(start.with_weights(weights), trust=trust, blind=blind)
    return NamingFit(fitted, _threshold([s.probability for s in scores], blind))


def fit_modesty(cases: Sequence[NamingCase], config: NamingConfig) -> tuple[float, float]:
    """`trust` and `blind` of given weights, on films that these were not fitted on."""
    known = [c for c in cases if not c.truth.levels_doubtful]
    lists = [one for one in (_namings(case, config) for case in known) if one.paths]
    _, trust, blind = _modesty([(one, config) for one in lists], config)
    return trust, blind


def _modesty(
    held_out: Sequence[tuple["_Namings", NamingConfig]], start: NamingConfig
) -> tuple[list[NamingScore], float, float]:
    """How far probabilities are trusted: scores, `trust` and `blind` that surprise least."""
    best: tuple[float, list[NamingScore], float, float] | None = None
    for trust in _TRUSTS:
        plain = _scores(held_out, trust)
        for blind in _BLINDS:
            scores = [replace(s, probability=(1 - blind) * s.probability) for s in plain]
            away = math.log(trust / start.trust) / _TRUST_SD
            more = math.log(blind / start.blind) / _BLIND_SD
            loss = sum(s.surprise for s in scores) + 0.5 * (away**2 + more**2)
            if best is None or loss < best[0]:
                best = loss, scores, trust, blind
    assert best is not None
    return best[1:]


@dataclass(frozen=True, eq=False)
class _Namings:
    """The namings of one film that compete: (P, F) features, and which are wanted."""

    case: NamingCase
    ordered: tuple[Candidate, ...]
    paths: tuple[Path, ...]
    features: FloatArray
    wanted: npt.NDArray[np.bool_]


@lru_cache(maxsize=10_000)
def _namings(case: NamingCase, start: NamingConfig) -> _Namings:
    """Computed once for a film: the folds share most of theirs."""
    ordered = [case.candidates[i] for i in order_down(case.candidates, case.downward)]
    evidence = gather(ordered, case.downward, case.shape)
    paths = tuple(best_paths(evidence, start.weights))
    features = np.array([path_features(evidence, p) for p in paths]).reshape(-1, len(FEATURES))
    return _Namings(case, tuple(ordered), paths, features, _wanted(ordered, paths, case.truth))


def _wanted(
    ordered: Sequence[Candidate], paths: Sequence[Path], truth: Truth
) -> npt.NDArray[np.bool_]:
    """Namings with the right levels (if these are certain) that find most of the bodies."""
    levels = _annotated(ordered, truth)
    false = _between(ordered, levels, truth)
    right, worth = np.zeros(len(paths), dtype=bool), np.zeros(len(paths))
    for n, path in enumerate(paths):
        pairs = [(i, CLASSES[x]) for i, x in zip(path.candidates, path.levels, strict=True)]
        # high thoracic bodies are counted last and often wrongly: they do not decide
        judged = [(i, x) for i, x in pairs if x in _DECIDING or levels.get(i) in _DECIDING]
        found = {levels[i] for i, _ in judged if i in levels}
        right[n] = bool(found) and all(levels[i] == x for i, x in judged if i in levels)
        worth[n] = len(found) - sum(i in false for i, _ in judged)
    if truth.levels_doubtful:
        right[:] = True
    return right & (worth >= worth[right].max()) if right.any() else right


_DECIDING: Final = {*JUDGED_LEVELS, "T13", "L6", "S1"}


def _annotated(ordered: Sequence[Candidate], truth: Truth) -> dict[int, str]:
    """Level of each candidate that lies on an annotated body."""
    out = {}
    for i, c in enumerate(ordered):
        near = [
            (float(np.hypot(*(c.centre - b.centre))) / b.depth_px, b.level)
            for b in truth.vertebrae
            if not c.sacrum or b.level == "S1"
        ]
        if near and min(near)[0] < 0.5:
            out[i] = min(near)[1]
    return out


def _between(ordered: Sequence[Candidate], levels: dict[int, str], truth: Truth) -> set[int]:
    """Candidates between the first and the last annotated body that lie on none."""
    others = [np.nanmean(corners, axis=0) for corners in truth.other_bodies]
    rows = [float(ordered[i].centre[1]) for i in levels] + [float(x[1]) for x in others]
    if not rows:
        return set()
    return {
        i
        for i, c in enumerate(ordered)
        if i not in levels
        and min(rows) < c.centre[1] < max(rows)
        and all(np.hypot(*(c.centre - x)) >= 0.5 * c.depth for x in others)
    }


def _maximise(lists: Sequence[_Namings], prior: FloatArray, rounds: int = 20) -> FloatArray:
    """Damped Newton steps to the most probable weights."""
    usable = [one for one in lists if one.wanted.any()]
    weights: FloatArray = np.maximum(prior, _LEAST)
    value, slope, curvature = _loss(usable, weights, prior)
    for _ in range(rounds):
        step, length = np.linalg.solve(curvature, slope), 1.0
        while length > 1e-3:
            trial = np.maximum(weights - length * step, _LEAST)
            new = _loss(usable, trial, prior)
            if new[0] < value - 1e-9:
                break
            length /= 2
        else:
            break
        gained = value - new[0]
        weights, (value, slope, curvature) = trial, new
        if gained < 1e-4:
            break
    return weights


def _loss(
    lists: Sequence[_Namings], weights: FloatArray, prior: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log posterior of the weights, its gradient, and a positive curvature."""
    away = (weights - prior) / _PRIOR_SD
    value = 0.5 * float(away @ away)
    slope, curvature = away / _PRIOR_SD, np.diag(_PRIOR_SD**-2.0)
    for one in lists:
        gains = one.features @ weights
        p = np.exp(gains - gains.max())
        p /= p.sum()
        mass = max(float(p[one.wanted].sum()), 1e-12)
        q = np.where(one.wanted, np.maximum(p, 1e-15), 0.0)
        q /= q.sum()
        mean = p @ one.features
        value -= math.log(mass)
        slope = slope + mean - q @ one.features
        curvature = curvature + (one.features.T * p) @ one.features - np.outer(mean, mean)
    return value, slope, curvature


def _scores(held_out: Sequence[tuple[_Namings, NamingConfig]], trust: float) -> list[NamingScore]:
    out = []
    for one, config in held_out:
        gains = one.features @ config.weights
        paths = sorted(
            (replace(p, gain=float(g)) for p, g in zip(one.paths, gains, strict=True)),
            key=lambda p: -p.gain,
        )
        column = choose_naming(one.ordered, paths, replace(config, trust=trust, blind=0.0))
        score = _compare(column, one.case.truth)
        if score.right is not None:
            out.append(score)
    return out


def _threshold(probabilities: Sequence[float], blind: float) -> float:
    """Least threshold below which the expected share `_CAUGHT` of the wrong namings lies.

    Probabilities being honest, a naming of probability p is wrong 1 - p times: so films that
    were named right count as well, which would say nothing as mere cases. Namings that are wrong
    though nothing says so are left out: no threshold but one that calls all uncertain finds them.
    """
    p = np.sort(np.asarray(probabilities)) / (1 - blind)
    wrong = np.cumsum(1 - p)
    if not p.size or wrong[-1] <= 0:
        return round((1 - blind) * _LOWEST_THRESHOLD, 3)
    last = int(np.searchsorted(wrong, _CAUGHT * wrong[-1]))
    after = p[min(last + 1, len(p) - 1)]
    middle = 0.5 * float(p[min(last, len(p) - 1)] + after)
    return round((1 - blind) * min(max(middle, _LOWEST_THRESHOLD), _HIGHEST_THRESHOLD), 3)


def _compare(column: NamedColumn | None, truth: Truth) -> NamingScore:
    if column is None:
        return NamingScore(None, 0, 0.0)
    right, found = True, 0
    for body in truth.vertebrae:
        distances = [
            math.inf
            if c.sacrum and body.level != "S1"
            else float(np.hypot(*(c.centre - body.centre)))
            for c in column.candidates
        ]
        nearest = int(np.argmin(distances))
        if distances[nearest] < 0.5 * body.depth_px:
            found += 1
            right &= column.levels[nearest] == body.level
    if not found:
        return NamingScore(None, 0, 0.0)
    return NamingScore(right, found, column.probability)
