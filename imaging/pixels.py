"""Exact maps of stored values onto the range of the output."""

import numpy as np
import numpy.typing as npt

from endplate.imaging.radiograph import GreyImage

__all__ = ["spread_factor", "stretch"]


def spread_factor(span: int, top: int) -> int:
    """Largest whole factor by which values 0 to `span` fit into 0 to `top`, at least 1."""
    return max(top // span, 1) if span > 0 else 1


def stretch(image: npt.NDArray[np.uint16]) -> GreyImage:
    """Shift a 16-bit image to start at 0 and multiply it by the largest whole factor that fits.

    Differences of grey values keep their ratios exactly; at least half the range is used.
    """
    low, high = int(image.min()), int(image.max())
    factor = spread_factor(high - low, 65535)
    if low == 0 and factor == 1:
        return image
    out: npt.NDArray[np.uint16] = (image - np.uint16(low)) * np.uint16(factor)
    return out
