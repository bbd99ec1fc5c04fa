"""Turn and shift a rough centre line until both halves of the spine are alike."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.volume import Volume

__all__ = ["made_symmetric"]

#: Step of the pictures across the spine, mm.
_STEP: Final = 2.0
#: Half width, back and front end of a picture from the body's middle, mm.
_SIDE: Final = 46.0
_BACK: Final = -66.0
_FRONT: Final = 34.0
#: The part that is compared, without the great vessels before the body.
_COMPARED: Final = (24.0, -52.0, 10.0)
_HEIGHTS: Final = (-9.0, -4.5, 0.0, 4.5, 9.0)
_SHIFTS: Final = np.arange(-12.0, 12.1, 1.5)
_TURNS: Final = np.radians(np.arange(-24.0, 24.1, 3.0))
#: Cost of 10 mm and of 10 degrees, in Hounsfield units of mean difference.
_SHIFT_COST: Final = 4.0
_TURN_COST: Final = 6.0
#: The canal is what a spine turns about: distance behind the body's middle, mm.
_PIVOT: Final = 10.0


def made_symmetric(
    ct: Volume, centre: FloatArray, front: FloatArray, up: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Body centre and direction to the front about which the halves of the spine are most alike.

    Parameters
    ----------
    centre, front, up : (3,) arrays
        Rough middle of the body, and unit vectors, LPS.
    """
    u = up / np.linalg.norm(up)
    a = front - (front @ u) * u
    a = a / np.linalg.norm(a)
    left = np.cross(u, a)
    picture = _across(ct, centre, left, a, u)
    best, found = np.inf, (0.0, 0.0)
    for turn in _TURNS:
        for shift in _SHIFTS:
            cost = _unlikeness(picture, float(shift), float(turn))
            cost += _SHIFT_COST * (shift / 10) ** 2 + _TURN_COST * (np.degrees(turn) / 10) ** 2
            if cost < best:
                best, found = cost, (float(shift), float(turn))
    shift, turn = found
    ahead = np.sin(turn) * left + np.cos(turn) * a
    pivot = centre + shift * left - _PIVOT * a
    return pivot + _PIVOT * ahead, ahead


def _across(
    ct: Volume, centre: FloatArray, left: FloatArray, front: FloatArray, up: FloatArray
) -> npt.NDArray[np.float32]:
    """(front, left) picture across the spine, mean of some heights, soft tissue to bone."""
    s, f = np.meshgrid(
        np.arange(-_SIDE, _SIDE + 1e-6, _STEP), np.arange(_BACK, _FRONT + 1e-6, _STEP)
    )
    total = np.zeros(s.shape, dtype=np.float32)
    for height in _HEIGHTS:
        points = centre + s[..., None] * left + f[..., None] * front + height * up
        total += np.clip(ct.sample(points), -150, 400)
    total /= np.float32(len(_HEIGHTS))
    return total


def _unlikeness(picture: npt.NDArray[np.float32], shift: float, turn: float) -> float:
    """Mean difference of the halves after a shift to the left and a turn about the canal."""
    half, back, front = _COMPARED
    columns, rows = round(2 * half / _STEP) + 1, round((front - back) / _STEP) + 1
    c, s = np.cos(turn), np.sin(turn)
    # (left, front) of the new axes in those of the picture
    linear = np.array([[c, s], [-s, c]])
    pivot = np.array([shift, -_PIVOT])
    first = pivot + linear @ (np.array([-half, back]) - np.array([0.0, -_PIVOT]))
    origin = (first - np.array([-_SIDE, _BACK])) / _STEP
    matrix = np.column_stack([linear, origin])
    part = cv2.warpAffine(
        picture,
        matrix,
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return float(np.abs(part - part[:, ::-1]).mean())
