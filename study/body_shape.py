"""How the outline of a vertebral body may differ between films of one person.

A body is given by its six points (`endplate.geometry.levels.POINTS`). What a broken or treated
body does between two visits is described by seven modes of its points; all else is pose and error.
"""

import math
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray

__all__ = ["MODES", "depth_of", "fit_pose", "rotation", "shape_modes"]

_SA, _SM, _SP, _IP, _IM, _IA = range(6)
_UPPER: Final = [_SA, _SM, _SP]
_LOWER: Final = [_IP, _IM, _IA]

#: Columns of `shape_modes`, and the unit of each.
MODES: Final = (
    "wedge",  # radians by which the endplates open or close about the posterior wall
    "height",  # share of the posterior height
    "upper_concavity",  # the rest: shares of the depth
    "lower_concavity",
    "upper_depth",
    "lower_depth",
    "shear",
)


def rotation(angle: float) -> FloatArray:
    """(2, 2) matrix that turns (x, y) by `angle` radians from x towards y."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


def depth_of(points: FloatArray) -> FloatArray:
    """(...) mean length of the two endplates of (..., 6, 2) points."""
    upper = np.linalg.norm(points[..., _SA, :] - points[..., _SP, :], axis=-1)
    lower = np.linalg.norm(points[..., _IA, :] - points[..., _IP, :], axis=-1)
    out: FloatArray = (upper + lower) / 2
    return out


def shape_modes(shape: FloatArray) -> FloatArray:
    """(12, 7) displacement of the points per unit of each of `MODES`.

    Parameters
    ----------
    shape : (6, 2) array
        The body as it is; x and y in one unit.
    """
    depth = float(depth_of(shape))
    height = float(np.linalg.norm(shape[_IP] - shape[_SP]))
    forward = shape[_SA] - shape[_SP] + shape[_IA] - shape[_IP]
    forward = forward / np.linalg.norm(forward)
    down = np.array([-forward[1], forward[0]])
    if down @ (shape[_IP] - shape[_SP]) < 0:
        down = -down
    reach = (shape - (shape[_SP] + shape[_IP]) / 2) @ forward
    half = np.zeros(6)
    half[_UPPER], half[_LOWER] = 0.5, -0.5
    modes = np.zeros((len(MODES), 6, 2))
    modes[0] = (half * reach)[:, None] * down
    modes[1] = (half * height)[:, None] * down
    modes[2, _SM] = depth * down
    modes[3, _IM] = -depth * down
    modes[4, [_SA, _SM]] = np.array([1.0, 0.5])[:, None] * depth * forward
    modes[5, [_IA, _IM]] = np.array([1.0, 0.5])[:, None] * depth * forward
    modes[6] = (half * depth)[:, None] * forward
    return modes.reshape(len(MODES), 12).T


def fit_pose(shape: FloatArray, points: FloatArray) -> tuple[float, FloatArray]:
    """Angle and shift that lay (6, 2) `shape` on `points`, by least squares."""
    ours = (shape - shape.mean(axis=0)) @ [1.0, 1.0j]
    theirs = (points - points.mean(axis=0)) @ [1.0, 1.0j]
    angle = float(np.angle(np.conj(ours) @ theirs))
    return angle, points.mean(axis=0) - rotation(angle) @ shape.mean(axis=0)
