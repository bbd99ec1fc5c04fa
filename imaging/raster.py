"""PNG, JPEG and TIFF files to grey pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import UnreadableImage
from endplate.imaging.headers import StreamHeader, jpeg_header, png_header, tiff_header
from endplate.imaging.jpegcheck import JpegFault, check_jpeg
from endplate.imaging.limits import check_size
from endplate.imaging.pixels import luminance, stretch
from endplate.imaging.pngcheck import PngFault, check_png
from endplate.imaging.quiet import quiet_stderr
from endplate.imaging.radiograph import GreyImage

__all__ = ["RasterImage", "decode_raster"]

_HEADERS: Final[dict[str, Callable[[bytes], StreamHeader | None]]] = {
    "PNG": png_header,
    "JPEG": jpeg_header,
    "TIFF": tiff_header,
}
#: Deflate packs at most 1032 bytes into one; JPEG and LZW pack less.
_MAX_RATIO: Final = 1032
#: Colours are turned to grey in blocks of this many pixels, to bound the memory it takes.
_BLOCK: Final = 1 << 22


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
    check_size(path, header.rows, header.columns, header.pixel_bytes)
    if header.rows * header.columns * header.packed_bits > 8 * _MAX_RATIO * len(data):
        raise UnreadableImage(
            f"{path}: {len(data)} bytes cannot hold the {header.columns} x {header.rows} pixels"
            " that the header declares; the file is damaged"
        )
    notes = _check_header(header, kind, path)
    _check_structure(data, kind, path)
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


def _check_structure(data: bytes, kind: str, path: str) -> None:
    """Refuse a damaged or cut-off file, whose missing part might come out grey."""
    try:
        if kind == "JPEG":
            check_jpeg(data)
        elif kind == "PNG":
            check_png(data)
    except JpegFault as fault:
        raise UnreadableImage(f"{path}: the JPEG stream {fault}; copy the file again") from None
    except PngFault as fault:
        raise UnreadableImage(f"{path}: the PNG file {fault}") from None


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
    """Grey of a decoded image of 1, 3 or 4 channels (blue, green, red, alpha)."""
    if image.ndim == 2:
        return image, []
    if image.shape[2] == 1:
        return image[:, :, 0], []
    grey = np.empty(image.shape[:2], image.dtype)
    coloured = transparent = False
    step = max(_BLOCK // image.shape[1], 1)
    for top in range(0, len(image), step):
        block = image[top : top + step]
        blue, green, red = block[:, :, 0], block[:, :, 1], block[:, :, 2]
        if np.array_equal(blue, green) and np.array_equal(green, red):
            grey[top : top + step] = blue
        else:
            coloured = True
            grey[top : top + step] = luminance(block[:, :, :3], cv2.COLOR_BGR2GRAY)
        if image.shape[2] == 4 and block[:, :, 3].min() < np.iinfo(image.dtype).max:
            transparent = True
            _blend_over_black(grey[top : top + step], block[:, :, 3])
    notes = ["the image is stored in colour; its luminance is used"] if coloured else []
    if transparent:
        notes.append("transparent parts are shown black")
    return grey, notes


def _blend_over_black(grey: npt.NDArray[Any], alpha: npt.NDArray[Any]) -> None:
    """Multiply a block by its opacity, in place."""
    opacity = alpha.astype(np.float32) / np.iinfo(alpha.dtype).max
    grey[...] = np.rint(grey * opacity).astype(grey.dtype)
