"""Differences of two readers: bias, limits of agreement and proportional bias.

Bland and Altman 1986, Lancet 327:307. Where subjects have several vertebrae, the spread of one
difference is the sum of the components between and within subjects (Bland and Altman 2007,
J Biopharm Stat 17:571, section on a varying true value), and intervals are by jackknife over
subjects.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.study.distributions import t_quantile, t_two_sided

__all__ = ["BlandAltman", "bland_altman"]

Interval = tuple[float, float]
_Z95: Final = 1.959963984540054


@dataclass(frozen=True, eq=False)
class BlandAltman:
    """Agreement of two readers, in the unit of the measure.

    Parameters
    ----------
    n, clusters : int
        Pairs, and subjects that they come from.
    bias : float
        Mean of first minus second.
    sd : float
        Standard deviation of one difference.
    lower, upper : float
        Limits of agreement, bias -+ 1.96 sd.
    bias_interval, lower_interval, upper_interval : (low, high)
    slope, slope_p : float
        Of the difference on the mean of both readers, and the probability of a slope so far
        from 0 if there is no proportional bias.
    means, differences : (n,) arrays
        For the plot.
    """

    n: int
    clusters: int
    bias: float
    sd: float
    lower: float
    upper: float
    bias_interval: Interval
    lower_interval: Interval
    upper_interval: Interval
    slope: float
    slope_p: float
    means: FloatArray
    differences: FloatArray


def bland_altman(
    first: FloatArray,
    second: FloatArray,
    clusters: Sequence[object] | np.ndarray | None = None,
    confidence: float = 0.95,
) -> BlandAltman:
    """Compare two readers.

    Parameters
    ----------
    first, second : (n,) arrays
        The same targets; pairs with NaN are left out.
    clusters : sequence of n, optional
        Subject of each target.

    Raises
    ------
    GeometryError
        If the lengths differ or fewer than three pairs are complete.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise GeometryError(f"readings of shapes {a.shape} and {b.shape}: expected pairs")
    names = [str(i) for i in range(len(a))] if clusters is None else [str(c) for c in clusters]
    if len(names) != len(a):
        raise GeometryError(f"{len(names)} clusters for {len(a)} pairs")
    kept = ~(np.isnan(a) | np.isnan(b))
    if kept.sum() < 3:
        raise GeometryError(f"{int(kept.sum())} pairs of readings: at least 3 are needed")
    differences, means = (a - b)[kept], 0.5 * (a + b)[kept]
    groups = np.unique(names, return_inverse=True)[1][kept]
    distinct = np.unique(groups)
    if len(distinct) < len(differences):
        return _clustered(differences, means, groups, distinct, confidence)
    return _independent(differences, means, confidence)


def _independent(differences: FloatArray, means: FloatArray, confidence: float) -> BlandAltman:
    n = len(differences)
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    t = t_quantile(0.5 * (1.0 + confidence), n - 1.0)
    of_bias, of_limit = t * sd / math.sqrt(n), t * sd * math.sqrt(3.0 / n)
    lower, upper = bias - _Z95 * sd, bias + _Z95 * sd
    slope = _slope(differences, means)
    return BlandAltman(
        n,
        n,
        bias,
        sd,
        lower,
        upper,
        _around(bias, of_bias),
        _around(lower, of_limit),
        _around(upper, of_limit),
        slope,
        _slope_p(differences, means, slope),
        means,
        differences,
    )


def _clustered(
    differences: FloatArray,
    means: FloatArray,
    groups: np.ndarray,
    distinct: np.ndarray,
    confidence: float,
) -> BlandAltman:
    m = len(distinct)
    bias, sd = float(differences.mean()), _component_sd(differences, groups)
    lower, upper = bias - _Z95 * sd, bias + _Z95 * sd
    slope = _slope(differences, means)

    def error(statistic: Callable[[np.ndarray], float]) -> float:
        """Jackknife standard error over subjects."""
        parts = np.array([statistic(groups != g) for g in distinct])
        return math.sqrt((m - 1.0) / m * float(((parts - parts.mean()) ** 2).sum()))

    def limit(kept: np.ndarray, sign: float) -> float:
        part = differences[kept]
        return float(part.mean()) + sign * _Z95 * _component_sd(part, groups[kept])

    if m < 3:
        t = se_bias = se_lower = se_upper = se_slope = math.nan
    else:
        t = t_quantile(0.5 * (1.0 + confidence), m - 1.0)
        se_bias = error(lambda kept: float(differences[kept].mean()))
        se_lower = error(lambda kept: limit(kept, -1.0))
        se_upper = error(lambda kept: limit(kept, 1.0))
        se_slope = error(lambda kept: _slope(differences[kept], means[kept]))
    p = t_two_sided(slope / se_slope, m - 1.0) if se_slope > 0 else math.nan
    return BlandAltman(
        len(differences),
        m,
        bias,
        sd,
        lower,
        upper,
        _around(bias, t * se_bias),
        _around(lower, t * se_lower),
        _around(upper, t * se_upper),
        slope,
        p,
        means,
        differences,
    )


def _component_sd(differences: FloatArray, groups: np.ndarray) -> float:
    """Root of the variance between plus within subjects, by one-way analysis of variance."""
    distinct, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, m = len(differences), len(distinct)
    if m < 2 or m == n:
        return float(differences.std(ddof=1)) if n > 1 else math.nan
    centres = np.bincount(inverse, differences) / sizes
    within = float(((differences - centres[inverse]) ** 2).sum()) / (n - m)
    between = float((sizes * (centres - differences.mean()) ** 2).sum()) / (m - 1)
    usual_size = (n - float((sizes**2).sum()) / n) / (m - 1)
    return math.sqrt(within + max((between - within) / usual_size, 0.0))


def _slope(differences: FloatArray, means: FloatArray) -> float:
    centred = means - means.mean()
    spread = float(centred @ centred)
    return float(centred @ differences) / spread if spread > 0.0 else math.nan


def _slope_p(differences: FloatArray, means: FloatArray, slope: float) -> float:
    n = len(differences)
    centred = means - means.mean()
    rest = differences - differences.mean() - slope * centred
    variance = float(rest @ rest) / (n - 2)
    spread = float(centred @ centred)
    if not variance > 0.0 or not spread > 0.0:
        return math.nan
    return t_two_sided(slope / math.sqrt(variance / spread), n - 2.0)


def _around(value: float, half: float) -> Interval:
    return (value - half, value + half)
