"""DICOM bytes to elements. Deflated ones are inflated here, within bounds.

pydicom inflates the whole of a deflated file, whatever it grows to: a megabyte may become a
gigabyte. What comes from outside goes through here.
"""

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydicom import dcmread, uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset

from endplate.errors import UnreadableImage
from endplate.imaging.limits import MAX_FILE_BYTES
from endplate.imaging.tags import text

__all__ = ["parse_dicom", "parse_header", "parse_header_file"]

#: Elements before the pixels are never larger; a deflated header is inflated up to here.
_MAX_HEADER_BYTES: Final = 32 << 20
#: File meta information is never larger.
_MAX_META_BYTES: Final = 64 << 10
#: Preamble and file meta information of an uncompressed file.
_EXPLICIT_HEAD: Final = (
    bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.1\0"
)


def parse_dicom(
    data: bytes, path: str, wanted: Sequence[str] | None = None, *, bare: bool = True
) -> FileDataset:
    """Data set of a whole file.

    Parameters
    ----------
    data : bytes
        With or without preamble.
    path : str
        For messages.
    wanted : sequence of str or None
        Keywords of the elements to keep; the others are skipped. None keeps all.
    bare : bool
        Whether to try files without preamble too.

    Returns
    -------
    FileDataset
        Of a deflated file as if it had never been: its transfer syntax is explicit little endian.

    Raises
    ------
    UnreadableImage
        If it inflates to more than 1 GiB.
    Exception
        Whatever pydicom makes of a damaged file.
    """
    start = _deflated_from(data)
    if start is not None:
        plain, whole = _inflated(data[start:], MAX_FILE_BYTES)
        if not whole:
            raise UnreadableImage(f"{path}: inflates to more than the 1 GiB that is read")
        data = _EXPLICIT_HEAD + plain
    return dcmread(io.BytesIO(data), force=bare, specific_tags=_tags(wanted))


def parse_header(data: bytes, wanted: Sequence[str] | None = None) -> FileDataset:
    """Elements before the pixels, of the bytes of a file; see `parse_dicom`.

    Of a deflated file the first 32 MiB are inflated.
    """
    start = _deflated_from(data)
    if start is not None:
        data = _EXPLICIT_HEAD + _inflated(data[start:], _MAX_HEADER_BYTES)[0]
    return dcmread(
        io.BytesIO(data), force=True, stop_before_pixels=True, specific_tags=_tags(wanted)
    )


def parse_header_file(path: str | Path, wanted: Sequence[str] | None = None) -> FileDataset:
    """Elements before the pixels, of a file on disk, whose pixels are not read; see `parse_header`.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with Path(path).open("rb") as file:
        deflated = _deflated_from(file.read(_MAX_META_BYTES)) is not None
        file.seek(0)
        if deflated:
            return parse_header(file.read(_MAX_HEADER_BYTES), wanted)
        return dcmread(file, force=True, stop_before_pixels=True, specific_tags=_tags(wanted))


def _tags(wanted: Sequence[str] | None) -> list[str] | None:
    return None if wanted is None else list(wanted)


def _deflated_from(data: bytes) -> int | None:
    """Where the deflated data set begins; None if it is not deflated."""
    if data[128:132] != b"DICM":
        return None
    buffer = io.BytesIO(data)
    buffer.seek(132)
    meta: Dataset = read_dataset(
        buffer, False, True, stop_when=lambda tag, vr, length: tag.group != 2
    )
    deflated = text(meta, "TransferSyntaxUID") == uid.DeflatedExplicitVRLittleEndian
    return buffer.tell() if deflated else None


def _inflated(data: bytes, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes, and whether they are all."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(data, limit)
    return plain, not inflater.unconsumed_tail
