"""Robust straight lines and planes through noisy points."""

from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray

__all__ = ["cross_lines", "fit_line", "fit_plane"]

_ROUNDS: Final = 8
#: Tukey's constant: 95 % efficiency for normal errors.
_TUKEY: Final = 4.685
#: Residuals below this are not told apart from zero, in the unit of the points.
_FLOOR: Final = 0.05


def fit_line(
    x: FloatArray, y: FloatArray, prior: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Slope and value at 0 of y over x, by bisquare weights.

    Parameters
    ----------
    x, y : (N,) arrays
        NaN where there is no point.
    prior : (slope, weight) or None
        What the slope is expected to be, and the standard deviation of a point divided by that
        of the slope: the greater, the more the line keeps to it.

    Raises
    ------
    GeometryError
        If fewer than two points are finite.
    """
    design = np.column_stack([x, np.ones_like(x)])
    extra = (
        None if prior is None else (np.array([[prior[1], 0.0]]), np.array([prior[0] * prior[1]]))
    )
    slope, level = _robust(design, y, 2, "line", extra)
    return float(slope), float(level)


def fit_plane(x: FloatArray, y: FloatArray, z: FloatArray) -> tuple[float, float, float]:
    """Slopes along x and y, and value at the origin, of z over x and y.

    Raises
    ------
    GeometryError
        If fewer than three points are finite.
    """
    design = np.column_stack([x, y, np.ones_like(x)])
    a, b, c = _robust(design, z, 3, "plane")
    return float(a), float(b), float(c)


def cross_lines(across: tuple[float, float], along: tuple[float, float]) -> tuple[float, float]:
    """Where z = across[0] y + across[1] meets y = along[0] z + along[1], as (y, z).

    Raises
    ------
    GeometryError
        If the lines are parallel.
    """
    (m, c), (n, d) = across, along
    scale = 1.0 - m * n
    if abs(scale) < 0.2:
        raise GeometryError("an endplate and a wall are almost parallel")
    y = (n * c + d) / scale
    return y, m * y + c


def _robust(
    design: FloatArray,
    target: FloatArray,
    fewest: int,
    what: str,
    extra: tuple[FloatArray, FloatArray] | None = None,
) -> FloatArray:
    """Solution of design @ solution = target; rows of `extra` keep their weight."""
    finite = np.isfinite(target) & np.isfinite(design).all(axis=1)
    design, target = design[finite], target[finite]
    if len(target) < fewest:
        raise GeometryError(f"{len(target)} points are too few for a {what}")
    weight = np.ones(len(target))
    solution: FloatArray = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)
        rows, values = design * root[:, None], target * root
        if extra is not None:
            rows, values = np.vstack([rows, extra[0]]), np.concatenate([values, extra[1]])
        solution = np.asarray(np.linalg.lstsq(rows, values, rcond=None)[0])
        residual = np.abs(target - design @ solution)
        scale = max(1.4826 * float(np.median(residual)), _FLOOR)
        ratio = residual / (_TUKEY * scale)
        weight = np.where(ratio < 1, (1 - ratio**2) ** 2, 0.0)
        if (weight > 0).sum() < fewest:
            break
    return solution
