"""Exact maps of stored values onto the range of the output."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from endplate.imaging.radiograph import GreyImage

__all__ = ["luminance", "spread_factor", "stretch"]


def spread_factor(span: int, top: int) -> int:
    """Largest whole factor by which values 0 to `span` fit into 0 to `top`, at least 1."""
    return max(top // span, 1) if span > 0 else 1


def stretch(image: GreyImage) -> npt.NDArray[np.uint16]:
    """Shift a 16-bit image to start at 0 and multiply it by the largest whole factor that fits.

    Differences of grey values keep their ratios exactly; at least half the range is used.
    """
    low, high = int(image.min()), int(image.max())
    factor = spread_factor(high - low, 65535)
    out: npt.NDArray[np.uint16] = (image.astype(np.uint16) - np.uint16(low)) * np.uint16(factor)
    return out


def luminance(colour: npt.NDArray[Any], conversion: int = cv2.COLOR_RGB2GRAY) -> GreyImage:
    """Luminance (ITU-R BT.601) of an 8- or 16-bit colour image; grey stays exactly as it is.

    Parameters
    ----------
    colour : (rows, columns, 3) uint8 or uint16 array
        Red, green, blue, or in the order that `conversion` names.
    conversion : int
        An OpenCV conversion to grey.
    """
    grey: Any = cv2.cvtColor(np.ascontiguousarray(colour), conversion)
    out: GreyImage = grey
    return out
