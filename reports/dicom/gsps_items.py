"""Parts of a presentation state as encoded items, in explicit little endian.

As objects of highdicom they take ten times as long. All texts are in ASCII, which is the same in
every character set that a state may have. Points are x and y from the outer corner of the first
pixel.
"""

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from endplate.geometry.landmarks import FloatArray
from endplate.reports.dicom.content import element, item, referred

__all__ = ["annotation", "displayed_area", "polyline", "referred_series", "text"]

_GRAPHICS = 0x0070


def _graphic(tag: int, vr: bytes, value: bytes | str) -> bytes:
    return element(tag, vr, value, _GRAPHICS)


def polyline(points: FloatArray) -> bytes:
    """A line through points (N, 2)."""
    places = np.ascontiguousarray(points, dtype="<f4")
    return item(
        _graphic(0x0005, b"CS", "PIXEL")
        + _graphic(0x0020, b"US", _shorts(2))
        + _graphic(0x0021, b"US", _shorts(len(places)))
        + _graphic(0x0022, b"FL", places.tobytes())
        + _graphic(0x0023, b"CS", "POLYLINE")
        + _graphic(0x0024, b"CS", "N")
    )


def text(words: str, corners: FloatArray, leftmost: bool) -> bytes:
    """A text in a box, at its left or its right side.

    Parameters
    ----------
    corners : (2, 2) array
        Upper left and lower right one.
    """
    upper, lower = np.asarray(corners, dtype="<f4")
    return item(
        _graphic(0x0003, b"CS", "PIXEL")
        + _graphic(0x0006, b"ST", words)
        + _graphic(0x0010, b"FL", upper.tobytes())
        + _graphic(0x0011, b"FL", lower.tobytes())
        + _graphic(0x0012, b"CS", "LEFT" if leftmost else "RIGHT")
    )


def annotation(
    header: Dataset, layer: str, lines: Sequence[bytes], texts: Sequence[bytes]
) -> bytes:
    """What a layer holds."""
    data = _film(header) + _graphic(0x0002, b"CS", layer)
    if texts:
        data += _graphic(0x0008, b"SQ", b"".join(texts))
    if lines:
        data += _graphic(0x0009, b"SQ", b"".join(lines))
    return item(data)


def referred_series(header: Dataset) -> bytes:
    """The film in its series."""
    return item(_film(header) + element(0x000E, b"UI", str(header.SeriesInstanceUID), 0x0020))


def displayed_area(columns: int, rows: int, aspect: tuple[int, int]) -> bytes:
    """The whole film, as large as there is room.

    Parameters
    ----------
    aspect : (int, int)
        Vertical and horizontal size of a pixel.
    """
    return item(
        element(0x0301, b"CS", "VOLUME", 0x0048)
        + _graphic(0x0052, b"SL", _longs(1, 1))
        + _graphic(0x0053, b"SL", _longs(columns, rows))
        + _graphic(0x0100, b"CS", "SCALE TO FIT")
        + _graphic(0x0102, b"IS", "\\".join(map(str, aspect)))
    )


def _film(header: Dataset) -> bytes:
    film = referred(str(header.SOPClassUID), str(header.SOPInstanceUID))
    return element(0x1140, b"SQ", film, 0x0008)


def _shorts(*values: int) -> bytes:
    return np.array(values, dtype="<u2").tobytes()


def _longs(*values: int) -> bytes:
    return np.array(values, dtype="<i4").tobytes()
