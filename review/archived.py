"""Films that lie inside the archives of an export: unpacked one at a time, to be looked at."""

import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Final

from endplate.imaging.limits import MAX_FILE_BYTES
from endplate.imaging.scan_archive import ArchiveStopped, Member, archive_kind, members
from endplate.imaging.scan_walk import printable_path

__all__ = ["Archived"]

_MOST_KEPT: Final = 12
_HEAD: Final = 1024
_CHUNK: Final = 1 << 20


class Archived:
    """Unpacks members into a folder of its own, which only this user can read and which goes with
    the process; the oldest are removed.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._kept: dict[tuple[Path, str], Path] = {}
        self._count = 0
        self._lock = threading.Lock()

    def film(self, export: Path, path: str) -> Path | None:
        """The unpacked film, None if there is none of that path in an archive.

        Parameters
        ----------
        export : Path
            The folder or archive that a batch read.
        path : str
            As the batch names it: the archive's path in the export, then the member's.
        """
        found = _archive_in(export, path)
        if found is None:
            return None
        with self._lock:
            known = self._kept.get(found)
            if known is None:
                known = self._unpack(*found)
            return known

    def _unpack(self, archive: Path, name: str) -> Path | None:
        try:
            kind = archive_kind(_head(archive))
            if kind is None:
                return None
            for member in members(str(archive), kind):
                if member.fault is None and printable_path(member.path) == name:
                    return self._write(member, (archive, name))
        except (ArchiveStopped, OSError):
            pass
        return None

    def _write(self, member: Member, key: tuple[Path, str]) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="endplate-review-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        while len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept))).unlink(missing_ok=True)
        self._count += 1
        path = self._folder / f"{self._count:07d}"
        left = MAX_FILE_BYTES
        with path.open("wb") as out:
            while left > 0 and (part := member.read(_CHUNK)):
                out.write(part)
                left -= len(part)
        self._kept[key] = path
        return path


def _archive_in(export: Path, path: str) -> tuple[Path, str] | None:
    """The file among the folders of a path, and what follows it."""
    if export.is_file():
        first, _, rest = path.partition("/")
        return (export, rest) if rest and first == export.name else None
    parts = path.split("/")
    if ".." in parts or path.startswith("/"):
        return None
    place = export
    for i, part in enumerate(parts[:-1]):
        place = place / part
        if place.is_file():
            return place, "/".join(parts[i + 1 :])
    return None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)
