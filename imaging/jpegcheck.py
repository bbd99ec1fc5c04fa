"""Check the structure of a JPEG stream before a native decoder sees it.

Some decoders crash the whole process on damaged marker segments, and most fill the missing part
of a cut-off image with grey without saying so. Both are found here: every segment is checked for
what ITU-T T.81 (and T.87 for JPEG-LS) allow, entropy-coded data is skipped.
"""

import re
import struct
from typing import Final

__all__ = ["LOSSLESS", "JpegFault", "check_jpeg", "without_comments"]

_SOI: Final = 0xD8
_EOI: Final = 0xD9
_SOS: Final = 0xDA
_DHT: Final = 0xC4
_DQT: Final = 0xDB
#: Precisions that the frame types in use allow: baseline, extended, progressive, lossless, LS.
_PRECISIONS: Final[dict[int, tuple[int, ...]]] = {
    0xC0: (8,),
    0xC1: (8, 12),
    0xC2: (8, 12),
    0xC3: tuple(range(2, 17)),
    0xF7: tuple(range(2, 17)),
}
_DCT: Final = (0xC0, 0xC1, 0xC2)
LOSSLESS: Final = 0xC3
_JPEG_LS: Final = 0xF7
#: Restart interval, JPEG-LS parameters, application data, comment.
_HARMLESS: Final = (0xDD, 0xF8, *range(0xE0, 0xF0), 0xFE)
#: End of entropy-coded data: a marker that is neither a stuffed byte, a restart nor a fill byte.
_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
#: In JPEG-LS a set bit follows every 0xFF of the data only in markers.
_NEXT_MARKER_LS: Final = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


class JpegFault(ValueError):
    """What is wrong with a stream, as the end of a sentence."""


class _Walk:
    """State of one walk over the segments of a stream."""

    def __init__(self) -> None:
        self.frame = 0
        self.precision = 0
        #: Quantisation table of each component.
        self.components: dict[int, int] = {}
        self.quantisation: set[int] = set()
        self.tables: set[int] = set()
        self.scans = 0

    def segment(self, marker: int, body: bytes) -> None:
        """Check one marker segment."""
        if marker in _PRECISIONS:
            self._frame_header(marker, body)
        elif 0xC0 <= marker <= 0xCF and marker not in (_DHT, 0xC8, 0xCC):
            raise JpegFault(f"is of a rare kind (SOF{marker - 0xC0})")
        elif marker == _DHT:
            self._huffman_tables(body)
        elif marker == _DQT:
            self.quantisation |= _quantisation_tables(body)
        elif marker == _SOS:
            self._scan_header(body)
        elif marker not in _HARMLESS:
            raise JpegFault("has a segment of an unknown kind")

    def _frame_header(self, marker: int, body: bytes) -> None:
        if self.frame:
            raise JpegFault("has two frame headers")
        if len(body) < 6 or len(body) != 6 + 3 * body[5] or body[5] not in (1, 3, 4):
            raise JpegFault("has a damaged frame header")
        self.frame, self.precision = marker, body[0]
        if body[0] not in _PRECISIONS[marker]:
            raise JpegFault(f"declares {body[0]} bits a sample, which its kind does not have")
        for i in range(body[5]):
            identity, sampling, table = body[6 + 3 * i : 9 + 3 * i]
            across, down = sampling >> 4, sampling & 15
            if not (1 <= across <= 4 and 1 <= down <= 4 and table <= 3):
                raise JpegFault("has a damaged frame header")
            self.components[identity] = table
        if len(self.components) != body[5]:
            raise JpegFault("has a damaged frame header")

    def _huffman_tables(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            kind, counts = body[at], body[at + 1 : at + 17]
            total = sum(counts)
            symbols = body[at + 17 : at + 17 + total]
            if kind >> 4 > 1 or kind & 15 > 3 or len(counts) != 16 or len(symbols) != total:
                raise JpegFault("has a damaged Huffman table")
            # Kraft's inequality: no more codes of a length than there are.
            used = sum(count << (16 - length) for length, count in enumerate(counts, 1))
            if total > 256 or used > 1 << 16 or (kind < 16 and max(symbols, default=0) > 16):
                raise JpegFault("has an impossible Huffman table")
            self.tables.add(kind)
            at += 17 + total

    def _scan_header(self, body: bytes) -> None:
        if not self.frame:
            raise JpegFault("has image data before its frame header")
        if len(body) < 1 or len(body) != 4 + 2 * body[0] or not 1 <= body[0] <= 4:
            raise JpegFault("has a damaged scan header")
        start, _, approximation = body[-3:]
        for i in range(body[0]):
            identity, tables = body[1 + 2 * i], body[2 + 2 * i]
            if identity not in self.components:
                raise JpegFault("has a scan of an unknown component")
            self._scan_tables(tables, self.components[identity])
        if self.frame == LOSSLESS and (start > 7 or approximation & 15 >= self.precision):
            raise JpegFault("has a damaged scan header")
        self.scans += 1

    def _scan_tables(self, tables: int, quantisation: int) -> None:
        """The tables of a component of a scan must have been defined."""
        if self.frame in _DCT and quantisation not in self.quantisation:
            raise JpegFault("lacks a quantisation table")
        if self.frame == LOSSLESS and tables >> 4 not in self.tables:
            raise JpegFault("lacks a Huffman table")
        sequential = self.frame in (0xC0, 0xC1)
        if sequential and not {tables >> 4, 16 | (tables & 15)} <= self.tables:
            raise JpegFault("lacks a Huffman table")


def _quantisation_tables(body: bytes) -> set[int]:
    """Numbers of the tables of 64 steps that a segment defines."""
    at, found = 0, set[int]()
    while at < len(body):
        wide, number = body[at] >> 4, body[at] & 15
        size = 128 if wide else 64
        table = body[at + 1 : at + 1 + size]
        if wide > 1 or number > 3 or len(table) != size:
            raise JpegFault("has a damaged quantisation table")
        found.add(number)
        at += 1 + size
    return found


def check_jpeg(data: bytes) -> int:
    """Walk over all segments of a JPEG or JPEG-LS stream up to its end marker.

    Returns
    -------
    frame : int
        Marker of the frame header: 0xC0 baseline, 0xC1 extended, 0xC2 progressive, `LOSSLESS`,
        or 0xF7 JPEG-LS.

    Raises
    ------
    JpegFault
        If a segment is damaged or the end is missing; the text continues "the JPEG stream ...".
    """
    if data[:2] != b"\xff\xd8":
        raise JpegFault("does not begin like one")
    walk, at = _Walk(), 2
    while (marker := _marker_at(data, at)) != _EOI:
        (length,) = struct.unpack(">H", data[at + 2 : at + 4].ljust(2, b"\0"))
        if length < 2 or at + 2 + length > len(data):
            raise JpegFault("is cut off")
        walk.segment(marker, data[at + 4 : at + 2 + length])
        at += 2 + length
        if marker == _SOS:
            pattern = _NEXT_MARKER_LS if walk.frame == _JPEG_LS else _NEXT_MARKER
            found = pattern.search(data, at)
            at = found.start() if found else len(data)
        else:
            at = _skip_fill(data, at)
    if not walk.scans:
        raise JpegFault("holds no image data")
    return walk.frame


def without_comments(data: bytes) -> bytes:
    """A checked stream without its application and comment segments, which may upset decoders."""
    kept, at = [data[:2]], 2
    while (marker := _marker_at(data, at)) != _SOS:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(data[at:end])
        at = _skip_fill(data, end)
    return b"".join([*kept, data[at:]])


def _marker_at(data: bytes, at: int) -> int:
    """Marker at an offset where there must be one."""
    if at + 2 > len(data):
        raise JpegFault("is cut off")
    if data[at] != 0xFF:
        raise JpegFault("has garbage between its segments")
    return data[at + 1]


def _skip_fill(data: bytes, at: int) -> int:
    """Offset of the next marker behind any fill bytes."""
    while data[at : at + 2] == b"\xff\xff":
        at += 1
    return at
