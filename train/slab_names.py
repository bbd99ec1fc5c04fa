"""How far the names on slabs of CT can be trusted, from variants whose levels are known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.infer.naming_report import naming_of
from endplate.models.naming import NamedColumn

__all__ = ["TRUSTS", "SlabNaming", "fit_names", "judge_names"]

#: A body is found if the middle of one that was marked lies within half its depth.
_NEAR: Final = 0.5
#: How far names may be trusted, finely enough; 1 is among them.
TRUSTS: Final = tuple(round(float(t), 3) for t in np.exp(np.linspace(-1.2, 1.5, 28)))
_TRUST_SD: Final = 0.4
"""Standard deviation of the logarithm of the trust before any CT."""
_ALIKE: Final = 4.0


@dataclass(frozen=True, slots=True)
class SlabNaming:
    """Names on one variant: their probability, and how many of the bodies found bear their own."""

    probability: float
    found: int
    right: int

    @property
    def surprise(self) -> float:
        """Negative logarithm of the probability that was given to what is so."""
        p = min(max(self.probability, 0.01), 0.99)
        return -math.log(p if self.right == self.found else 1 - p)


def judge_names(column: NamedColumn, places: Sequence[tuple[str, FloatArray]]) -> SlabNaming:
    """Names of a column against the levels that lie at its bodies' places."""
    told = naming_of(column, range(len(column.levels)))
    bodies = list(zip(column.candidates, column.levels, strict=True))
    found = right = 0
    for level, middle in places:
        away, named = min((float(np.hypot(*(c.centre - middle))) / c.depth, x) for c, x in bodies)
        if away < _NEAR:
            found += 1
            right += named == level
    return SlabNaming(told.probability if told else 0.0, found, right)


def fit_names(namings: Sequence[Mapping[float, SlabNaming]]) -> float:
    """How far names are to be trusted: what surprises least; 1 where no names are known.

    Variants of one CT share its bones, so they count as one in `_ALIKE`, against a prior about 1.
    """
    known = [n for n in namings if len(n) == len(TRUSTS)]

    def loss(trust: float) -> float:
        away = math.log(trust) / _TRUST_SD
        return sum(n[trust].surprise for n in known) / _ALIKE + 0.5 * away**2

    return min(TRUSTS, key=loss)
