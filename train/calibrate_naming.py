"""Choose the weights of the naming on films not used for training."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.models.decode import Candidate
from endplate.models.naming import NamingConfig, name_column
from endplate.train.accuracy import Truth

__all__ = ["NamingCase", "NamingScore", "fit_naming", "naming_score"]

_GRID: Final = {
    "temperature": (1.5, 3.0, 5.0),
    "threshold": (0.15, 0.2, 0.25, 0.3),
    "thoracic": (1.0, 3.0),
}
_TRUSTS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0)
_BODY: Final = 0.15
"""What a body found is worth, in films named right."""


@dataclass(frozen=True, eq=False)
class NamingCase:
    """Candidates of one film and what the annotation says they are."""

    candidates: tuple[Candidate, ...]
    downward: FloatArray
    truth: Truth
    fold: int


@dataclass(frozen=True, slots=True)
class NamingScore:
    """How well a configuration named one film.

    `right`: whether every annotated body that was found bears its level, None if none was found;
    `found`: annotated bodies found; `surprise`: negative logarithm of the probability that was
    given to what is so, naming right or wrong.
    """

    right: bool | None
    found: int
    surprise: float


def naming_score(case: NamingCase, config: NamingConfig) -> NamingScore:
    """Name one film and compare with its annotation."""
    column = name_column(case.candidates, config, downward=case.downward)
    if column is None:
        return NamingScore(None, 0, 0.0)
    right, found = True, 0
    for body in case.truth.vertebrae:
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
    probability = float(np.clip(column.probabilities.min(), 0.01, 0.99))
    return NamingScore(right, found, -math.log(probability if right else 1 - probability))


#: The folds share four fifths of their films: each is named once for each configuration.
_score_once = lru_cache(maxsize=100_000)(naming_score)


def fit_naming(cases: Sequence[NamingCase], start: NamingConfig) -> NamingConfig:
    """Weights under which the most films are named right, then honest probabilities.

    Names count on films whose levels are certain, bodies found on all.
    """
    best, best_value = start, -math.inf
    for values in itertools.product(*_GRID.values()):
        temperature, threshold, thoracic = values
        config = replace(start, temperature=temperature, threshold=threshold, thoracic=thoracic)
        value = 0.0
        for case in cases:
            score = _score_once(case, config)
            named = bool(score.right) and not case.truth.levels_doubtful
            value += named + _BODY * score.found
        if value > best_value:
            best, best_value = config, value
    certain = [c for c in cases if not c.truth.levels_doubtful]
    # how far the probabilities are trusted does not change the names: it is fitted last
    return min(
        (replace(best, trust=t) for t in _TRUSTS),
        key=lambda config: sum(_score_once(c, config).surprise for c in certain),
    )
