"""The film as the ground of an overlay: fitted to a size, windowed, dimmed, square pixels."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import InputError
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray
from endplate.reports.canvas import Picture

__all__ = ["FilmView", "film_view"]

#: A small film is enlarged at most so many times.
_MAX_ENLARGEMENT: Final = 4.0
#: White of the film in the picture, so that marks stand out on bright bone.
_DIMMED_WHITE: Final = 205.0
#: Percentiles of a film that are shown black and white.
_ENDS: Final = (0.5, 99.7)


@dataclass(frozen=True, eq=False)
class FilmView:
    """A film ready to be drawn on.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        Dimmed film with square pixels.
    scale : (2,) array
        Picture pixels per pixel of the stored image, x and y.
    mm_per_pixel : float
        Of the picture; NaN without a calibration.
    """

    picture: Picture
    scale: FloatArray
    mm_per_pixel: float

    def to_picture(self, points: FloatArray) -> FloatArray:
        """(..., 2) pixel coordinates of the stored image in those of the picture."""
        out: FloatArray = (points + 0.5) * self.scale - 0.5
        return out

    def spread(self, covariance: FloatArray) -> FloatArray:
        """(2, 2) covariance of a point in picture pixels squared."""
        out: FloatArray = covariance * np.outer(self.scale, self.scale)
        return out


def film_view(
    image: npt.NDArray[np.generic],
    calibration: Calibration,
    long_side: int,
    inverted: bool = False,
) -> FilmView:
    """Fit a film into a square of `long_side` picture pixels.

    Parameters
    ----------
    image : (H, W) array
        Grey values of any kind, bone bright.
    calibration : Calibration
        Its spacing or aspect makes the pixels of the picture square, so that angles look right.
    long_side : int
        Longer side of the result, in pixels.
    inverted : bool
        Whether bone is dark in `image`; it is bright in the picture all the same.

    Raises
    ------
    InputError
        If the image is not one plane of grey values.
    """
    if image.ndim != 2 or 0 in image.shape:
        raise InputError(f"an overlay needs a grey image, not an array of shape {image.shape}")
    along_x, along_y = calibration.scale_xy
    rows, columns = image.shape
    fit = min(
        long_side / max(columns * along_x, rows * along_y),
        _MAX_ENLARGEMENT / max(along_x, along_y),
    )
    width, height = (max(1, round(n * fit)) for n in (columns * along_x, rows * along_y))
    method = cv2.INTER_AREA if width <= columns and height <= rows else cv2.INTER_CUBIC
    if method == cv2.INTER_AREA and image.dtype in (np.uint8, np.uint16):
        # First, so that the window is put on a tenth of the pixels.
        image = _shrunk(image, width, height)
    grey = _windowed(image)
    if inverted:
        grey = np.uint8(_DIMMED_WHITE) - grey
    if grey.shape != (height, width):
        resized = cv2.resize(grey, (width, height), interpolation=method)
        # Cubic interpolation overshoots at edges.
        grey = np.minimum(resized, _DIMMED_WHITE).astype(np.uint8)
    scale = np.array([width / columns, height / rows])
    mm = along_x / scale[0] if calibration.is_metric else float("nan")
    picture: Any = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    return FilmView(picture, scale, float(mm))


def _shrunk(image: npt.NDArray[np.generic], width: int, height: int) -> npt.NDArray[np.generic]:
    """A smaller image by mean values; by halves first, which takes a tenth of the time."""
    out: Any = image
    while (rows := out.shape[0]) >= 2 * height and (columns := out.shape[1]) >= 2 * width:
        if rows % 2 or columns % 2:
            break
        out = cv2.resize(out, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    out = cv2.resize(out, (width, height), interpolation=cv2.INTER_AREA)
    shrunk: npt.NDArray[np.generic] = out
    return shrunk


def _windowed(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Grey values between the 0.5th and 99.7th percentile, spread over a dimmed range."""
    listed = image.dtype in (np.uint8, np.uint16)
    sample: Any = image[:: max(1, image.shape[0] // 400), :: max(1, image.shape[1] // 400)]
    low, high = _counted_percentiles(sample) if listed else _percentiles(sample)
    span = max(high - low, 1e-6)
    # A table of all values saves nine tenths of the time of a film's millions of pixels.
    values = np.arange(1 << 8 * image.dtype.itemsize) if listed else image
    grey = np.nan_to_num(values.astype(np.float32))
    spread = np.clip((grey - low) / span, 0.0, 1.0) * _DIMMED_WHITE
    out: npt.NDArray[np.uint8] = spread.astype(np.uint8)
    return out[image] if listed else out


def _percentiles(sample: npt.NDArray[np.generic]) -> tuple[float, float]:
    """Those of `_ENDS`; of no values 0 and 1."""
    values = sample.astype(np.float32)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, _ENDS) if values.size else (0.0, 1.0)
    return float(low), float(high)


def _counted_percentiles(sample: npt.NDArray[np.unsignedinteger[Any]]) -> tuple[float, float]:
    """The same of whole numbers, by counting them: a tenth of the time."""
    below = np.cumsum(np.bincount(sample.ravel()))
    places = np.array(_ENDS) / 100 * (sample.size - 1)
    whole = np.floor(places)
    first, second = (np.searchsorted(below, whole + i, side="right") for i in (0, 1))
    second = np.minimum(second, len(below) - 1)
    low, high = first + (second - first) * (places - whole)
    return float(low), float(high)
