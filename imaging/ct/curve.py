"""The centre line of a spine, with the direction to the front at each height."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray

__all__ = ["CentreLine", "centre_line"]

#: Step of the tables along the line, mm.
STEP: Final = 1.0


@dataclass(frozen=True, eq=False)
class CentreLine:
    """A line through the bodies, in axes of the patient's own.

    The line is told by where it lies to the left and to the front at each height of the
    patient's own axes; `length` is measured along its coronal projection, so that a sheet that
    follows the line sideways can be unrolled without stretching.

    Parameters
    ----------
    origin : (3,) array
        LPS mm.
    axes : (3, 3) array
        Rows: the patient's left, front and up as seen from the spine as a whole, so that a
        patient who lies obliquely does not matter.
    height, left, front, turn : (N,) arrays
        Descending height, place of the line, and axial rotation of the bodies in radians
        (positive: their front turns to the left), in mm from `origin`.
    length : (N,) array
        Ascending from 0 at the upper end.
    """

    origin: FloatArray
    axes: FloatArray
    height: FloatArray
    left: FloatArray
    front: FloatArray
    turn: FloatArray
    length: FloatArray

    def at(self, length: FloatArray) -> tuple[FloatArray, ...]:
        """Height, left, front and turn at places along the line.

        Beyond its ends the line goes straight on, and the turn stays as it is.
        """
        within = np.clip(length, self.length[0], self.length[-1])
        return (
            *(_interpolate(length, self.length, t) for t in (self.height, self.left, self.front)),
            _interpolate(within, self.length, self.turn),
        )


def centre_line(
    centres: Sequence[FloatArray],
    fronts: Sequence[FloatArray],
    reach: tuple[float, float] = (25.0, 25.0),
) -> CentreLine:
    """Make the line through body centres.

    Parameters
    ----------
    centres : sequence of (3,) array
        Two or more body centres, head to foot, LPS mm.
    fronts : sequence of (3,) array
        Direction to the front of each body.
    reach : (above, below)
        How far the line goes on beyond the first and the last centre, mm.

    Raises
    ------
    GeometryError
        If there are fewer than two centres, or they do not descend.
    """
    if len(centres) < 2:
        raise GeometryError("a centre line needs two bodies or more")
    points = np.array(centres)
    up = points[0] - points[-1]
    up = up / np.linalg.norm(up)
    mean_front = np.mean(np.array(fronts), axis=0)
    front = mean_front - (mean_front @ up) * up
    if np.linalg.norm(front) < 0.2:
        raise GeometryError("the direction to the front is not clear")
    front = front / np.linalg.norm(front)
    axes = np.stack([np.cross(up, front), front, up])
    local = (points - points[0]) @ axes.T
    if not (np.diff(local[:, 2]) < -1).all():
        raise GeometryError("the bodies do not lie below each other")
    height = np.arange(local[0, 2] + reach[0], local[-1, 2] - reach[1] - STEP, -STEP)
    turned = [_turn_of(f, axes) for f in fronts]
    knots = local[:, 2]
    left, ahead = (_smooth_through(height, knots, local[:, d]) for d in (0, 1))
    turn = np.interp(-height, -knots, np.array(turned))
    steps = np.hypot(np.diff(height), np.diff(left))
    length = np.concatenate([[0.0], np.cumsum(steps)])
    return CentreLine(points[0], axes, height, left, ahead, turn, length)


def _turn_of(front: FloatArray, axes: FloatArray) -> float:
    """Axial rotation of a direction to the front."""
    return float(np.arctan2(front @ axes[0], front @ axes[1]))


def _smooth_through(at: FloatArray, knots: FloatArray, values: FloatArray) -> FloatArray:
    """Natural cubic spline over descending knots; straight beyond the ends."""
    x, y = -knots, values
    n = len(x)
    if n == 2:
        return _interpolate(-at, x, y)
    h = np.diff(x)
    matrix = np.eye(n)
    right = np.zeros(n)
    for i in range(1, n - 1):
        matrix[i, i - 1 : i + 2] = [h[i - 1], 2 * (h[i - 1] + h[i]), h[i]]
        right[i] = 6 * ((y[i + 1] - y[i]) / h[i] - (y[i] - y[i - 1]) / h[i - 1])
    bend = np.linalg.solve(matrix, right)
    t = np.clip(-at, x[0], x[-1])
    k = np.clip(np.searchsorted(x, t, side="right") - 1, 0, n - 2)
    a, b = (x[k + 1] - t) / h[k], (t - x[k]) / h[k]
    inner = a * y[k] + b * y[k + 1]
    inner = inner + ((a**3 - a) * bend[k] + (b**3 - b) * bend[k + 1]) * h[k] ** 2 / 6
    first = (y[1] - y[0]) / h[0] - h[0] * bend[1] / 6
    last = (y[-1] - y[-2]) / h[-1] + h[-1] * bend[-2] / 6
    beyond = -at - t
    out: FloatArray = inner + beyond * np.where(beyond < 0, first, last)
    return out


def _interpolate(at: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Linear interpolation, straight on beyond the ends; `x` ascends."""
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    part = (at - x[k]) / (x[k + 1] - x[k])
    out: FloatArray = y[k] + part * (y[k + 1] - y[k])
    return out
