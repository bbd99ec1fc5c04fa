"""Intraclass correlations of single ratings, and the error of measurement that goes with them.

Two-way analysis of variance without replication: n targets (vertebrae), k readers.
McGraw and Wong 1996, Psychological Methods 1:30: ICC(A,1) for absolute agreement, ICC(C,1) for
consistency, with their F intervals. ICC(A,1) is ICC(2,1) and ICC(C,1) is ICC(3,1) of Shrout and
Fleiss 1979.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.study.distributions import f_quantile, t_quantile

__all__ = ["Icc", "Reliability", "reliability"]

_MDC: Final = 1.959963984540054 * math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class Icc:
    """An intraclass correlation with its interval.

    Parameters
    ----------
    kind : str
        ``ICC(A,1)`` or ``ICC(C,1)``.
    value : float
        NaN where nothing varies.
    interval : (low, high)
        At the confidence asked for.
    method : str
        How the interval was had: ``F`` or ``jackknife over clusters``.
    """

    kind: str
    value: float
    interval: tuple[float, float]
    method: str


@dataclass(frozen=True, slots=True)
class Reliability:
    """Reliability of one measure read by k readers on n targets.

    Parameters
    ----------
    n, k, clusters : int
        Complete targets, readers, and clusters (subjects) of targets.
    absolute, consistency : Icc
    sem_agreement, sem_consistency : float
        Standard error of one reading, in the unit of the measure: with and without the
        differences between the readers' means.
    mdc95_agreement, mdc95_consistency : float
        1.96 sqrt(2) SEM: the smallest change between two readings that exceeds error.
    sd : float
        Standard deviation of the targets' means: an ICC falls with a narrow sample.
    mean : float
        Of all readings.
    """

    n: int
    k: int
    clusters: int
    absolute: Icc
    consistency: Icc
    sem_agreement: float
    sem_consistency: float
    mdc95_agreement: float
    mdc95_consistency: float
    sd: float
    mean: float


@dataclass(frozen=True, slots=True)
class _Squares:
    """Mean squares of targets (rows), readers (columns) and the rest."""

    n: int
    k: int
    rows: float
    columns: float
    error: float


def reliability(
    table: FloatArray,
    clusters: Sequence[object] | np.ndarray | None = None,
    confidence: float = 0.95,
) -> Reliability:
    """Reliability of `table`.

    Parameters
    ----------
    table : (n, k) array
        A row a target, a column a reader; rows with NaN are left out.
    clusters : sequence of n, optional
        Subject of each target. Where subjects come more than once their targets are not
        independent, and the intervals are by jackknife over subjects, on Fisher's z.
    confidence : float
        Of the intervals.

    Raises
    ------
    GeometryError
        If fewer than two complete rows or two readers are there, or `clusters` does not fit.
    """
    values, groups = _complete(np.asarray(table, dtype=np.float64), clusters)
    squares = _mean_squares(values)
    n, k = values.shape
    absolute, consistency = _absolute(squares), _consistent(squares)
    distinct = np.unique(groups)
    if len(distinct) < n:
        intervals = _jackknife(values, groups, distinct, confidence)
        method = "jackknife over clusters"
    else:
        intervals = (
            _absolute_interval(squares, absolute, confidence),
            _consistent_interval(squares, confidence),
        )
        method = "F"
    within = (squares.columns * (k - 1) + squares.error * (n - 1) * (k - 1)) / (n * (k - 1))
    sem_a, sem_c = math.sqrt(max(within, 0.0)), math.sqrt(max(squares.error, 0.0))
    return Reliability(
        n=n,
        k=k,
        clusters=len(distinct),
        absolute=Icc("ICC(A,1)", absolute, intervals[0], method),
        consistency=Icc("ICC(C,1)", consistency, intervals[1], method),
        sem_agreement=sem_a,
        sem_consistency=sem_c,
        mdc95_agreement=_MDC * sem_a,
        mdc95_consistency=_MDC * sem_c,
        sd=float(values.mean(axis=1).std(ddof=1)),
        mean=float(values.mean()),
    )


def _complete(
    table: FloatArray, clusters: Sequence[object] | np.ndarray | None
) -> tuple[FloatArray, np.ndarray]:
    if table.ndim != 2 or table.shape[1] < 2:
        raise GeometryError(f"readings of shape {table.shape}: expected a column for each reader")
    kept = ~np.isnan(table).any(axis=1)
    if clusters is None:
        groups = np.arange(len(table))
    else:
        names = [str(c) for c in clusters]
        if len(names) != len(table):
            raise GeometryError(f"{len(names)} clusters for {len(table)} targets")
        groups = np.unique(names, return_inverse=True)[1]
    if kept.sum() < 2:
        raise GeometryError(f"{int(kept.sum())} targets read by all readers: at least 2 are needed")
    return table[kept], groups[kept]


def _mean_squares(values: FloatArray) -> _Squares:
    n, k = values.shape
    mean = values.mean()
    rows = float(k * ((values.mean(axis=1) - mean) ** 2).sum())
    columns = float(n * ((values.mean(axis=0) - mean) ** 2).sum())
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + mean
    error = float((residual**2).sum())
    return _Squares(n, k, rows / (n - 1), columns / (k - 1), error / ((n - 1) * (k - 1)))


def _ratio(above: float, below: float) -> float:
    return above / below if below != 0.0 else math.nan


def _absolute(s: _Squares) -> float:
    below = s.rows + (s.k - 1) * s.error + s.k / s.n * (s.columns - s.error)
    return _ratio(s.rows - s.error, below)


def _consistent(s: _Squares) -> float:
    return _ratio(s.rows - s.error, s.rows + (s.k - 1) * s.error)


def _consistent_interval(s: _Squares, confidence: float) -> tuple[float, float]:
    if s.error == 0.0:
        return (math.nan, math.nan)
    upper = 0.5 * (1.0 + confidence)
    df, df_error = s.n - 1.0, (s.n - 1.0) * (s.k - 1.0)
    f = s.rows / s.error
    low, high = f / f_quantile(upper, df, df_error), f * f_quantile(upper, df_error, df)
    return ((low - 1.0) / (low + s.k - 1.0), (high - 1.0) / (high + s.k - 1.0))


def _absolute_interval(s: _Squares, icc: float, confidence: float) -> tuple[float, float]:
    """McGraw and Wong's interval, with Satterthwaite's degrees of freedom."""
    if s.error == 0.0 or not icc < 1.0:
        return (math.nan, math.nan)
    n, k = s.n, s.k
    a = k * icc / (n * (1.0 - icc))
    b = 1.0 + k * icc * (n - 1.0) / (n * (1.0 - icc))
    spread = a * s.columns + b * s.error
    df = spread**2 / (
        (a * s.columns) ** 2 / (k - 1.0) + (b * s.error) ** 2 / ((n - 1.0) * (k - 1.0))
    )
    upper = 0.5 * (1.0 + confidence)
    f_low, f_high = f_quantile(upper, n - 1.0, df), f_quantile(upper, df, n - 1.0)
    rest = k * s.columns + (k * n - k - n) * s.error
    low = n * (s.rows - f_low * s.error) / (f_low * rest + n * s.rows)
    high = n * (f_high * s.rows - s.error) / (rest + n * f_high * s.rows)
    return (low, high)


def _jackknife(
    values: FloatArray, groups: np.ndarray, distinct: np.ndarray, confidence: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Intervals of both correlations, leaving out one cluster at a time."""
    m = len(distinct)
    nothing = (math.nan, math.nan)
    if m < 3:
        return nothing, nothing
    t = t_quantile(0.5 * (1.0 + confidence), m - 1.0)
    without = [_mean_squares(values[groups != g]) for g in distinct]
    out = []
    for estimate in (_absolute, _consistent):
        whole = _fisher(estimate(_mean_squares(values)))
        parts = np.array([_fisher(estimate(s)) for s in without])
        se = math.sqrt((m - 1.0) / m * float(((parts - parts.mean()) ** 2).sum()))
        out.append((math.tanh(whole - t * se), math.tanh(whole + t * se)))
    return out[0], out[1]


def _fisher(icc: float) -> float:
    return math.atanh(min(max(icc, -0.999999999), 0.999999999))
