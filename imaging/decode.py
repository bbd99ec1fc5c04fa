"""Pixel data of one DICOM frame to stored values, for every transfer syntax."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder

from endplate.errors import MissingDependency, UnreadableImage
from endplate.imaging.headers import StreamHeader, jpeg2000_header, jpeg_header

__all__ = ["PixelFormat", "decode_frame"]

#: Decoders in the order in which they are tried: the faster ones first.
_PREFERENCE: Final = ("pyjpegls", "gdcm", "pylibjpeg", "pillow", "pydicom")
_PREFERENCE_RLE: Final = ("pylibjpeg", "pydicom", "gdcm")
_JPEG_2000: Final = (
    *uid.JPEG2000TransferSyntaxes,
    uid.HTJ2K,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
)
_LOSSY: Final = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.HTJ2K,
)


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the pixels of one frame are stored: group 0028 of a data set, checked."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: bool
    syntax: str
    little_endian: bool
    word_data: bool

    @property
    def frame_bytes(self) -> int:
        """Length of the frame if it is not compressed."""
        size = self.rows * self.columns * self.samples * self.bits_allocated // 8
        return size * 2 // 3 if self.photometric == "YBR_FULL_422" else size


def decode_frame(
    data: bytes, form: PixelFormat, path: str
) -> tuple[npt.NDArray[np.integer], tuple[str, ...]]:
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
        Stored values with sign; unused bits are cleared. Three samples are red, green, blue.
    notes : tuple of str
        What was corrected.

    Raises
    ------
    UnreadableImage
        If the data does not fit its header, is damaged, or has a syntax without decoder.
    MissingDependency
        If a decoder exists in an optional package.
    """
    notes: list[str] = []
    if not uid.UID(form.syntax).is_encapsulated:
        array = _native(data, form, path, notes)
        header = None
    else:
        array, header = _encapsulated(data, form, path)
    if form.samples == 1:
        array = _stored_bits(array, form, header, notes)
    return array, tuple(notes)


def _native(data: bytes, form: PixelFormat, path: str, notes: list[str]) -> npt.NDArray[np.integer]:
    """Uncompressed pixels as unsigned numbers."""
    expected = form.frame_bytes
    excess = len(data) - expected
    shape = f"{form.columns} x {form.rows} pixels of {form.samples} x {form.bits_allocated} bit"
    if excess < 0:
        raise UnreadableImage(
            f"{path}: Pixel Data holds {len(data)} bytes, but {shape} need {expected}:"
            " the file is truncated or Rows or Columns is wrong"
        )
    line = min(form.rows, form.columns) * form.samples * form.bits_allocated // 8
    if excess >= line:
        raise UnreadableImage(
            f"{path}: Pixel Data holds {len(data)} bytes, but {shape} take {expected}:"
            " Rows, Columns, Bits Allocated or Number of Frames is wrong"
        )
    if excess > 1:
        notes.append(f"{excess} bytes after the last pixel are ignored")
    if form.bits_allocated == 8 and form.word_data and not form.little_endian:
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    dtype = np.dtype(f"u{form.bits_allocated // 8}").newbyteorder(
        "<" if form.little_endian else ">"
    )
    flat = np.frombuffer(data, dtype, count=expected // dtype.itemsize)
    flat = flat.astype(dtype.newbyteorder("="), copy=False)
    if form.samples == 1:
        return flat.reshape(form.rows, form.columns)
    if form.photometric == "YBR_FULL_422":  # two luminances, then their shared colour
        grey = flat.reshape(-1, 4)[:, :2].reshape(form.rows, form.columns)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if form.planar:
        colour = flat.reshape(3, form.rows, form.columns).transpose(1, 2, 0)
    else:
        colour = flat.reshape(form.rows, form.columns, 3)
    if form.photometric.startswith("YBR"):
        return np.repeat(colour[:, :, :1], 3, axis=2)
    return colour


def _encapsulated(
    data: bytes, form: PixelFormat, path: str
) -> tuple[npt.NDArray[np.integer], StreamHeader | None]:
    """Decompressed pixels and the head of their code stream."""
    try:
        stream = next(generate_frames(data, number_of_frames=1))
    except Exception as error:
        raise UnreadableImage(
            f"{path}: the compressed Pixel Data is damaged: no frame found in it"
        ) from error
    header = _check_stream(stream, form, path)
    if (
        header is not None
        and header.bits > 8
        and form.syntax
        in (
            uid.JPEGBaseline8Bit,
            uid.JPEGExtended12Bit,
        )
    ):
        return _jpeg_12_bit(stream, form, header, path), header
    return _by_plugins(data, form, path), header


def _check_stream(stream: bytes, form: PixelFormat, path: str) -> StreamHeader | None:
    """Refuse a code stream whose own size is not that of the header, before decoding it."""
    if form.syntax == uid.RLELossless:
        return None
    header = jpeg2000_header(stream) if form.syntax in _JPEG_2000 else jpeg_header(stream)
    if header is None:
        raise UnreadableImage(f"{path}: the compressed Pixel Data has no readable header")
    if (header.rows, header.columns) != (form.rows, form.columns):
        raise UnreadableImage(
            f"{path}: Rows and Columns say {form.columns} x {form.rows} pixels, the compressed"
            f" image has {header.columns} x {header.rows}"
        )
    if header.samples != form.samples:
        raise UnreadableImage(
            f"{path}: Samples per Pixel is {form.samples}, the compressed image has"
            f" {header.samples}"
        )
    return header


def _by_plugins(data: bytes, form: PixelFormat, path: str) -> npt.NDArray[np.integer]:
    """Decode with the first of pydicom's plugins that can."""
    name = uid.UID(form.syntax).name
    try:
        decoder = get_decoder(form.syntax)
    except NotImplementedError:
        raise UnreadableImage(
            f"{path}: transfer syntax {name} is not supported; convert the file to an"
            " uncompressed one"
        ) from None
    order = _PREFERENCE_RLE if form.syntax == uid.RLELossless else _PREFERENCE
    plugins = [p for p in order if p in decoder.available_plugins]
    if not plugins:
        raise MissingDependency("pylibjpeg-libjpeg", "codecs-gpl", f"{path}: {name}")
    reasons: list[str] = []
    for plugin in plugins:
        try:
            array, _ = decoder.as_array(
                data, index=0, decoding_plugin=plugin, correct_unused_bits=False, **_options(form)
            )
        except Exception as error:
            reasons.append(f"{plugin}: {' '.join(str(error).split())[:120]}")
            continue
        return array
    raise UnreadableImage(
        f"{path}: the compressed Pixel Data ({name}) is damaged or not supported"
        f" ({'; '.join(reasons)})"
    )


def _options(form: PixelFormat) -> dict[str, Any]:
    """The format in pydicom's words."""
    options: dict[str, Any] = {
        "rows": form.rows,
        "columns": form.columns,
        "number_of_frames": 1,
        "samples_per_pixel": form.samples,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "photometric_interpretation": form.photometric,
        "pixel_representation": int(form.signed),
        "pixel_keyword": "PixelData",
    }
    if form.samples > 1:
        options["planar_configuration"] = int(form.planar)
    return options


def _jpeg_12_bit(
    stream: bytes, form: PixelFormat, header: StreamHeader, path: str
) -> npt.NDArray[np.integer]:
    """Decode 12-bit lossy JPEG, which GDCM can although pydicom does not let it."""
    array = _jpeg_12_bit_gdcm(stream, form, header)
    if array is not None:
        return array
    plugins = get_decoder(uid.JPEGExtended12Bit).available_plugins
    if "pylibjpeg" not in plugins:
        raise MissingDependency("pylibjpeg-libjpeg", "codecs-gpl", f"{path}: 12-bit JPEG")
    from pydicom.encaps import encapsulate

    return _by_plugins(encapsulate([stream]), form, path)


def _jpeg_12_bit_gdcm(
    stream: bytes, form: PixelFormat, header: StreamHeader
) -> npt.NDArray[np.uint16] | None:
    """Decode with GDCM itself; None if it is not installed or cannot."""
    try:
        import gdcm
    except ImportError:
        return None
    if form.samples != 1 or form.bits_allocated != 16:
        return None
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((form.columns, form.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    syntax = gdcm.TransferSyntax.GetTSType(str(uid.JPEGExtended12Bit))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    # The precision of the stream, not of the header: lossy values overshoot Bits Stored.
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, header.bits, header.bits - 1, 0))
    try:
        # GDCM hands bytes out as text.
        data = image.GetBuffer().encode("utf-8", "surrogateescape")
    except Exception:
        return None
    if len(data) != form.rows * form.columns * 2:
        return None
    return np.frombuffer(data, "<u2").reshape(form.rows, form.columns)


def _stored_bits(
    array: npt.NDArray[np.integer],
    form: PixelFormat,
    header: StreamHeader | None,
    notes: list[str],
) -> npt.NDArray[np.integer]:
    """Take the stored bits out of their container and give them their sign."""
    bits = form.bits_stored
    container = array.dtype.itemsize * 8
    shift = form.high_bit + 1 - bits
    if header is not None and header.bits <= bits:
        shift = 0  # the code stream holds no more than the stored bits
    if form.syntax in _LOSSY and np.issubdtype(array.dtype, np.signedinteger) == form.signed:
        # Lossy values may overshoot the stored bits a little: clip, do not wrap.
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if form.signed else (0, (1 << bits) - 1)
        info = np.iinfo(array.dtype)
        return np.clip(array, max(low, int(info.min)), min(high, int(info.max)))
    unsigned = array.view(np.dtype(f"u{array.dtype.itemsize}"))
    if bits + shift > container:
        bits, shift = min(bits, container), 0
    if not form.signed:
        if shift == 0 and bits == container:
            return unsigned
        mask = (1 << bits) - 1
        if shift == 0 and int(unsigned.max(initial=0)) <= mask:
            return unsigned
        notes.append(f"bits outside the {bits} stored ones are ignored")
        return (unsigned >> shift) & np.array(mask, unsigned.dtype)
    left = container - bits - shift
    signed = (unsigned << left).view(np.dtype(f"i{array.dtype.itemsize}"))
    return signed >> (left + shift)
