"""Fit the error model of the points, and the naming, on films not used for training."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.infer.refine import Refined
from endplate.models.calibration import PointErrors, blur_of

__all__ = [
    "Residual",
    "fit_lateral",
    "fit_point_sd",
    "fit_points",
    "kyphosis_scores",
    "residual_of",
]

_Z90: Final = 1.6449
_POWERS: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)
_FEWEST: Final = 20
_LEAST_FLOOR: Final = 1e-4


@dataclass(frozen=True, eq=False)
class Residual:
    """Error of one refined body against its annotation.

    Parameters
    ----------
    error : (12,) array
        x, y of the six points in the upright frame of the body, in depths; NaN if not marked.
    spread : (6, 2) array
        What the refiner says of its own spread, in depths squared.
    fold : int
    subject : str
    """

    error: FloatArray
    spread: FloatArray
    fold: int
    subject: str


def residual_of(refined: Refined, truth: Vertebra, fold: int, subject: str) -> Residual:
    """Error of a refined body, in its own upright frame."""
    difference = (refined.points - truth.points) @ refined.axes / refined.depth
    return Residual(difference.reshape(12), refined.spread, fold, subject)


def fit_points(residuals: Sequence[Residual]) -> PointErrors:
    """Fit floor, power and correlation so that 90 % of the errors lie within 1.645 deviations.

    The floor is one number for each kind of coordinate (corner or middle point, along or across
    the endplate), not for each of twelve: there are few films.

    Raises
    ------
    InputError
        If there are fewer than 20 bodies.
    """
    if len(residuals) < _FEWEST:
        raise InputError(f"only {len(residuals)} bodies to calibrate on; at least {_FEWEST}")
    errors = np.stack([r.error for r in residuals])
    blurs = np.stack([blur_of(r.spread) for r in residuals])
    best = max((_fit_floor(errors, blurs**power, power) for power in _POWERS), key=lambda f: f[0])
    _, power, floor = best
    z = errors / (floor * blurs**power)
    return PointErrors(floor, power, _correlation(np.clip(z, -3, 3)))


def fit_point_sd(spreads: Sequence[FloatArray], errors: PointErrors) -> float:
    """Standard deviation, in depths, that the worst point of one body in ten exceeds.

    Points with a greater one are flagged: a flag that most films bear says nothing.

    Parameters
    ----------
    spreads : sequence of (6, 2) arrays
        Of all bodies that were read, annotated or not.
    """
    filled = [np.nan_to_num(spread, nan=0.0) for spread in spreads]
    worst = [np.sqrt(np.diag(errors.covariance(spread)).max()) for spread in filled]
    return round(float(np.quantile(worst, 0.9)), 4)


def kyphosis_scores(residuals: Iterable[Residual], errors: PointErrors) -> FloatArray:
    """Error of vertebral kyphosis over its standard error, for each body with four corners.

    First order, about a square body: an endplate tilts by the difference of its corners'
    heights over the depth.
    """
    rows = []
    tilt = np.zeros(12)
    # superior anterior, superior posterior, inferior posterior, inferior anterior: y coordinates
    tilt[[1, 5, 7, 11]] = (1.0, -1.0, 1.0, -1.0)
    for r in residuals:
        if np.isnan(r.error[[1, 5, 7, 11]]).any():
            continue
        value = float(np.nan_to_num(r.error) @ tilt)
        covariance = errors.covariance(r.spread)
        rows.append(value / float(np.sqrt(tilt @ covariance @ tilt)))
    return np.array(rows)


def _groups() -> list[list[int]]:
    """Coordinates that share a floor: corners and middles, x and y."""
    corner = [k for k in range(6) if k not in (1, 4)]
    middle = [1, 4]
    return [[2 * k + axis for k in points] for points in (corner, middle) for axis in (0, 1)]


def _fit_floor(
    errors: FloatArray, scale: FloatArray, power: float
) -> tuple[float, float, FloatArray]:
    """Likelihood (Student's t of four degrees of freedom), power, floor (12,) for one power."""
    floor = np.full(12, np.nan)
    likelihood = 0.0
    for group in _groups():
        e, s = errors[:, group].ravel(), scale[:, group].ravel()
        ok = ~np.isnan(e)
        e, s = e[ok], s[ok]
        if e.size < _FEWEST:
            floor[group] = 0.03
            continue
        level = max(float(np.quantile(np.abs(e) / s, 0.9)) / _Z90, _LEAST_FLOOR)
        floor[group] = level
        sd = level * s
        likelihood += float(np.sum(-2.5 * np.log1p((e / sd) ** 2 / 4) - np.log(sd)))
    return likelihood, power, floor


def _correlation(z: FloatArray) -> FloatArray:
    """Correlation of twelve standardised errors with gaps, shrunk and made positive definite."""
    out = np.eye(12)
    for i in range(12):
        for j in range(i):
            ok = ~np.isnan(z[:, i]) & ~np.isnan(z[:, j])
            if ok.sum() >= _FEWEST:
                a, b = z[ok, i], z[ok, j]
                out[i, j] = out[j, i] = float(
                    (a * b).mean() / np.sqrt((a**2).mean() * (b**2).mean())
                )
    out = 0.9 * out + 0.1 * np.eye(12)
    values, vectors = np.linalg.eigh(out)
    fixed = vectors @ np.diag(np.maximum(values, 0.02)) @ vectors.T
    scale = np.sqrt(np.diag(fixed))
    correlation: FloatArray = fixed / scale[:, None] / scale[None, :]
    return correlation


def fit_lateral(lateral: Sequence[float], other: Sequence[float], start: float) -> float:
    """Probability of being a lateral film below which a film is rejected.

    Halfway between the least sure of the lateral films (the lowest of fifty is forgiven) and the
    surest of the others; `start` where one kind is missing.

    Parameters
    ----------
    lateral, other : sequence of float
        Probabilities that the detector gave to lateral films, and to films to be rejected.
    """
    if not lateral or not other:
        return start
    low = float(np.sort(lateral)[len(lateral) // 50])
    return round(float(np.clip((low + max(other)) / 2, 0.3, 0.95)), 3)
