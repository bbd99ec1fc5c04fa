"""The coronal strip of a CT with the centre line and the levels, for a person to check."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray
from endplate.reports.canvas import AMBER, BLUE, WHITE, Canvas, Picture
from endplate.reports.film_view import film_view

__all__ = ["draw_coronal"]


def draw_coronal(
    pixels: npt.NDArray[np.generic],
    path: FloatArray,
    centres: Sequence[tuple[str, FloatArray]],
    *,
    spacing_mm: float,
    long_side: int = 1000,
) -> Picture:
    """Draw the line that the sagittal slab follows on a coronal picture.

    Parameters
    ----------
    pixels : (H, W) array
        The picture, the patient's left on the right.
    path : (N, 2) array
        Column, row of the centre line.
    centres : sequence of (level, (2,) array)
        Column, row of the body centres.
    spacing_mm : float
        mm per pixel.

    Returns
    -------
    (H', W', 3) uint8 array
        Blue, green, red.
    """
    view = film_view(pixels, Calibration((spacing_mm, spacing_mm), "ct"), long_side)
    height, width = view.picture.shape[:2]
    canvas = Canvas(view.picture, max(height, width) / 1100)
    on_picture = view.to_picture(path)
    inside = (on_picture[:, 1] >= 0) & (on_picture[:, 1] < height)
    canvas.path(list(on_picture[inside]), AMBER, 1.5, 0.8)
    for level, centre in centres:
        at = view.to_picture(centre)
        canvas.dot(at, BLUE)
        canvas.tag(at + np.array([46.0 * canvas.unit, 0.0]), level, WHITE, 14)
    for text, x in (("R", 0.04), ("L", 0.93)):
        canvas.text((x * width, 26 * canvas.unit), text, WHITE, 20, 600)
    return view.picture
