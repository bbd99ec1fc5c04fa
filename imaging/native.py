"""Uncompressed pixel data to an array."""

import numpy as np
import numpy.typing as npt

from endplate.errors import UnreadableImage
from endplate.imaging.pixelformat import PixelFormat

__all__ = ["decode_native"]


def decode_native(
    data: bytes, form: PixelFormat, path: str
) -> tuple[npt.NDArray[np.unsignedinteger], tuple[str, ...]]:
    """Arrange uncompressed pixels.

    Parameters
    ----------
    data : bytes
        Value of Pixel Data.
    form : PixelFormat
        Its format.
    path : str
        For messages.

    Returns
    -------
    array : (rows, columns) or (rows, columns, 3) unsigned array
        Containers as they are stored, native byte order; grey images are views of `data`.
        Luminance-chrominance images come as their luminance three times.
    notes : tuple of str
        What was ignored.

    Raises
    ------
    UnreadableImage
        If the length of the data is not that of the format.
    """
    notes = _check_length(len(data), form, path)
    if form.bits_allocated == 8 and form.word_data and not form.little_endian:
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    order = "<" if form.little_endian else ">"
    dtype = np.dtype(f"{order}u{form.bits_allocated // 8}")
    flat = np.frombuffer(data, dtype, count=form.frame_bytes // dtype.itemsize)
    flat = flat.astype(dtype.newbyteorder("="), copy=False)
    if form.samples == 1:
        return flat.reshape(form.rows, form.columns), notes
    return _colour(flat, form), notes


def _check_length(found: int, form: PixelFormat, path: str) -> tuple[str, ...]:
    """Refuse data that is too short, or so long that the size must be wrong."""
    expected = form.frame_bytes
    shape = (
        f"{form.columns} x {form.rows} pixels of"
        f" {form.samples} x {form.bits_allocated} bit take {expected}"
    )
    if found < expected:
        raise UnreadableImage(
            f"{path}: Pixel Data holds {found} bytes, but {shape}:"
            " the file is truncated, or Rows or Columns is wrong"
        )
    # One row or column more is the least by which a wrong size shows.
    if found - expected >= min(form.rows, form.columns) * form.samples * form.bits_allocated // 8:
        raise UnreadableImage(
            f"{path}: Pixel Data holds {found} bytes, but {shape}:"
            " Rows, Columns, Bits Allocated or Number of Frames is wrong"
        )
    if found - expected > 1:  # one byte makes the length even
        return (f"{found - expected} bytes after the last pixel are ignored",)
    return ()


def _colour(
    flat: npt.NDArray[np.unsignedinteger], form: PixelFormat
) -> npt.NDArray[np.unsignedinteger]:
    """Red, green, blue; or the luminance three times, as only grey is wanted."""
    if form.photometric == "YBR_FULL_422":  # two luminances, then their shared chrominance
        grey = flat.reshape(-1, 4)[:, :2].reshape(form.rows, form.columns)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if form.planar:
        colour = flat.reshape(3, form.rows, form.columns).transpose(1, 2, 0)
    else:
        colour = flat.reshape(form.rows, form.columns, 3)
    if form.photometric.startswith("YBR"):
        return np.repeat(colour[:, :, :1], 3, axis=2)
    return colour
