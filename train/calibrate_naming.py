"""Choose the weights of the naming on films not used for training."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.models.decode import Candidate
from endplate.models.naming import NamingConfig, name_column
from endplate.train.accuracy import Truth

__all__ = ["NamingCase", "fit_naming", "naming_score"]

_GRID: Final = {
    "temperature": (1.0, 1.5, 2.0, 3.0, 4.5),
    "threshold": (0.2, 0.3, 0.4),
    "skipped": (3.0, 5.0),
    "irregular": (4.0, 6.0),
}


@dataclass(frozen=True, eq=False)
class NamingCase:
    """Candidates of one film and what the annotation says they are."""

    candidates: tuple[Candidate, ...]
    downward: FloatArray
    truth: Truth
    fold: int


def naming_score(case: NamingCase, config: NamingConfig) -> tuple[float, float]:
    """How well a configuration names one film.

    Returns
    -------
    right : float
        1 if every annotated body that was found bears its level, else 0.
    surprise : float
        Negative logarithm of the probability that the configuration gave to what is so:
        naming right, or naming wrong.
    """
    column = name_column(case.candidates, config, downward=case.downward)
    if column is None:
        return 0.0, math.log(2.0)
    right, seen = True, False
    for body in case.truth.vertebrae:
        centre = body.centre
        distances = [float(np.hypot(*(c.centre - centre))) for c in column.candidates]
        nearest = int(np.argmin(distances))
        if distances[nearest] < 0.5 * body.depth_px:
            seen = True
            right &= column.levels[nearest] == body.level
    probability = float(np.clip(column.probabilities.min(), 0.01, 0.99))
    surprise = -math.log(probability if right else 1 - probability)
    return float(right and seen), surprise


def fit_naming(cases: Sequence[NamingCase], start: NamingConfig) -> NamingConfig:
    """Weights under which the most films are named right and the probabilities are honest.

    A film more or less counts as much as 3 nats of surprise over all films, so that the choice
    does not hang on a single lucky film.
    """
    usable = [c for c in cases if not c.truth.levels_doubtful and c.truth.vertebrae]
    best, best_value = start, -math.inf
    for values in itertools.product(*_GRID.values()):
        config = replace(start, **dict(zip(_GRID, values, strict=True)))
        scores = np.array([naming_score(c, config) for c in usable]).reshape(-1, 2)
        value = 3.0 * float(scores[:, 0].sum()) - float(scores[:, 1].sum())
        if value > best_value:
            best, best_value = config, value
    return best
