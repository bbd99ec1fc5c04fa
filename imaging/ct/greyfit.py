"""Surface of a body from the grey values of coarse voxels: a model of partial volumes is fitted.

Where voxels are as thick as an endplate is bent, no edge can be read off between two of them. But
each voxel near a surface tells, by its grey value, how much of it is bone; a smooth surface is
sought from which the values of all of them follow.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.bodyframe import BodyFrame
from endplate.imaging.ct.volume import Volume

__all__ = ["Curve", "fit_grey_surface"]

_ROUNDS: Final = 12
#: How far inside and outside the surface voxels are looked at, beyond half a voxel; mm.
_INSIDE: Final = 4.0
_OUTSIDE: Final = 2.0
#: Half width of the strip, mm: as wide as two coarse voxels on either side.
_STRIP: Final = 6.0
#: Blur of a scanner beyond that of its voxels, mm (a standard deviation).
_BLUR: Final = 0.5
#: How far the curvature, and the sideways slope, of a surface may be expected to go, mm.
_BEND_SD: Final = 1.5
_SLANT_SD: Final = 2.0
#: Least step of Hounsfield units, and fewest voxels, for a surface to be sought.
_CONTRAST: Final = 40.0
_FEWEST: Final = 24
#: Tukey's constant of the weights.
_TUKEY: Final = 4.685


@dataclass(frozen=True, eq=False)
class Curve:
    """Where a surface cuts the mid-sagittal plane: a parabola.

    Parameters
    ----------
    middle, half : float
        Of the range over which it was fitted, mm; it may be followed a little beyond.
    terms : (3,) array
        Place, slope and bend over the range made -1 to 1.
    covariance : (3, 3) array
        Of the terms.
    """

    middle: float
    half: float
    terms: FloatArray
    covariance: FloatArray

    def at(self, places: FloatArray | float) -> FloatArray:
        """Place of the surface, mm."""
        out: FloatArray = self._rows(places) @ self.terms
        return out

    def sd(self, places: FloatArray | float) -> FloatArray:
        """Standard deviation of `at`, mm."""
        rows = self._rows(places)
        out: FloatArray = np.sqrt(np.einsum("...i,ij,...j->...", rows, self.covariance, rows))
        return out

    def _rows(self, places: FloatArray | float) -> FloatArray:
        u = (np.asarray(places, dtype=float) - self.middle) / self.half
        return np.stack([np.ones_like(u), u, u**2 - 1 / 3], axis=-1)


@dataclass(frozen=True, eq=False)
class _Voxels:
    """Voxels about a surface: place over it (-1 to 1), aside (-1 to 1), height, and value."""

    u: FloatArray
    aside: FloatArray
    height: FloatArray
    value: FloatArray


def fit_grey_surface(
    ct: Volume,
    frame: BodyFrame,
    axis: int,
    outwards: float,
    start: tuple[FloatArray, FloatArray],
    ends: tuple[float, float],
) -> Curve | None:
    """Fit the surface of one endplate or wall.

    Parameters
    ----------
    axis : {1, 2}
        Local axis that the surface lies across: 1 a wall, 2 an endplate.
    outwards : {-1, 1}
        Direction of the outside along that axis.
    start : (places, edge)
        Edge from the label over places of the other axis, mm; NaN where there is none.
    ends : (low, high)
        Where the body ends along the other axis, mm.

    Returns
    -------
    Curve or None
        None where bone hardly differs from what lies outside, or there are too few voxels.
    """
    along = 3 - axis
    extents = _extents(ct, frame)
    rim = extents[along] / 2 + 1.0
    low, high = min(ends) + rim, max(ends) - rim
    if high - low < 2 * extents[along]:
        return None
    middle, half = (low + high) / 2, (high - low) / 2
    seen = np.isfinite(start[1]) & (np.abs(start[0] - middle) <= half)
    if seen.sum() < 6:
        return None
    u = (start[0][seen] - middle) / half
    label = np.polynomial.polynomial.polyfit(u, start[1][seen], 1)
    voxels = _voxels_about(ct, frame, (axis, along), (middle, half), label, outwards, extents)
    if len(voxels.u) < _FEWEST:
        return None
    return _fit(voxels, label, outwards, _ramp(ct, frame, axis), (middle, half), extents[axis])


def _extents(ct: Volume, frame: BodyFrame) -> FloatArray:
    """(3,) mm that a voxel takes up along each local axis."""
    out: FloatArray = np.abs(frame.axes @ ct.affine[:3, :3]).sum(axis=1)
    return out


def _ramp(ct: Volume, frame: BodyFrame, axis: int) -> tuple[float, float]:
    """Width of the longest side of a voxel along an axis, and the spread of the rest; mm."""
    sides = np.sort(np.abs(frame.axes[axis] @ ct.affine[:3, :3]))
    return float(sides[2]), float(np.sqrt((sides[:2] ** 2).sum() / 12 + _BLUR**2))


def _voxels_about(
    ct: Volume,
    frame: BodyFrame,
    axes: tuple[int, int],
    span: tuple[float, float],
    label: FloatArray,
    outwards: float,
    extents: FloatArray,
) -> _Voxels:
    axis, along = axes
    middle, half = span
    far = extents[axis] / 2 + _INSIDE + abs(label[1])
    low, high = np.zeros(3), np.zeros(3)
    low[0], high[0] = -_STRIP, _STRIP
    low[along], high[along] = middle - half, middle + half
    low[axis], high[axis] = label[0] - far, label[0] + far
    box = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    at = ct.to_indices(frame.to_patient(box))
    part = ct.crop(at.min(axis=0), at.max(axis=0) + 2)
    k, j, i = np.indices(part.voxels.shape)
    places = np.stack([i, j, k], axis=-1).reshape(-1, 3).astype(float)
    local = frame.to_local(part.to_patient(places))
    u = (local[:, along] - middle) / half
    depth = outwards * (local[:, axis] - label[0] - label[1] * u)
    near = (np.abs(local[:, 0]) <= _STRIP) & (np.abs(u) <= 1)
    near &= (depth > -extents[axis] / 2 - _INSIDE) & (depth < extents[axis] / 2 + _OUTSIDE)
    return _Voxels(
        u[near],
        local[near, 0] / _STRIP,
        local[near, axis],
        part.voxels.reshape(-1)[near].astype(float),
    )


def _fit(
    voxels: _Voxels,
    label: FloatArray,
    outwards: float,
    ramp: tuple[float, float],
    span: tuple[float, float],
    extent: float,
) -> Curve | None:
    """Gauss-Newton with bisquare weights over the surface and the values on both sides of it."""
    u, a = voxels.u, voxels.aside
    ones = np.ones_like(u)
    shape = np.column_stack([ones, u, u**2 - 1 / 3, a])
    terms = np.array([label[0], label[1], 0.0, 0.0])
    prior = np.array([0.5 * extent, 0.35 * extent, _BEND_SD, _SLANT_SD])
    expected = terms.copy()
    weight = ones
    solution: FloatArray = np.zeros(4)
    scale = 1.0
    system = np.eye(8)
    for _ in range(_ROUNDS):
        depth = outwards * (voxels.height - shape @ terms)
        share, slope = _share(depth, *ramp)
        sides = np.column_stack([share, share * u, 1 - share, (1 - share) * u])
        root = np.sqrt(weight)
        solution = np.asarray(
            np.linalg.lstsq(sides * root[:, None], voxels.value * root, rcond=None)[0]
        )
        step = (solution[0] + solution[1] * u) - (solution[2] + solution[3] * u)
        if solution[0] - solution[2] < _CONTRAST:
            return None
        residual = voxels.value - sides @ solution
        scale = max(1.4826 * float(np.median(np.abs(residual))), 3.0)
        ratio = residual / (_TUKEY * scale)
        weight = np.where(np.abs(ratio) < 1, (1 - ratio**2) ** 2, 0.0)
        jacobian = np.column_stack([-outwards * (step * slope)[:, None] * shape, sides])
        pull = np.zeros(8)
        pull[:4] = (scale / prior) ** 2
        system = (jacobian * weight[:, None]).T @ jacobian + np.diag(pull)
        right = jacobian.T @ (weight * residual)
        right[:4] += pull[:4] * (expected - terms)
        move = np.linalg.solve(system + 1e-9 * np.eye(8), right)[:4]
        terms = terms + np.clip(move, -0.5 * extent, 0.5 * extent)
        if np.abs(move).max() < 0.005:
            break
    if not np.isfinite(terms).all() or np.abs(terms[:2] - expected[:2]).max() > extent:
        return None
    inverse: FloatArray = np.asarray(np.linalg.inv(system + 1e-9 * np.eye(8)), dtype=float)
    covariance: FloatArray = inverse[:3, :3] * scale**2
    return Curve(span[0], span[1], terms[:3], covariance)


def _share(depth: FloatArray, width: float, spread: float) -> tuple[FloatArray, FloatArray]:
    """Share of bone of voxels at a depth outside the surface, and its derivative.

    A box of `width` passes the surface; the spread is taken as logistic.
    """
    s = spread * np.sqrt(3) / np.pi
    out = (depth + width / 2) / s
    back = (depth - width / 2) / s
    outer = np.logaddexp(0, out) - np.logaddexp(0, back)
    share = 1 - outer * s / width
    slope = -(_logistic(out) - _logistic(back)) / width
    return share, slope


def _logistic(x: FloatArray) -> FloatArray:
    out: FloatArray = 0.5 * (1 + np.tanh(x / 2))
    return out
