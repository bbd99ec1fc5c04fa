"""Size of an image from the first bytes of its file or code stream, without decoding it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["StreamHeader", "jpeg2000_header", "jpeg_header", "png_header", "tiff_header"]


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """What the head of an image says.

    Parameters
    ----------
    rows, columns : int
        Size in pixels.
    bits : int
        Bits of a sample, 0 if unknown.
    samples : int
        Samples of a pixel, decoded (PNG palettes and transparency: 3 and 4), 0 if unknown.
    packed_bits : int
        Bits of a pixel before compression, at least.
    pages : int
        Full-size pages (TIFF), else 1.
    orientation : int
        EXIF/TIFF orientation, 1 (as stored) if absent.
    orientation_at : int
        Offset of the orientation in a TIFF, 0 if it has none.
    inverted : bool
        TIFF whose 0 is white.
    floating : bool
        TIFF of floating-point samples.
    """

    rows: int
    columns: int
    bits: int = 0
    samples: int = 0
    packed_bits: int = 1
    pages: int = 1
    orientation: int = 1
    orientation_at: int = 0
    inverted: bool = False
    floating: bool = False

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a decoded pixel."""
        return max(self.samples, 1) * (2 if self.bits > 8 else 1)


def png_header(data: bytes) -> StreamHeader | None:
    """Head of a PNG file, None if it is damaged."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    columns, rows, bits, colour = struct.unpack(">IIBB", data[16:26])
    decoded, stored = {0: (1, 1), 2: (3, 3), 3: (3, 1), 4: (4, 2), 6: (4, 4)}.get(colour, (1, 1))
    return StreamHeader(rows, columns, bits, decoded, packed_bits=bits * stored)


def jpeg_header(data: bytes) -> StreamHeader | None:
    """Head of a JPEG or JPEG-LS stream, None if there is no frame header."""
    at, orientation = 2, 1
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
            continue
        if marker in (0xD9, 0xDA):  # end, or scan before any frame header
            return None
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if _is_frame_header(marker):
            if at + 10 > len(data):
                return None
            bits, rows, columns, samples = struct.unpack(">BHHB", data[at + 4 : at + 10])
            return StreamHeader(rows, columns, bits, samples, orientation=orientation)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = _exif_orientation(data[at + 10 : at + 2 + length])
        at += 2 + max(length, 2)
    return None


def jpeg2000_header(data: bytes) -> StreamHeader | None:
    """Head of a JPEG 2000 code stream, bare or in a JP2 box, None if there is none."""
    at = 0 if data[:4] == b"\xff\x4f\xff\x51" else data[:4096].find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 44 > len(data):
        return None
    x1, y1, x0, y0 = struct.unpack(">4I", data[at + 8 : at + 24])
    samples, bits = struct.unpack(">HB", data[at + 40 : at + 43])
    return StreamHeader(y1 - y0, x1 - x0, (bits & 0x7F) + 1, samples)


def tiff_header(data: bytes) -> StreamHeader | None:
    """Head of a TIFF or BigTIFF file, None if it is damaged.

    Pages that declare themselves reduced copies or masks of another are not counted.
    """
    reader = _TiffReader.of(data)
    if reader is None:
        return None
    first = reader.directory(reader.first)[0]
    pages, seen, at = 0, set[int](), reader.first
    while at and at not in seen and len(seen) < 1000:
        seen.add(at)
        tags, at = reader.directory(at)
        pages += not tags.get(254, 0) & 0b101
    if not first or 256 not in first or 257 not in first:
        return None
    return StreamHeader(
        rows=first[257],
        columns=first[256],
        bits=first.get(258, 1),
        samples=first.get(277, 1),
        pages=pages,
        orientation=first.get(274, 1),
        orientation_at=reader.place(reader.first, 274),
        inverted=first.get(262) == 0,
        floating=first.get(339) == 3,
    )


def _is_frame_header(marker: int) -> bool:
    """Whether a JPEG marker starts a frame: SOF0-15 but DHT, JPG, DAC; SOF55 is JPEG-LS."""
    return marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC))


def _exif_orientation(block: bytes) -> int:
    """Orientation that an EXIF block (itself a small TIFF) declares, 1 if none."""
    reader = _TiffReader.of(block)
    if reader is None:
        return 1
    value = reader.directory(reader.first)[0].get(274, 1)
    return value if 1 <= value <= 8 else 1


class _TiffReader:
    """Walks the directories of a TIFF; damaged offsets give empty directories."""

    #: Bytes and struct code of the integer field types that are looked at.
    _TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # noqa: RUF012

    def __init__(self, data: bytes, order: str, big: bool) -> None:
        self.data, self.order, self.big = data, order, big
        self.first = self._number("Q", 8) if big else self._number("I", 4)

    @classmethod
    def of(cls, data: bytes) -> "_TiffReader | None":
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None or len(data) < 16:
            return None
        (magic,) = struct.unpack(order + "H", data[2:4])
        return cls(data, order, magic == 43) if magic in (42, 43) else None

    def _number(self, code: str, at: int) -> int:
        size = struct.calcsize(code)
        if at < 0 or at + size > len(self.data):
            return 0
        return int(struct.unpack(self.order + code, self.data[at : at + size])[0])

    def directory(self, at: int) -> tuple[dict[int, int], int]:
        """First value of every integer tag of the directory at `at`, and the next offset."""
        tags = {tag: self._number(code, where) for tag, code, where in self._fields(at)}
        return tags, self._number("Q" if self.big else "I", self._end(at))

    def place(self, at: int, wanted: int) -> int:
        """Offset of the value of a tag of the directory at `at`, 0 if it is not there."""
        return next((where for tag, _, where in self._fields(at) if tag == wanted), 0)

    def _count(self, at: int) -> int:
        """Entries of a directory; a damaged count is cut to what files use."""
        return min(self._number("Q" if self.big else "H", at), 4096)

    def _end(self, at: int) -> int:
        """Offset behind the entries of a directory."""
        head, entry = (8, 20) if self.big else (2, 12)
        return at + head + self._count(at) * entry

    def _fields(self, at: int) -> Iterator[tuple[int, str, int]]:
        """Tag, struct code and offset of the first value of every integer entry."""
        head, entry, inline = (8, 20, 8) if self.big else (2, 12, 4)
        for i in range(self._count(at)):
            where = at + head + i * entry
            code = self._TYPES.get(self._number("H", where + 2))
            if code is None:
                continue
            values = self._number("Q" if self.big else "I", where + 4)
            here = where + entry - inline
            if values * struct.calcsize(code) > inline:
                here = self._number("Q" if self.big else "I", here)
            yield self._number("H", where), code, here
