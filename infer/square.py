"""Films whose pixels are not square: resampled for the networks, and the points mapped back."""

from typing import Final

import cv2
import numpy as np

from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray
from endplate.models.resample import GreyArray

__all__ = ["SQUARE", "from_square", "shrink_covariance", "stretch_of", "to_square", "with_square"]

#: Pixels are taken as square up to this deviation of the aspect from 1.
SQUARE: Final = 0.003


def stretch_of(calibration: Calibration) -> FloatArray:
    """(2,) factors on x and y that make the pixels square; the finer side is kept."""
    x, y = calibration.scale_xy
    if abs(x / y - 1) < SQUARE:
        return np.ones(2)
    return np.array([x, y]) / min(x, y)


def with_square(pixels: GreyArray, stretch: FloatArray) -> GreyArray:
    """The film with square pixels."""
    if (stretch == 1).all():
        return pixels
    size = (round(pixels.shape[1] * stretch[0]), round(pixels.shape[0] * stretch[1]))
    out: GreyArray = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return out


def to_square(points: FloatArray, stretch: FloatArray) -> FloatArray:
    """(..., 2) x, y of the film to those of the film with square pixels."""
    return (points + 0.5) * stretch - 0.5


def from_square(points: FloatArray, stretch: FloatArray) -> FloatArray:
    """(..., 2) x, y of the film with square pixels to those of the film."""
    return (points + 0.5) / stretch - 0.5


def shrink_covariance(covariance: FloatArray, stretch: FloatArray) -> FloatArray:
    """(12, 12) covariance of six points, mapped as `from_square` maps the points."""
    factor = np.tile(1 / stretch, 6)
    out: FloatArray = covariance * factor[:, None] * factor[None, :]
    return out
