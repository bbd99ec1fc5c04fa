"""PNG, JPEG and TIFF files to grey pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import UnreadableImage
from endplate.imaging.headers import StreamHeader, jpeg_header, png_header, tiff_header
from endplate.imaging.limits import check_size
from endplate.imaging.pixels import luminance, stretch
from endplate.imaging.quiet import quiet_stderr
from endplate.imaging.radiograph import GreyImage

__all__ = ["RasterImage", "decode_raster"]

_HEADERS: Final[dict[str, Callable[[bytes], StreamHeader | None]]] = {
    "PNG": png_header,
    "JPEG": jpeg_header,
    "TIFF": tiff_header,
}


@dataclass(frozen=True, eq=False)
class RasterImage:
    """Grey pixels of a raster file and notes about how they were made."""

    pixels: GreyImage
    notes: tuple[str, ...]


def decode_raster(data: bytes, kind: str, path: str) -> RasterImage:
    """Decode a raster file to grey.

    Colours become luminance, transparency shows black, palettes are looked up. 8-bit images
    keep their values; 16-bit ones are stretched by a whole factor. An EXIF orientation is
    deliberately not applied: points refer to the image as it is stored.

    Parameters
    ----------
    data : bytes
        The whole file.
    kind : str
        ``"PNG"``, ``"JPEG"`` or ``"TIFF"``.
    path : str
        For messages.

    Raises
    ------
    UnreadableImage
        If the file is damaged, too large, too small, of several pages or of real numbers.
    """
    header = _HEADERS[kind](data)
    if header is None:
        raise UnreadableImage(f"{path}: the {kind} header is damaged; export the film again")
    check_size(path, header.rows, header.columns)
    notes = _check_header(header, kind, path)
    decoded = _decode(data, header, kind)
    if decoded is None or decoded.size == 0:
        raise UnreadableImage(f"{path}: the {kind} data is damaged or of a kind that is not read")
    if decoded.shape[:2] != (header.rows, header.columns):
        raise UnreadableImage(
            f"{path}: decodes to {decoded.shape[1]} x {decoded.shape[0]} pixels, but its header"
            f" says {header.columns} x {header.rows}"
        )
    if decoded.dtype not in (np.uint8, np.uint16):
        raise UnreadableImage(
            f"{path}: {kind} with samples of type {decoded.dtype}; expected 8 or 16 bit"
        )
    grey, more = _to_grey(decoded)
    if grey.dtype == np.uint16:
        # libtiff turns 8-bit images itself when 0 is white, but hands 16-bit ones out raw.
        grey = stretch(np.invert(grey) if header.inverted else grey)
    return RasterImage(grey, (*notes, *more))


def _decode(data: bytes, header: StreamHeader, kind: str) -> npt.NDArray[Any] | None:
    """Decode with OpenCV, without any rotation; None if it cannot."""
    flags = cv2.IMREAD_UNCHANGED
    if kind == "JPEG":  # libjpeg gives the luminance directly, faster than colours would be
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    encoded = np.frombuffer(data, np.uint8)
    if kind == "TIFF" and header.orientation != 1 and header.orientation_at:
        # OpenCV turns TIFF whatever the flags: tell it that there is nothing to turn.
        at = header.orientation_at
        encoded = encoded.copy()
        encoded[at : at + 2] = (1, 0) if data[:2] == b"II" else (0, 1)
    try:
        with quiet_stderr():
            return cv2.imdecode(encoded, flags)
    except cv2.error:
        return None


def _check_header(header: StreamHeader, kind: str, path: str) -> list[str]:
    """Refuse what is not one plain image; notes on what is ignored."""
    if header.pages > 1:
        raise UnreadableImage(
            f"{path}: {kind} of {header.pages} pages; expected one film in a file"
        )
    if header.floating:
        raise UnreadableImage(f"{path}: {kind} of real numbers; expected 8 or 16 bit")
    if header.orientation != 1:
        return [
            f"the file asks for a rotation on display (orientation {header.orientation});"
            " it is read as stored"
        ]
    return []


def _to_grey(image: npt.NDArray[Any]) -> tuple[GreyImage, list[str]]:
    """Luminance of a decoded image of 1 to 4 channels (blue, green, red, alpha)."""
    if image.ndim == 2:
        return image, []
    channels = image.shape[2]
    notes: list[str] = []
    colour = image[:, :, :3]
    if channels == 1:
        return image[:, :, 0], notes
    if channels == 2:
        grey: GreyImage = np.ascontiguousarray(image[:, :, 0])
    else:
        if not (
            np.array_equal(colour[:, :, 0], colour[:, :, 1])
            and np.array_equal(colour[:, :, 1], colour[:, :, 2])
        ):
            notes.append("the image is in colour; its luminance is used")
        grey = luminance(colour, cv2.COLOR_BGR2GRAY)
    if channels in (2, 4):
        alpha = image[:, :, -1]
        top = np.iinfo(image.dtype).max
        if alpha.min() < top:
            notes.append("transparent parts are shown black")
            blended = grey.astype(np.float32) * (alpha.astype(np.float32) / top)
            grey = np.rint(blended).astype(image.dtype)
    return grey, notes
