"""Compressed (encapsulated) pixel data to an array."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import Decoder, get_decoder

from endplate.errors import MissingDependency, UnreadableImage
from endplate.imaging.apart import DecoderDied, run_apart
from endplate.imaging.headers import jpeg2000_header, jpeg_header
from endplate.imaging.jpegcheck import LOSSLESS, JpegFault, check_jpeg, without_comments
from endplate.imaging.pixelformat import PixelFormat

__all__ = ["LOSSY_SYNTAXES", "Decompressed", "decode_compressed"]

LOSSY_SYNTAXES: Final = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.HTJ2K,
)
_WAVELET: Final = (
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
)
_JPEG_LS: Final = 0xF7
#: pydicom's plugins in the order in which they are tried, the faster ones first.
_ORDER: Final = ("pyjpegls", "gdcm", "pylibjpeg", "pillow", "pydicom")
_ORDER_WAVELET_RLE: Final = ("pylibjpeg", "pillow", "pydicom", "gdcm")


@dataclass(frozen=True, eq=False)
class Decompressed:
    """Decoded frame, and the bits of a sample in its code stream (0 if it does not say)."""

    array: npt.NDArray[np.integer]
    stream_bits: int


def decode_compressed(data: bytes, form: PixelFormat, path: str) -> Decompressed:
    """Decompress one frame.

    Parameters
    ----------
    data : bytes
        Value of Pixel Data, encapsulated.
    form : PixelFormat
        Its format.
    path : str
        For messages.

    Returns
    -------
    Decompressed
        (rows, columns) stored values, or (rows, columns, 3) red, green, blue.

    Raises
    ------
    UnreadableImage
        If the data is damaged, does not fit its header or has a syntax without any decoder.
    MissingDependency
        If the decoder is in an optional package.
    """
    try:
        decoder = get_decoder(form.syntax)
    except NotImplementedError:
        raise UnreadableImage(
            f"{path}: transfer syntax {uid.UID(form.syntax).name} is not supported; convert the"
            " file to an uncompressed one"
        ) from None
    try:
        stream = next(generate_frames(data, number_of_frames=1))
    except Exception as error:
        raise UnreadableImage(
            f"{path}: the compressed Pixel Data is damaged: no frame found in it"
        ) from error
    if form.syntax == uid.RLELossless:
        return Decompressed(_by_plugins(decoder, stream, form, path), 0)
    bits = _check_size(stream, form, path)
    if form.syntax in _WAVELET:
        return Decompressed(_by_plugins(decoder, stream, form, path), bits)
    return Decompressed(_jpeg(decoder, stream, form, bits, path), bits)


def _check_size(stream: bytes, form: PixelFormat, path: str) -> int:
    """Refuse a code stream whose own size is not that of the header; bits of its samples."""
    header = jpeg2000_header(stream) if form.syntax in _WAVELET else jpeg_header(stream)
    if header is None:
        raise UnreadableImage(
            f"{path}: the compressed Pixel Data does not begin like"
            f" {uid.UID(form.syntax).name}: it is damaged, or the transfer syntax is wrong"
        )
    found = (header.columns, header.rows, header.samples)
    if found != (form.columns, form.rows, form.samples):
        raise UnreadableImage(
            f"{path}: the header says {form.columns} x {form.rows} pixels of {form.samples}"
            f" sample(s), the compressed image has {found[0]} x {found[1]} of {found[2]}"
        )
    return header.bits


def _jpeg(
    decoder: Decoder, stream: bytes, form: PixelFormat, bits: int, path: str
) -> npt.NDArray[np.integer]:
    """Decode a stream of the JPEG family by the kind that it is.

    GDCM ends its process on some damaged streams, so it has one of its own, sees only what was
    checked, and only the kinds that nothing else decodes: lossless and 12-bit.
    """
    try:
        frame = check_jpeg(stream)
    except JpegFault as fault:
        raise UnreadableImage(
            f"{path}: the compressed Pixel Data is damaged: the JPEG stream {fault}"
        ) from None
    if frame in (LOSSLESS, _JPEG_LS):
        return _by_plugins(decoder, without_comments(stream), form, path)
    if bits == 8:
        return _eight_bit(stream, form, path)
    array = _twelve_bit_apart(without_comments(stream), form, bits, path)
    if array.size:
        return array
    if "pylibjpeg" in decoder.available_plugins:
        return _by_plugins(decoder, stream, form, path)
    if find_spec("gdcm"):
        raise UnreadableImage(
            f"{path}: the compressed Pixel Data (12-bit JPEG) cannot be decoded; if the file is"
            " sound, try the other decoder: pip install 'endplate[codecs-gpl]'"
        )
    raise MissingDependency("pylibjpeg-libjpeg", "codecs-gpl", f"{path}: 12-bit JPEG")


def _eight_bit(stream: bytes, form: PixelFormat, path: str) -> npt.NDArray[np.integer]:
    """Decode baseline and progressive JPEG with OpenCV, the fastest and most robust decoder."""
    kind = cv2.IMREAD_GRAYSCALE if form.samples == 1 else cv2.IMREAD_COLOR
    try:
        array: Any = cv2.imdecode(
            np.frombuffer(stream, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        array = None
    if array is None or array.shape[:2] != (form.rows, form.columns):
        raise UnreadableImage(f"{path}: the compressed Pixel Data (JPEG) is damaged")
    out: npt.NDArray[np.integer] = array if form.samples == 1 else array[:, :, ::-1]
    return out


def _by_plugins(
    decoder: Decoder, stream: bytes, form: PixelFormat, path: str
) -> npt.NDArray[np.integer]:
    """Decode with the first of pydicom's plugins that can."""
    name = uid.UID(form.syntax).name
    wavelet_rle = form.syntax in (*_WAVELET, uid.RLELossless)
    order = _ORDER_WAVELET_RLE if wavelet_rle else _ORDER
    reasons: list[str] = []
    plugins = [p for p in order if p in decoder.available_plugins]
    if plugins and plugins[0] != "gdcm":
        # GDCM ends the process on some damaged streams: never a second try after a failure.
        plugins = [p for p in plugins if p != "gdcm"]
    for plugin in plugins:
        try:
            array = _with_plugin(decoder, stream, form, plugin)
        except DecoderDied as died:
            raise UnreadableImage(
                f"{path}: the compressed Pixel Data ({name}) is damaged: {died}"
            ) from died
        except BaseException as error:
            # Decoders written in Rust panic with an error that is no Exception.
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            reasons.append(f"{plugin}: {' '.join(str(error).split())[:120]}")
            continue
        return array
    if not reasons:
        raise MissingDependency("pylibjpeg-libjpeg", "codecs-gpl", f"{path}: {name}")
    raise UnreadableImage(
        f"{path}: the compressed Pixel Data ({name}) cannot be decoded ({'; '.join(reasons)})"
    )


def _with_plugin(
    decoder: Decoder, stream: bytes, form: PixelFormat, plugin: str
) -> npt.NDArray[np.integer]:
    """Decode with one of pydicom's plugins; GDCM, which may end the process, in one of its own."""

    def decode() -> npt.NDArray[Any]:
        array, _ = decoder.as_array(
            encapsulate([stream], has_bot=False),
            index=0,
            decoding_plugin=plugin,
            **_options(form),
        )
        return array

    return run_apart(decode) if plugin == "gdcm" else decode()


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
        "correct_unused_bits": False,  # done by endplate.imaging.decode, by High Bit too
    }
    if form.samples > 1:
        options["planar_configuration"] = int(form.planar)
    return options


def _twelve_bit_apart(
    stream: bytes, form: PixelFormat, bits: int, path: str
) -> npt.NDArray[np.integer]:
    """Decode 12-bit lossy JPEG with GDCM in a process of its own; empty if GDCM cannot."""

    def decode() -> npt.NDArray[Any]:
        array = _twelve_bit_gdcm(stream, form, bits)
        return np.empty(0, np.uint16) if array is None else array

    try:
        return run_apart(decode)
    except DecoderDied as died:
        raise UnreadableImage(
            f"{path}: the compressed Pixel Data (12-bit JPEG) is damaged: {died}"
        ) from died


def _twelve_bit_gdcm(stream: bytes, form: PixelFormat, bits: int) -> npt.NDArray[np.uint16] | None:
    """Decode 12-bit lossy JPEG with GDCM itself, as pydicom's plugin declines it.

    None if GDCM is not installed or cannot. The precision passed on is that of the stream: with
    Bits Stored of the header, lossy values that overshoot it would wrap.
    """
    try:
        import gdcm  # type: ignore[import-untyped]
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
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, bits, bits - 1, 0))
    try:
        # GDCM hands bytes out as text.
        data = image.GetBuffer().encode("utf-8", "surrogateescape")
    except Exception:
        return None
    if len(data) != form.rows * form.columns * 2:
        return None
    return np.frombuffer(data, "<u2").reshape(form.rows, form.columns)
