"""Resampling of a film through an image pyramid, the same in training and at inference."""

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray

__all__ = [
    "FloatImage",
    "GreyArray",
    "ImagePyramid",
    "apply_affine",
    "detector_input",
    "invert_affine",
    "normalise",
]

FloatImage = npt.NDArray[np.float32]
GreyArray = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32]

_MIN_SIDE: Final = 48
_NEIGHBOURHOOD: Final = 41
"""Side in pixels of the neighbourhood of the detector's local contrast: about a body."""
_QUIET: Final = 0.03
"""Deviation, relative to that of the film, below which contrast counts as noise."""


class ImagePyramid:
    """A film at full, half, quarter ... size, from which any affine window is cut.

    Parameters
    ----------
    image : (H, W) array of uint8, uint16 or float32
        Grey values. Coordinates are pixels, the centre of the top-left pixel being (0, 0).
    """

    def __init__(self, image: GreyArray) -> None:
        if image.ndim != 2:
            raise ValueError(f"image of shape {image.shape}, expected two dimensions")
        self._levels: list[npt.NDArray[Any]] = [np.ascontiguousarray(image)]
        self.shape: tuple[int, int] = (image.shape[0], image.shape[1])

    def inverted(self) -> "ImagePyramid":
        """The same film with bright and dark exchanged."""
        image = self._levels[0]
        if image.dtype == np.float32:
            return ImagePyramid(-image)
        return ImagePyramid(np.iinfo(image.dtype).max - image)

    def _level(self, k: int) -> npt.NDArray[Any]:
        while len(self._levels) <= k:
            last = self._levels[-1]
            h, w = last.shape
            # odd sides lose their last row or column: area averages stay aligned by two
            even = last[: h - h % 2, : w - w % 2]
            half = cv2.resize(even, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
            self._levels.append(half)
        return self._levels[k]

    def warp(
        self, to_image: FloatArray, size: tuple[int, int], *, border: float | None = None
    ) -> FloatImage:
        """Cut a window out of the film.

        Parameters
        ----------
        to_image : (2, 3) array
            Affine map from x, y of the window to x, y of the film.
        size : (rows, columns)
            Size of the window.
        border : float or None
            Grey value outside the film; None repeats the edge.

        Returns
        -------
        (rows, columns) float32 array, grey values of the film
        """
        step = float(np.sqrt(abs(np.linalg.det(to_image[:, :2]))))
        k = 0
        while step / 2**k >= 1.6 and min(self.shape) / 2 ** (k + 1) >= _MIN_SIDE:
            k += 1
        level = self._level(k)
        # pixel i of a halved image covers 2i and 2i + 1: its centre lies at 2i + 0.5
        factor = 1.0 / 2**k
        matrix = np.array(to_image, dtype=np.float64)
        matrix[:, :2] *= factor
        matrix[:, 2] = (matrix[:, 2] + 0.5) * factor - 0.5
        out = cv2.warpAffine(
            level,
            matrix,
            (size[1], size[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT,
            borderValue=0.0 if border is None else border,
        )
        return np.asarray(out, dtype=np.float32)


def apply_affine(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Map (..., 2) points by a (2, 3) affine; NaN stays NaN."""
    out: FloatArray = points @ matrix[:, :2].T + matrix[:, 2]
    return out


def invert_affine(matrix: FloatArray) -> FloatArray:
    """Inverse of a (2, 3) affine."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.hstack([inverse, (-inverse @ matrix[:, 2])[:, None]])


def normalise(window: FloatImage) -> FloatImage:
    """Clip to the 1st and 99th percentile, then shift to mean 0 and scale to deviation 1.

    A constant window becomes zeros.
    """
    # every third row and column is enough for a percentile, and nine times faster
    low, high = (float(v) for v in np.percentile(window[::3, ::3], (1.0, 99.0)))
    out = np.clip(window, low, high)
    out -= out.mean()
    deviation = float(out.std())
    if deviation < 1e-6:
        return np.zeros_like(out)
    out /= deviation
    return out


def detector_input(window: FloatImage) -> FloatImage:
    """What the detector sees of a window: grey values, and local contrast.

    The second channel is each pixel's deviation from the mean of its neighbourhood in units of
    the neighbourhood's standard deviation: films are brilliant here and black there, and bones
    are to look alike in both.

    Returns
    -------
    (2, rows, columns) float32 array
    """
    grey = normalise(window)
    size = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    mean = cv2.blur(grey, size, borderType=cv2.BORDER_REFLECT_101)
    square = cv2.blur(grey * grey, size, borderType=cv2.BORDER_REFLECT_101)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0.0) + _QUIET**2)
    return np.stack([grey, np.clip((grey - mean) / deviation, -4.0, 4.0)]).astype(np.float32)
