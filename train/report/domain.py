"""Do intervals hold on films of another kind, once fitted on films of that kind?

The shipped error model is fitted on real films, whose annotations have an error of their own. On
simulated films, whose truth is exact, its intervals are too wide. One factor for each measure, and
one for the points, is what a split-conformal step fits anew on films of the kind at hand; films are
judged by factors that were fitted on others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from endplate.datasets.splits import assign_folds
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.uncertainty import Z90
from endplate.train.accuracy import FilmResult
from endplate.train.report.statistics import Piece, Statistic, figure, mean, pieces, scores

__all__ = ["own_coverage"]

FOLDS: Final = 5
_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class _Factors:
    """Factor on the half width of the 90 % interval for the subjects of each fold."""

    by_fold: Mapping[int, float]
    folds: Mapping[str, int]

    def of(self, subject: str) -> float:
        return self.by_fold[self.folds[subject]]


def own_coverage(
    results: Sequence[FilmResult], covered: Mapping[str, str], folds: int = FOLDS
) -> dict[str, Any]:
    """Coverage after a split-conformal step on films of the same kind, by measure.

    Parameters
    ----------
    results : sequence of FilmResult
        Each of another subject.
    covered : mapping
        What has intervals, and how it is called.
    folds : int
        Films of one fold are judged by factors fitted on all others.

    Returns
    -------
    dict
        For each key ``figure``, as `endplate.train.report.statistics.figure` gives it, and
        ``factor``, the one fitted on all films; nothing for a key without intervals.
    """
    whole = pieces(results)
    where = assign_folds((p.film.truth.name for p in whole), folds)
    out = {}
    for key, label in covered.items():
        by_fold = {fold: _factor(whole, key, where, fold) for fold in range(folds)}
        if not all(f > 0 for f in by_fold.values()):
            continue
        inside = partial(_inside, name=key, factors=_Factors(by_fold, where))
        statistic = Statistic(f"own_{key}", label, inside, mean, 1, "88 to 92")
        out[key] = {
            "figure": figure(statistic, whole),
            "factor": round(_factor(whole, key, where, None), 3),
        }
    return out


def _factor(
    whole: Sequence[Piece], name: str, where: Mapping[str, int], without: int | None
) -> float:
    """What 90 % of the films outside a fold need; 0 if they have no interval of that name."""
    own = [scores(p, name) for p in whole if where[p.film.truth.name] != without]
    sizes = np.abs(np.concatenate(own)) if own else np.array([])
    if not sizes.size:
        return 0.0
    # rank 0.9 (n + 1) of n: what a new value lies below with probability 0.9
    return float(np.quantile(sizes, _SHARE, method="weibull")) / Z90


def _inside(piece: Piece, name: str, factors: _Factors) -> FloatArray:
    limit = Z90 * factors.of(piece.film.truth.name)
    out: FloatArray = 100.0 * (np.abs(scores(piece, name)) <= limit).astype(np.float64)
    return out
