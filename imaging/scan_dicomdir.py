"""Files that a DICOMDIR lists."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from endplate.imaging.scan_entry import Fault
from endplate.imaging.scan_walk import Found

__all__ = ["MEDIA_INDEX", "listed_files"]

#: SOP class of a DICOMDIR.
MEDIA_INDEX: Final = "1.2.840.10008.1.3.10"

_MOST_ELEMENTS: Final = 50_000_000
_LARGEST: Final = 1 << 30
_LONG_VRS: Final = (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OF", b"OD", b"OL")
_REFERENCED_FILE: Final = (0x0004, 0x1500)
_GONE: Final = Fault("missing_file", "The DICOMDIR lists it, but it is not there.")
_ESCAPE: Final = Fault("path_escape", "The DICOMDIR gives a path that leads out of its folder.")


def listed_files(dicomdir: str) -> Iterator[Found]:
    """Every file that the DICOMDIR names, in its order; missing ones have a fault.

    The names on a disk may be in other letter case than in the index, as ISO 9660 allows both.
    """
    folder = Path(dicomdir).parent
    for parts in _file_ids(dicomdir):
        path = "/".join(parts)
        if any(p in ("", ".", "..") or "/" in p or os.sep in p for p in parts):
            yield Found(path, "", -1, _ESCAPE)
            continue
        file = _on_disk(folder, parts)
        if file is None:
            yield Found(path, "", -1, _GONE)
        else:
            yield Found(path, str(file), file.stat().st_size)


def _on_disk(folder: Path, parts: list[str]) -> Path | None:
    """The file under any spelling of its name."""
    for spell in (str, str.lower, str.upper):
        file = folder.joinpath(*map(spell, parts))
        try:
            if file.is_file():
                return file
        except OSError:
            continue
    return None


def _file_ids(dicomdir: str) -> Iterator[list[str]]:
    """Values of Referenced File ID (0004,1500), one after the other; damage ends them.

    A DICOMDIR is always little endian with explicit VRs. All items are stepped into, so that the
    nesting needs no memory.
    """
    with Path(dicomdir).open("rb") as file:
        if os.fstat(file.fileno()).st_size > _LARGEST:
            return
        file.seek(132)
        for _ in range(_MOST_ELEMENTS):
            head = file.read(8)
            if len(head) < 8:
                return
            group, element = struct.unpack("<HH", head[:4])
            vr = head[4:6]
            if group == 0xFFFE:
                continue  # the head of an item or the end of something
            if vr in _LONG_VRS:
                packed = file.read(4)
                if len(packed) < 4:
                    return
                (length,) = struct.unpack("<I", packed)
                if vr == b"SQ":
                    continue
            else:
                (length,) = struct.unpack("<H", head[6:8])
            if (group, element) == _REFERENCED_FILE:
                text = file.read(min(length, 1024)).decode("latin-1")
                yield [part.strip(" \0") for part in text.split("\\")]
            else:
                file.seek(length, os.SEEK_CUR)
