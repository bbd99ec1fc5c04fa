"""Arrays that carry their derivatives: forward-mode differentiation in NumPy.

Every measure is written once, as plain arithmetic on `Dual` arrays, and its Jacobian with respect
to the landmarks comes out with its value. That keeps the formulas readable and the standard errors
exact to first order, and it is fast because one operation serves all levels of the spine at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray

__all__ = ["Dual", "concatenate", "constant", "direction", "hypot", "maximum", "where", "wrapped"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Dual:
    """Values with their gradients.

    Parameters
    ----------
    value : (...) array
        NaN where a landmark is missing.
    grad : (..., P) array
        Derivatives with respect to P variables. P may be 0: then only values are computed.
    """

    value: FloatArray
    grad: FloatArray

    # Lets `array * dual` call `Dual.__rmul__` instead of broadcasting over the object.
    __array_ufunc__: ClassVar[None] = None

    def __getitem__(self, key: Any) -> Dual:
        """Index the leading axes, never that of the variables."""
        return Dual(self.value[key], self.grad[key])

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.grad)

    def __add__(self, other: Dual | FloatArray | float) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.grad + other.grad)
        return Dual(self.value + other, self.grad)

    __radd__ = __add__

    def __sub__(self, other: Dual | FloatArray | float) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value - other.value, self.grad - other.grad)
        return Dual(self.value - other, self.grad)

    def __rsub__(self, other: FloatArray | float) -> Dual:
        return Dual(other - self.value, -self.grad)

    def __mul__(self, other: Dual | FloatArray | float) -> Dual:
        if isinstance(other, Dual):
            grad = self.value[..., None] * other.grad + other.value[..., None] * self.grad
            return Dual(self.value * other.value, grad)
        return Dual(self.value * other, np.asarray(other)[..., None] * self.grad)

    __rmul__ = __mul__

    def __truediv__(self, other: Dual | FloatArray | float) -> Dual:
        if isinstance(other, Dual):
            value = self.value / other.value
            grad = (self.grad - value[..., None] * other.grad) / other.value[..., None]
            return Dual(value, grad)
        return Dual(self.value / other, self.grad / np.asarray(other)[..., None])

    def sum(self, axis: int) -> Dual:
        """Sum over one of the leading axes, counted from the front."""
        return Dual(self.value.sum(axis=axis), self.grad.sum(axis=axis))


def constant(value: FloatArray, like: Dual) -> Dual:
    """Values that no landmark moves, with as many variables as `like`."""
    return Dual(value, np.zeros((*value.shape, like.grad.shape[-1])))


def concatenate(parts: Sequence[Dual]) -> Dual:
    """Join along the first axis."""
    return Dual(np.concatenate([p.value for p in parts]), np.concatenate([p.grad for p in parts]))


def where(mask: BoolArray, a: Dual, b: Dual) -> Dual:
    """`a` where `mask`, else `b`; a NaN of the side that is not taken does not leak."""
    return Dual(np.where(mask, a.value, b.value), np.where(mask[..., None], a.grad, b.grad))


def maximum(first: Dual, *others: Dual) -> Dual:
    """Greatest of several, with the gradient of the one that won; NaN if any is NaN."""
    best = first
    for other in others:
        best = where(
            (other.value > best.value) | np.isnan(other.value),
            other,
            best,
        )
        # A NaN that was taken stays: no comparison with it is true.
    return best


def hypot(v: Dual) -> Dual:
    """Length of vectors (..., 2)."""
    length = np.hypot(v.value[..., 0], v.value[..., 1])
    unit = v.value / length[..., None]
    grad = unit[..., 0, None] * v.grad[..., 0, :] + unit[..., 1, None] * v.grad[..., 1, :]
    return Dual(length, grad)


def direction(v: Dual) -> Dual:
    """Angle of vectors (..., 2) from the x axis in radians; NaN for a vector of length zero."""
    x, y = v.value[..., 0], v.value[..., 1]
    squared = x * x + y * y
    angle = np.where(squared > 0, np.arctan2(y, x), np.nan)
    grad = (x[..., None] * v.grad[..., 1, :] - y[..., None] * v.grad[..., 0, :]) / squared[
        ..., None
    ]
    return Dual(angle, grad)


def wrapped(angle: Dual) -> Dual:
    """Bring radians into [-pi, pi)."""
    return Dual((angle.value + np.pi) % (2 * np.pi) - np.pi, angle.grad)
