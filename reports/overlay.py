"""The picture for a person: the film with what was read on it, and the main numbers beside it.

No identity of the patient is drawn, not even the file's name.
"""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import InputError
from endplate.reports.canvas import DARK, Canvas, Picture, wrap_text
from endplate.reports.film_view import film_view
from endplate.reports.marks import draw_angles, draw_bodies, draw_scale_bar
from endplate.reports.panel import STATUS_COLOURS, draw_panel
from endplate.reports.words import choose_index
from endplate.study.reading import Reading

__all__ = ["draw_overlay", "encode_png", "write_overlay"]

#: Longer side of the film at which marks have their nominal size.
_NOMINAL: Final = 1600


def draw_overlay(
    image: npt.NDArray[np.generic],
    reading: Reading,
    *,
    index_level: str | None = None,
    long_side: int = _NOMINAL,
    panel: bool = True,
) -> Picture:
    """Draw a reading on its film.

    Parameters
    ----------
    image : (H, W) array
        The stored image, grey values of any kind, bone bright unless a reason of the quality
        gate is ``contrast_inverted``.
    reading : Reading
        Points in pixels of `image`.
    index_level : str, optional
        The injured level; by default as `choose_index` decides.
    long_side : int
        Longer side of the film in the picture, in pixels.
    panel : bool
        Whether the numbers stand beside the film.

    Returns
    -------
    (H', W', 3) uint8 array
        Blue, green, red, as OpenCV writes it.

    Raises
    ------
    InputError
        If the image is no grey image, or not of the size that the reading says.
    """
    size = (reading.source.rows, reading.source.columns)
    if image.shape != size:
        raise InputError(f"the reading is of an image of {size} rows, columns, not {image.shape}")
    usable = reading.quality.status != "rejected"
    index = choose_index(reading, index_level) if usable else None
    inverted = any(reason.code == "contrast_inverted" for reason in reading.quality.reasons)
    view = film_view(image, reading.calibration, long_side, inverted)
    # Small films become small pictures, on which marks of full size would hide the bone.
    unit = max(long_side / _NOMINAL * 0.6, max(view.picture.shape[:2]) / _NOMINAL)
    canvas = Canvas(view.picture, unit)
    level = None if index is None else index.level
    # Numbers of a rejected reading are not for use, so they are not shown.
    angles = draw_angles(canvas, view, reading, level) if usable else ()
    draw_bodies(canvas, view, reading, level)
    draw_scale_bar(canvas, view, reading)
    picture = view.picture
    if panel:
        beside = draw_panel(reading, index, angles, unit, picture.shape[0])
        picture = np.hstack([_padded(picture, beside.shape[0]), beside])
    if reading.quality.status != "accepted":
        picture = np.vstack([_banner(reading, unit, picture.shape[1]), picture])
    return picture


def encode_png(picture: Picture) -> bytes:
    """The picture as the bytes of a PNG file."""
    done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    assert done, "OpenCV encodes any 8-bit picture as PNG"
    return data.tobytes()


def write_overlay(path: str | Path, picture: Picture) -> None:
    """Write the picture as PNG, under a path of any script."""
    Path(path).write_bytes(encode_png(picture))


def _padded(picture: Picture, height: int) -> Picture:
    """The film with dark ground below it, if the panel is taller."""
    below = height - picture.shape[0]
    padded = cv2.copyMakeBorder(picture, 0, below, 0, 0, cv2.BORDER_CONSTANT, value=DARK)
    return padded.astype(np.uint8, copy=False)


def _banner(reading: Reading, unit: float, width: int) -> Picture:
    """Strip across the top with the status and its reasons."""
    status = reading.quality.status
    reasons = "; ".join(r.message for r in reading.quality.reasons)
    pixels = max(8, round(19 * unit))
    margin = round(26 * unit)
    lines = wrap_text(f"{status.upper()}: {reasons}", width - 2 * margin, pixels, 600)
    strip = np.empty((round((1.45 * len(lines) + 1.0) * pixels), width, 3), np.uint8)
    strip[:] = STATUS_COLOURS[status]
    canvas = Canvas(strip, unit)
    for i, line in enumerate(lines):
        canvas.text((margin, (1.55 + 1.45 * i) * pixels), line, DARK, 19, 600)
    return strip
