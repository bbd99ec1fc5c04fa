"""Exact maps of stored values onto the range of the output."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from endplate.imaging.radiograph import GreyImage

__all__ = ["luminance", "spread", "stretch"]


def spread(values: npt.NDArray[np.float64], span: float, top: int) -> npt.NDArray[np.float64]:
    """Multiply values 0 to `span` by the largest whole factor that keeps them at most `top`.

    Only where not even a factor of 1 fits are they divided, and rounded.
    """
    factor = top // span if span > 0 else 1.0
    out: npt.NDArray[np.float64]
    out = values * factor if factor >= 1 else np.rint(values * (top / span))
    return out


def stretch(image: GreyImage) -> npt.NDArray[np.uint16]:
    """Shift a 16-bit image to start at 0 and multiply it by the largest whole factor that fits.

    Differences of grey values keep their ratios exactly; at least half the range is used.
    """
    low, high = int(image.min()), int(image.max())
    factor = 65535 // (high - low) if high > low else 1
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
