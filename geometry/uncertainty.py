"""Standard errors: propagation of the points' covariance, and the closed forms to check it by."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measurement import Measurement

__all__ = [
    "Z90",
    "angle_se_deg",
    "height_se",
    "interval90",
    "loss_se_pct",
    "mdc95",
    "probability_above",
    "propagate",
    "ratio_se",
    "rescaled",
]

#: Half width of a 90 % interval of a normal variable in standard deviations.
Z90: Final = 1.6448536269514722

#: The same for 95 %.
_Z95: Final = 1.959963984540054


def propagate(
    grad: FloatArray, vertebrae: Sequence[Vertebra], joint: FloatArray | None = None
) -> FloatArray:
    """Standard errors sqrt(J S J^T) of measures.

    Parameters
    ----------
    grad : (Q, 12 N) array
        Jacobian with respect to the points in pixels; rows of undefined measures may hold NaN.
    vertebrae : sequence of N Vertebra
        Their covariances are taken as independent of each other.
    joint : (12 N, 12 N) array, optional
        Covariance of all points of all vertebrae in pixels squared, used instead.

    Returns
    -------
    (Q,) array
        NaN where a point that moves the measure has no covariance, or the derivative is not finite.

    Raises
    ------
    GeometryError
        If `joint` has the wrong shape.
    """
    n = len(vertebrae)
    jacobian = np.nan_to_num(grad, nan=0.0, posinf=0.0, neginf=0.0)
    if joint is not None:
        joint = np.asarray(joint, dtype=np.float64)
        if joint.shape != (12 * n, 12 * n):
            raise GeometryError(
                f"joint covariance of {n} vertebrae: shape {joint.shape},"
                f" expected ({12 * n}, {12 * n})"
            )
        known, filled = _filled(joint)
        variance = np.einsum("qi,qi->q", jacobian @ filled, jacobian)
    else:
        blocks = [_filled(_covariance(v)) for v in vertebrae]
        known = np.concatenate([k for k, _ in blocks]) if blocks else np.zeros(0, bool)
        variance = np.zeros(len(jacobian))
        for i, (_, block) in enumerate(blocks):
            part = jacobian[:, 12 * i : 12 * i + 12]
            moved = np.flatnonzero(part.any(axis=1))
            part = part[moved]
            variance[moved] += ((part @ block) * part).sum(axis=1)
    # Rounding may leave a variance of a translation-free measure a hair below zero.
    se: FloatArray = np.sqrt(np.maximum(variance, 0.0))
    se[(jacobian[:, ~known] != 0.0).any(axis=1) | ~np.isfinite(grad).all(axis=1)] = np.nan
    return se


def _covariance(vertebra: Vertebra) -> FloatArray:
    return np.full((12, 12), np.nan) if vertebra.covariance is None else vertebra.covariance


def _filled(covariance: FloatArray) -> tuple[np.ndarray, FloatArray]:
    """Which variables have a covariance, and the matrix with zeros for the others."""
    nan = np.isnan(covariance)
    known = ~np.diagonal(nan)
    # A missing covariance between two points with known variances leaves both unknown.
    known = known & ~(nan & known[:, None] & known[None, :]).any(axis=1)
    return known, np.where(nan, 0.0, covariance)


def interval90(value: float, se: float) -> tuple[float, float]:
    """90 % interval of a normal variable; NaN with `se`."""
    return (value - Z90 * se, value + Z90 * se)


def rescaled(measured: Measurement, factor: float) -> Measurement:
    """The same value with its standard error times `factor`, and the interval with it."""
    if factor == 1.0 or math.isnan(measured.se):
        return measured
    se = factor * measured.se
    return replace(measured, se=se, interval90=interval90(measured.value, se))


def angle_se_deg(sigma: float, length_1: float, length_2: float) -> float:
    """Standard error in degrees of the angle of two lines through two points each.

    Independent isotropic errors of `sigma` per coordinate, lengths in the unit of `sigma`.
    """
    return math.degrees(sigma * math.sqrt(2.0 * (length_1**-2 + length_2**-2)))


def height_se(sigma: float) -> float:
    """Standard error of a distance of two points with independent errors `sigma`."""
    return sigma * math.sqrt(2.0)


def ratio_se(sigma: float, first: float, second: float) -> float:
    """Standard error of `first` / `second`, two heights that share no point."""
    return (first / second) * height_se(sigma) * math.hypot(1.0 / first, 1.0 / second)


def loss_se_pct(sigma: float, height: float, predicted: float) -> float:
    """Standard error in percent points of a height loss against the mean of two neighbours."""
    relative = math.sqrt(2.0 * sigma**2 / height**2 + sigma**2 / predicted**2)
    return 100.0 * height / predicted * relative


def mdc95(se: float) -> float:
    """Smallest change between two films that exceeds error with 95 % confidence.

    `se` is the standard error of one measurement, the same on both films.
    """
    return _Z95 * math.sqrt(2.0) * se


def probability_above(value: float, se: float, threshold: float) -> float:
    """Probability that the truth exceeds `threshold`, for a normal error; NaN if one is NaN."""
    if math.isnan(value) or math.isnan(se):
        return math.nan
    if se == 0.0:
        return float(value > threshold)
    return 0.5 * math.erfc((threshold - value) / (se * math.sqrt(2.0)))
