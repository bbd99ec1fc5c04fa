"""Pixel data of one DICOM frame to stored values, for every transfer syntax."""

import numpy as np
import numpy.typing as npt
from pydicom import uid

from endplate.imaging.compressed import LOSSY_SYNTAXES, decode_compressed
from endplate.imaging.native import decode_native
from endplate.imaging.pixelformat import PixelFormat

__all__ = ["decode_frame"]

IntArray = npt.NDArray[np.integer]


def decode_frame(data: bytes, form: PixelFormat, path: str) -> tuple[IntArray, tuple[str, ...]]:
    """Decode one frame.

    Parameters
    ----------
    data : bytes
        Value of Pixel Data; encapsulated for compressed syntaxes.
    form : PixelFormat
        Its format.
    path : str
        For messages.

    Returns
    -------
    stored : (rows, columns) or (rows, columns, 3) integer array
        Stored values with their sign, bits outside of the stored ones cleared. Three samples
        are red, green, blue.
    notes : tuple of str
        What was corrected.

    Raises
    ------
    UnreadableImage
        If the data does not fit its header, is damaged, or has a syntax without decoder.
    MissingDependency
        If a decoder exists in an optional package.
    """
    if not uid.UID(form.syntax).is_encapsulated:
        array, notes = decode_native(data, form, path)
        if form.samples == 3:
            return array, notes
        stored, more = _stored_bits(array, form, form.high_bit + 1 - form.bits_stored)
        return stored, (*notes, *more)
    frame = decode_compressed(data, form, path)
    if form.samples == 3:
        return frame.array, ()
    same_sign = np.issubdtype(frame.array.dtype, np.signedinteger) == form.signed
    if form.syntax in LOSSY_SYNTAXES and same_sign:
        return _clipped(frame.array, form), ()
    # A code stream of no more than the stored bits cannot hold them shifted.
    shifted = frame.stream_bits == 0 or frame.stream_bits > form.bits_stored
    shift = form.high_bit + 1 - form.bits_stored if shifted else 0
    return _stored_bits(frame.array, form, shift)


def _clipped(array: IntArray, form: PixelFormat) -> IntArray:
    """Lossy values may overshoot the stored bits a little: clip them, they must not wrap."""
    least = -(1 << (form.bits_stored - 1)) if form.signed else 0
    most = least + (1 << form.bits_stored) - 1
    info = np.iinfo(array.dtype)
    out: IntArray = np.clip(array, max(least, int(info.min)), min(most, int(info.max)))
    return out


def _stored_bits(
    array: IntArray, form: PixelFormat, shift: int
) -> tuple[IntArray, tuple[str, ...]]:
    """Take the stored bits out of their containers and give them their sign.

    `shift` is the number of unused bits below them. Bits above once held overlays.
    """
    size = array.dtype.itemsize
    unsigned: IntArray = array.view(np.dtype(f"u{size}"))
    bits = min(form.bits_stored, size * 8 - shift)
    above = size * 8 - bits - shift
    if form.signed:
        out: IntArray = (unsigned << above).view(np.dtype(f"i{size}")) >> (above + shift)
        return out, ()
    mask = (1 << bits) - 1
    if shift == 0 and int(unsigned.max(initial=0)) <= mask:
        return unsigned, ()
    kept: IntArray = (unsigned >> shift) & np.array(mask, unsigned.dtype)
    return kept, (f"bits outside of the {bits} stored ones are ignored",)
