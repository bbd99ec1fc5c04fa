"""Split-conformal step for each measure: what the errors of the points alone do not explain.

The standard error of a measure follows from the covariances of the points of single bodies. Errors
that neighbouring bodies share, and the curvature of ratios, are not in it. So the intervals of each
measure are stretched or shrunk by one factor, such that 90 % of the annotated values of films that
the error model was not fitted on lie inside. Bodies of one film are not independent, so a factor
from some 35 films is itself uncertain: coverage of new films scatters by some 3 points about 90.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measure import measure
from endplate.geometry.uncertainty import Z90
from endplate.infer.pipeline import FilmResult as Found
from endplate.infer.refine import Refined
from endplate.models.calibration import PointErrors
from endplate.study.reading import Quality, Reader, Reading, Source
from endplate.train.accuracy import Truth, judge_film

__all__ = ["MeasureScore", "covariance_of", "fit_measures", "scores_of"]

_FEWEST: Final = 30
_FEWEST_SUBJECTS: Final = 10
_SHARE: Final = 0.9
_LIMITS: Final = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class MeasureScore:
    """Error of one measure of one body over its standard error."""

    name: str
    score: float
    subject: str


def scores_of(found: Found, truth: Truth, errors: PointErrors) -> list[MeasureScore]:
    """Scores of the measures of one film, its points having the errors of a model."""
    vertebrae = tuple(
        replace(v, covariance=covariance_of(r, errors))
        for v, r in zip(found.vertebrae, found.refined, strict=True)
    )
    result = judge_film(truth, _reading(truth.name, vertebrae))
    out = []
    for body in result.bodies:
        for name, (value, true, low, high) in body.measures.items():
            score = (value - true) / ((high - low) / (2 * Z90)) if high > low else math.nan
            if math.isfinite(score):
                out.append(MeasureScore(name, score, truth.name))
    return out


def fit_measures(scores: Sequence[MeasureScore]) -> dict[str, float]:
    """Factor on the standard error of each measure that 30 bodies of 10 subjects have."""
    by_name: dict[str, list[MeasureScore]] = defaultdict(list)
    for score in scores:
        by_name[score.name].append(score)
    out = {}
    for name, own in by_name.items():
        subjects = len({s.subject for s in own})
        if len(own) < _FEWEST or subjects < _FEWEST_SUBJECTS:
            continue
        # rank 0.9 (n + 1) of n: what a new value lies below with probability 0.9
        sizes = np.abs([s.score for s in own])
        factor = float(np.quantile(sizes, _SHARE, method="weibull")) / Z90
        out[name] = round(float(np.clip(factor, *_LIMITS)), 3)
    return out


def covariance_of(refined: Refined, errors: PointErrors) -> FloatArray:
    """(12, 12) covariance of refined points in pixels squared, as the refiner's step gives it."""
    upright = errors.covariance(np.nan_to_num(refined.spread, nan=0.0)) * refined.depth**2
    turn = np.kron(np.eye(6), refined.axes)
    covariance: FloatArray = turn @ upright @ turn.T
    missing = np.repeat(np.isnan(refined.points).any(axis=1), 2)
    covariance[missing] = np.nan
    covariance[:, missing] = np.nan
    return covariance


def _reading(name: str, vertebrae: tuple[Vertebra, ...]) -> Reading:
    return Reading(
        id=name,
        created="",
        reader=Reader("model", "endplate"),
        source=Source(name, "", 0, 0),
        calibration=UNCALIBRATED,
        quality=Quality("accepted"),
        vertebrae=vertebrae,
        measurements=measure(vertebrae, UNCALIBRATED),
    )
