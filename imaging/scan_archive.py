"""Members of zip and tar archives, without ever unpacking under a name that the archive chose.

What an archive says of itself is not believed: reading stops where more comes out than its own
size can honestly hold, members that lead out of it are refused, and archives inside are not
opened.
"""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Protocol

from endplate.imaging.limits import MAX_FILE_BYTES
from endplate.imaging.scan_entry import Fault

__all__ = ["ArchiveStopped", "Budget", "Member", "archive_kind", "check_overlap", "members"]

#: Unpacked bytes that an archive may have: honest films shrink to a tenth at best.
_FREE_BYTES: Final = 256 << 20
_MOST_RATIO: Final = 100
_CHUNK: Final = 1 << 20
_MOST_TAR_HEADER: Final = 16 << 20
_TAR_MAGIC: Final = b"ustar"
_DAMAGE: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(OSError, ValueError, NotImplementedError, RuntimeError),
)


class ArchiveStopped(Exception):
    """The archive is not read any further; `fault` says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = Fault(code, sentence)


class _Reads(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive; `read` gives its next bytes, until the next member is asked for.

    With a fault there is nothing to read.
    """

    path: str
    size: int
    read: Callable[[int], bytes]
    fault: Fault | None = None


def archive_kind(head: bytes) -> str | None:
    """``"zip"``, ``"tar"`` (perhaps compressed; opening tells) or None, by content."""
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        # Office documents and Java programs are zip archives too.
        first = head[30:60]
        documents = (b"[Content_Types]", b"mimetype", b"META-INF/", b"_rels/")
        return None if first.startswith(documents) else "zip"
    if head[257:262] == _TAR_MAGIC or _compression(head) is not None:
        return "tar"
    return None


def members(file: str, kind: str) -> Iterator[Member]:
    """Members of an archive, in its own order.

    Raises
    ------
    ArchiveStopped
        If it is damaged or a bomb; members before that have been handed out.
    """
    budget = Budget.of(file)
    try:
        yield from _zip_members(file, budget) if kind == "zip" else _tar_members(file, budget)
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ArchiveStopped(
            "archive_damaged", f"The archive is damaged or no archive ({reason})."
        ) from error


@dataclass
class Budget:
    """Bytes that may still be unpacked; `spend` raises `ArchiveStopped` when there are none."""

    left: int

    @classmethod
    def of(cls, file: str | Path) -> "Budget":
        """What an archive of that size may honestly hold."""
        return cls(_FREE_BYTES + _MOST_RATIO * Path(file).stat().st_size)

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ArchiveStopped(
                "archive_bomb",
                f"The archive unpacks to more than {_MOST_RATIO} times its size: left unread.",
            )


def check_overlap(archive: zipfile.ZipFile, file: str | Path) -> None:
    """Refuse members that share their bytes, which is how small zip files become petabytes.

    Raises
    ------
    ArchiveStopped
        If they do.
    """
    if sum(i.compress_size for i in archive.infolist()) > Path(file).stat().st_size:
        raise ArchiveStopped(
            "archive_bomb", "The members of the archive overlap: it was made to burst."
        )


def _nothing(size: int) -> bytes:
    return b""


def _escapes(name: str) -> bool:
    """Whether a path would lead out of the folder that it is unpacked into."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or name[1:2] == ":"


_ESCAPE: Final = Fault("path_escape", "The path of the member leads out of the archive.")


def _zip_members(file: str, budget: Budget) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        check_overlap(archive, file)
        for info in archive.infolist():
            if info.is_dir():
                continue
            fault = _zip_fault(info)
            if fault is not None:
                yield Member(info.filename, info.file_size, _nothing, fault)
                continue
            yield from _zip_member(archive, info, budget)


def _zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget
) -> Iterator[Member]:
    """The member, readable; or with the fault that opening it showed."""
    try:
        stream = archive.open(info)
    except _DAMAGE as error:
        yield Member(info.filename, info.file_size, _nothing, _unreadable(error))
        return
    with stream:
        yield Member(info.filename, info.file_size, _counted(stream, budget))


def _zip_fault(info: zipfile.ZipInfo) -> Fault | None:
    if _escapes(info.filename):
        return _ESCAPE
    if info.flag_bits & 1:
        return Fault("archive_encrypted", "The member is encrypted.")
    return _size_fault(info.file_size, info.compress_size)


def _size_fault(size: int, packed: int) -> Fault | None:
    if size > MAX_FILE_BYTES:
        return Fault("too_large", f"It has {size / 2**30:.1f} GiB, more than any film.")
    if size > _FREE_BYTES // 4 and size > _MOST_RATIO * max(packed, 1):
        return Fault(
            "archive_bomb", f"It would unpack to {size / max(packed, 1):.0f} times its size."
        )
    return None


def _counted(stream: _Reads, budget: Budget) -> Callable[[int], bytes]:
    """Reading from a member that pays from the budget; damage ends the member only."""

    def read(size: int) -> bytes:
        data = stream.read(size)
        budget.spend(len(data))
        return data

    return read


def _unreadable(error: Exception) -> Fault:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return Fault("archive_damaged", f"The member cannot be unpacked ({reason}).")


def _compression(head: bytes) -> Callable[[str], Any] | None:
    """How to open a compressed file."""
    if head[:2] == b"\x1f\x8b":
        return lambda file: gzip.open(file, "rb")
    if head[:3] == b"BZh":
        return lambda file: bz2.open(file, "rb")
    if head[:6] == b"\xfd7zXZ\0":
        return lambda file: lzma.open(file, "rb")
    return None


def _tar_members(file: str, budget: Budget) -> Iterator[Member]:
    with Path(file).open("rb") as plain:
        unpack = _compression(plain.read(16))
    with unpack(file) if unpack else Path(file).open("rb") as stream:
        forward = _Forward(stream, budget)
        if forward.peek_magic() != _TAR_MAGIC:
            raise ArchiveStopped("not_an_image", "It is a compressed file that holds no archive.")
        with tarfile.open(fileobj=forward, mode="r:") as archive:  # type: ignore[call-overload]
            while (info := archive.next()) is not None:
                archive.members = []  # tarfile keeps all it has seen
                if info.isdir():
                    continue
                yield _tar_member(archive, info, budget)


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, budget: Budget) -> Member:
    fault = _ESCAPE if _escapes(info.name) else _size_fault(info.size, info.size)
    if fault is None and not info.isreg():
        fault = Fault("not_a_file", "The member is a link, device or pipe.")
    stream = None if fault is not None else archive.extractfile(info)
    if stream is None:
        return Member(info.name, info.size, _nothing, fault)
    # The stream of the archive counts what it holds; a sparse member's gaps are not in it.
    read = _counted(stream, budget) if info.issparse() else stream.read
    return Member(info.name, info.size, read)


class _Forward:
    """A stream that tarfile reads once, forward; its bytes are counted.

    tarfile reads the headers of members whole, whatever size they claim: such reads are refused.
    It also steps back by one byte before a member, and no more.
    """

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self.stream, self.budget = stream, budget
        self.at, self.last, self.kept = 0, b"", b""

    def peek_magic(self) -> bytes:
        """Five bytes at the place of a tar archive's magic."""
        self.kept = self._take(512)
        return self.kept[257:262]

    def _take(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.budget.spend(len(data))
        return data

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MOST_TAR_HEADER:
            raise ArchiveStopped(
                "archive_bomb", "A header in the archive claims to be larger than any header."
            )
        data, self.kept = self.kept[:size], self.kept[size:]
        if len(data) < size:
            data += self._take(size - len(data))
        self.at += len(data)
        self.last = data[-1:] or self.last
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        if whence != 0 or place < self.at - 1:
            raise ValueError("a tar archive is read forward only")
        if place == self.at - 1:
            self.kept, self.at = self.last + self.kept, place
        while self.at < place:
            if not self.read(min(_CHUNK, place - self.at)):
                break
        return self.at

    def tell(self) -> int:
        return self.at
