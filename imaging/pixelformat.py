"""How the pixels of a DICOM image are stored: group 0028, checked before anything is decoded."""

from dataclasses import dataclass
from typing import Final

from pydicom import uid
from pydicom.dataset import FileDataset

from endplate.errors import UnreadableImage
from endplate.imaging.limits import check_size
from endplate.imaging.tags import integer, raw_length, text

__all__ = ["GREY", "PIXEL_DATA", "PixelFormat", "pixel_format"]

PIXEL_DATA: Final = 0x7FE00010
GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOURS: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PALETTE: Final = "PALETTE COLOR"
_UNDEFINED_LENGTH: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """Format of one frame, free of contradictions.

    Parameters
    ----------
    rows, columns, samples : int
        Size, and samples of a pixel: 1, or 3 in colour.
    bits_allocated, bits_stored, high_bit : int
        8, 16 or 32; the bits of it that hold the value; the highest of these.
    signed : bool
        Whether stored values are two's complement.
    photometric : str
        Photometric Interpretation.
    planar : bool
        Colour by plane instead of by pixel.
    syntax : str
        UID of a known transfer syntax.
    little_endian, word_data : bool
        Byte order of the data set, and whether its pixels are 16-bit words even if they are of
        8 bits.
    """

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


def pixel_format(ds: FileDataset, path: str) -> tuple[PixelFormat, tuple[str, ...]]:
    """Read and check the pixel format of a data set.

    Returns
    -------
    form : PixelFormat
        The format.
    notes : tuple of str
        What was corrected.

    Raises
    ------
    UnreadableImage
        If the size is out of bounds or the format is one that is not read.
    """
    notes: list[str] = []
    rows, columns = integer(ds, "Rows", 0), integer(ds, "Columns", 0)
    check_size(path, rows, columns)
    photometric, samples = _photometric(ds, path, notes)
    allocated, stored, high = _bits(ds, samples, path, notes)
    syntax, little = _syntax(ds, path)
    form = PixelFormat(
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=integer(ds, "PixelRepresentation", 0) == 1,
        photometric=photometric,
        planar=integer(ds, "PlanarConfiguration", 0) == 1,
        syntax=syntax,
        little_endian=little,
        word_data=getattr(ds.get_item(PIXEL_DATA), "VR", None) == "OW",
    )
    return form, tuple(notes)


def _photometric(ds: FileDataset, path: str, notes: list[str]) -> tuple[str, int]:
    """Photometric Interpretation and samples per pixel."""
    photometric = text(ds, "PhotometricInterpretation").upper()
    samples = integer(ds, "SamplesPerPixel", 1)
    if not photometric and samples == 1:
        notes.append("Photometric Interpretation is missing; high values are taken as bright")
        photometric = "MONOCHROME2"
    if photometric not in (*GREY, *_COLOURS, _PALETTE):
        raise UnreadableImage(
            f"{path}: Photometric Interpretation is {photometric!r}; expected one of"
            f" {', '.join((*GREY, _PALETTE, *_COLOURS))}"
        )
    expected = 3 if photometric in _COLOURS else 1
    if samples != expected:
        raise UnreadableImage(
            f"{path}: Samples per Pixel is {samples}; {photometric} has {expected}"
        )
    return photometric, samples


def _bits(ds: FileDataset, samples: int, path: str, notes: list[str]) -> tuple[int, int, int]:
    """Bits allocated, bits stored and high bit; the latter two are corrected if impossible."""
    allocated = integer(ds, "BitsAllocated", 0)
    if allocated not in (8, 16, 32) or (samples == 3 and allocated != 8):
        raise UnreadableImage(
            f"{path}: Bits Allocated is {allocated}; expected 8, 16 or 32, in colour 8"
        )
    stored = integer(ds, "BitsStored", allocated)
    if not 1 <= stored <= allocated:
        notes.append(f"Bits Stored {stored} cannot be true; {allocated} is assumed")
        stored = allocated
    high = integer(ds, "HighBit", stored - 1)
    if not stored - 1 <= high < allocated:
        notes.append(f"High Bit {high} cannot be true; {stored - 1} is assumed")
        high = stored - 1
    return allocated, stored, high


def _syntax(ds: FileDataset, path: str) -> tuple[str, bool]:
    """Transfer syntax and whether the data set is little-endian."""
    little = ds.original_encoding[1] is not False
    native = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
    meta = getattr(ds, "file_meta", None)
    syntax = uid.UID(text(meta, "TransferSyntaxUID")) if meta is not None else uid.UID("")
    if not syntax:
        syntax = native
    elif syntax.is_private or syntax.type != "Transfer Syntax":
        raise UnreadableImage(
            f"{path}: transfer syntax {str(syntax)!r} is not known; convert the file to an"
            " uncompressed one"
        )
    compressed = raw_length(ds, PIXEL_DATA) == _UNDEFINED_LENGTH
    if syntax.is_encapsulated != compressed:
        raise UnreadableImage(
            f"{path}: Pixel Data is {'' if compressed else 'not '}compressed, but the transfer"
            f" syntax is {syntax.name}: the file meta information is missing or wrong"
        )
    return str(syntax), little
