"""What is in an export: every file of a folder, zip, tar or DICOMDIR, by its header alone."""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from endplate.errors import InputError
from endplate.imaging.limits import MAX_FILE_BYTES
from endplate.imaging.read import sniff, what_it_is
from endplate.imaging.scan_archive import ArchiveStopped, Member, archive_kind, members
from endplate.imaging.scan_dicomdir import MEDIA_INDEX, listed_files
from endplate.imaging.scan_entry import Entry, Fault, FilmHeader
from endplate.imaging.scan_header import read_header
from endplate.imaging.scan_walk import Found, printable_path, walk

__all__ = ["UNREAD", "ScanPosition", "look_again", "scan"]

#: Faults that may be gone the next time.
UNREAD: Final = ("no_permission", "unreadable")

_HEAD: Final = 16_384
_MEMBER_HEAD: Final = 1 << 16
_COPY: Final = 1 << 20


@dataclass(slots=True)
class ScanPosition:
    """How far a scan is: what has to be kept to go on with it later.

    Parameters
    ----------
    files : int
        Files of the export that are done with.
    last : str
        The last of them, by which an export that has changed is known.
    entries : int
        Entries that were handed out of the file that comes next: an archive has many.
    unpacked : int
        Members of archives that were unpacked.
    """

    files: int = 0
    last: str = ""
    entries: int = 0
    unpacked: int = 0


def scan(
    export: str | Path,
    unpack_into: Path,
    wanted: Callable[[Entry], bool] = lambda entry: True,
    *,
    position: ScanPosition | None = None,
    apart: Sequence[Path] = (),
) -> Iterator[Entry]:
    """Look at every file of an export, in an order that depends on nothing but its names.

    Headers are read, never pixels. Files are handed out one by one, so memory stays flat. Every
    file gives one entry: also archives (after their members), what is no image, and what cannot
    be read.

    Parameters
    ----------
    export : path
        A folder, an archive, a DICOMDIR (for the files that it lists) or a single file.
    unpack_into : Path
        Folder for the members of archives that are wanted; made when needed. They get numbers
        as names.
    wanted : callable
        Says of an entry without fault whether it will be read: only such members of archives
        are unpacked.
    position : ScanPosition, optional
        Where to go on; kept up to date with the entries that were handed out. What lies before
        it is neither opened nor handed out.
    apart : sequence of Path
        Folders that do not belong to the export although they may lie in it.

    Raises
    ------
    InputError
        If there is no such export, if the members of an archive cannot be written, or if the
        files before the position are not those that they were.
    """
    root = Path(export)
    at = position if position is not None else ScanPosition()
    look = _Scan(unpack_into, wanted, at, root.is_dir())
    files = _files(root, apart)
    _skip(files, root, at)
    for found in files:
        for entry in look.at(found, at.entries):
            at.entries += 1
            yield entry
        at.files, at.last, at.entries = at.files + 1, found.path, 0


def look_again(export: str | Path, path: str, apart: Sequence[Path] = ()) -> Iterator[Entry]:
    """Look once more at a file or folder that could not be read during the scan.

    Parameters
    ----------
    export : path
        A folder; of anything else nothing is handed out.
    path : str
        Of the `Entry` whose fault was one of `UNREAD`.
    apart : sequence of Path
        See `scan`.

    Returns
    -------
    iterator of Entry
        Of the file, or of all files of the folder. An archive is not opened: its members were
        numbered in the order of the scan.
    """
    place = Path(export, path)
    if not Path(export).is_dir():
        return
    try:
        status = place.stat()
    except OSError:
        return
    files = walk(str(place), apart) if stat.S_ISDIR(status.st_mode) else None
    for found in files or [Found("", str(place), status.st_size)]:
        inside = printable_path(found.path)
        name = path if inside in ("", ".") else f"{path}/{inside}"
        if found.fault is not None:
            yield Entry(name, "", found.size, "other", fault=found.fault)
            continue
        entry, archive = _look_at_file(found)
        if archive is not None:
            late = "It is an archive that could be reached only later: scan it by itself."
            entry = Entry("", "", found.size, "other", fault=Fault("archive_late", late))
        yield replace(entry, path=name)


def _skip(files: Iterator[Found], export: Path, to: ScanPosition) -> None:
    """Pass over the files before a position."""
    passed = [found.path for found in deque(islice(files, to.files), maxlen=1)]
    if to.files and passed != [to.last]:
        raise InputError(
            f"{export}: has changed since its scan was interrupted; start anew in another folder"
        )


def _files(root: Path, apart: Sequence[Path]) -> Iterator[Found]:
    """Files of an export, archives and media indices unopened."""
    try:
        status = root.stat()
    except OSError as error:
        raise InputError(f"{root}: cannot be scanned ({error.strerror})") from None
    if stat.S_ISDIR(status.st_mode):
        yield from walk(str(root), apart)
        return
    found = Found(root.name, str(root), status.st_size)
    entry = _look_at_file(found)[0]
    if entry.fault is not None and entry.fault.code == "media_index":
        yield from listed_files(str(root))
    yield found


@dataclass
class _Scan:
    """A scan under way."""

    unpack_into: Path
    wanted: Callable[[Entry], bool]
    position: ScanPosition
    in_folder: bool

    def at(self, found: Found, skip: int) -> Iterator[Entry]:
        """Entries of one found file but the first: one, or those of an archive or an index."""
        return islice(self._entries(found, skip), skip, None)

    def _entries(self, found: Found, skip: int) -> Iterator[Entry]:
        if found.fault is not None:
            path = printable_path(found.path)
            yield Entry(path, "", found.size, "other", fault=found.fault)
            return
        entry, archive = _look_at_file(found)
        if archive is not None:
            yield from self._archive(entry, archive, skip)
            return
        if self.in_folder and entry.fault is not None and entry.fault.code == "media_index":
            yield from _missing_beside(found)
        yield entry

    def _archive(self, entry: Entry, kind: str, skip: int) -> Iterator[Entry]:
        """Members, then the archive itself. The first `skip` are not looked at."""
        try:
            for number, member in enumerate(members(entry.file, kind)):
                yield self._member(entry.path, member) if number >= skip else entry
        except ArchiveStopped as stopped:
            yield replace(entry, kind="other", file="", fault=stopped.fault)
            return
        yield entry

    def _member(self, archive: str, member: Member) -> Entry:
        path = f"{archive}/{printable_path(member.path)}"
        nothing = Entry(path, "", member.size, "other", fault=member.fault)
        if member.fault is not None:
            return nothing
        try:
            head = member.read(_MEMBER_HEAD)
            if archive_kind(head) is not None:
                fault = Fault("archive_nested", "It is an archive within an archive: unpack it.")
                return replace(nothing, fault=fault)
            entry = _classify(path, "", member.size, head, lambda at, n: head[at : at + n])
            cut = entry.header is not None and not entry.header.complete
            if entry.fault is not None or not (cut or self.wanted(entry)):
                return entry
            return self._unpack(entry, head, member)
        except (ArchiveStopped, InputError):
            raise
        except Exception as error:  # whatever damaged data makes a decompressor do
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            damaged = Fault("archive_damaged", f"The member cannot be unpacked ({reason}).")
            return replace(nothing, fault=damaged)

    def _unpack(self, entry: Entry, head: bytes, member: Member) -> Entry:
        """Write a wanted member to a file."""
        self.position.unpacked += 1
        file = self.unpack_into / f"{self.position.unpacked:07d}"
        try:
            with _writing(file):
                self.unpack_into.mkdir(parents=True, exist_ok=True)
                out = file.open("wb")
            with out:
                size, part = 0, head
                while part and size <= MAX_FILE_BYTES:
                    with _writing(file):
                        size += out.write(part)
                    part = member.read(_COPY)
                with _writing(file):
                    out.flush()
        except BaseException:
            with suppress(OSError):
                file.unlink()
            raise
        if entry.header is not None and not entry.header.complete:
            entry = replace(entry, header=_header_of(file))
            if not self.wanted(entry):
                file.unlink()
                return entry
        return replace(entry, file=str(file), size=size)


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    """A disk that takes no more is no fault of the archive."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{file.parent}: members of archives cannot be written there ({error.strerror})"
        ) from error


def _look_at_file(found: Found) -> tuple[Entry, str | None]:
    """The entry of a file, and the kind of archive that it is, if it is one."""
    path = printable_path(found.path)
    nothing = Entry(path, "", found.size, "other")
    try:
        handle = os.open(found.file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except PermissionError:
        fault = Fault("no_permission", "There is no permission to read it.")
        return replace(nothing, fault=fault), None
    except (OSError, ValueError) as error:
        fault = Fault("unreadable", f"It cannot be opened ({error}).")
        return replace(nothing, fault=fault), None
    try:
        head = os.read(handle, _HEAD)
        archive = archive_kind(head)
        if archive is not None:
            return Entry(path, found.file, found.size, "container"), archive

        def fetch(at: int, size: int) -> bytes:
            if at + size <= len(head):
                return head[at : at + size]
            if at == 0 and size <= _HEAD:
                return head
            os.lseek(handle, at, os.SEEK_SET)
            return os.read(handle, size)

        return _classify(path, found.file, found.size, head, fetch), None
    except OSError as error:
        fault = Fault("unreadable", f"It cannot be read ({error.strerror}).")
        return replace(nothing, fault=fault), None
    finally:
        os.close(handle)


def _classify(
    path: str, file: str, size: int, head: bytes, fetch: Callable[[int, int], bytes]
) -> Entry:
    """Tell films from other files by their first bytes."""
    if not head:
        return Entry(path, "", size, "other", fault=Fault("empty", "The file has no bytes."))
    kind = sniff(head)
    if kind is None:
        fault = Fault("not_an_image", f"It {what_it_is(head)}.")
        return Entry(path, "", size, "other", fault=fault)
    if size > MAX_FILE_BYTES:
        fault = Fault("too_large", f"It has {size / 2**30:.1f} GiB, more than any film.")
        return Entry(path, "", size, "other", fault=fault)
    if kind != "DICOM":
        return Entry(path, file, size, "raster")
    header = read_header(fetch)
    if header.sop_class == MEDIA_INDEX or MEDIA_INDEX.encode() in head[132:512]:
        fault = Fault("media_index", "It is a DICOMDIR, the list of what is on the media.")
        return Entry(path, file, size, "other", fault=fault)
    return Entry(path, file, size, "dicom", header=header)


def _header_of(file: Path) -> FilmHeader:
    """Header of an unpacked file."""
    with file.open("rb") as stream:

        def fetch(at: int, size: int) -> bytes:
            stream.seek(at)
            return stream.read(size)

        return read_header(fetch)


def _missing_beside(found: Found) -> Iterator[Entry]:
    """What a DICOMDIR within a folder lists and the folder lacks; the rest is scanned anyway."""
    folder = os.path.dirname(found.path)  # noqa: PTH120
    for listed in listed_files(found.file):
        if listed.fault is not None:
            path = printable_path(os.path.join(folder, listed.path))  # noqa: PTH118
            yield Entry(path, "", -1, "other", fault=listed.fault)
