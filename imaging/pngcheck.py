"""Check the chunks of a PNG file before a native decoder sees it."""

import struct

__all__ = ["PngFault", "check_png"]


class PngFault(ValueError):
    """What is wrong with a file, as the end of a sentence."""


def check_png(data: bytes) -> None:
    """Walk over all chunks up to the end chunk.

    Decoders allocate what a chunk says is its length, so that one damaged byte can cost
    gigabytes; and an animation would be read as its first frame without a word.

    Raises
    ------
    PngFault
        If a chunk reaches beyond the file, the end is missing, or there are several frames; the
        text continues "the PNG file ...".
    """
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if at + 12 + length > len(data):
            raise PngFault("is damaged or cut off")
        if kind == b"acTL" and struct.unpack(">I", data[at + 8 : at + 12])[0] > 1:
            raise PngFault("is an animation; expected one film")
        if kind == b"IEND":
            return
        at += 12 + length
    raise PngFault("is damaged or cut off")
