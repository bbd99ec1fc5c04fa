"""Every file below a folder, in an order that does not depend on the file system."""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from endplate.imaging.scan_entry import Fault

__all__ = ["Found", "printable_path", "walk"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or a name that stands for none because of `fault`.

    `path` is relative to the root, as the operating system spells it; `size` is -1 with a fault.
    """

    path: str
    file: str
    size: int
    fault: Fault | None = None


def printable_path(path: str) -> str:
    """A path that any table can hold: other bytes than text, and line breaks, are escaped."""
    text = path.replace(os.sep, "/").encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def walk(root: str, apart: Sequence[Path] = ()) -> Iterator[Found]:
    """All files below `root`, folder by folder, names in order of their code points.

    Links to folders are followed after all real folders, and each folder is entered once, so
    that circles of links end. Memory is that of the names of one folder, and of the folders.

    Parameters
    ----------
    root : str
        A folder.
    apart : sequence of Path
        Folders that are not entered.
    """
    entered = _identities(apart)
    folders: list[str] = [""]
    links: deque[str] = deque()
    while folders or links:
        linked = not folders
        at = folders.pop() if folders else links.popleft()
        place = os.path.join(root, at)  # noqa: PTH118
        try:
            status = os.stat(place)  # noqa: PTH116
            identity = (status.st_dev, status.st_ino)
            if identity in entered:
                if linked:
                    yield _no_file(at, place, "link_cycle", "leads to a folder scanned already")
                continue
            entered.add(identity)
            with os.scandir(place) as listing:
                children = sorted(listing, key=lambda c: c.name)
        except OSError as error:
            yield _failed(at or ".", place, error)
            continue
        below: list[str] = []
        for child in children:
            path = os.path.join(at, child.name)  # noqa: PTH118
            found = _look(child, path)
            if found is None:
                (links if child.is_symlink() else below).append(path)
            else:
                yield found
        folders.extend(reversed(below))


def _identities(folders: Sequence[Path]) -> set[tuple[int, int]]:
    """Device and number of the folders that there are."""
    found = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            status = folder.stat()
            found.add((status.st_dev, status.st_ino))
    return found


def _look(child: "os.DirEntry[str]", path: str) -> Found | None:
    """A file; None for a folder."""
    try:
        if child.is_dir():
            return None
        status = child.stat()
    except OSError as error:
        return _failed(path, child.path, error)
    if not stat.S_ISREG(status.st_mode):
        return _no_file(path, child.path, "not_a_file", "is a device, pipe or socket")
    return Found(path, child.path, status.st_size)


def _no_file(path: str, file: str, code: str, what: str) -> Found:
    return Found(path, file, -1, Fault(code, f"The name {what}."))


def _failed(path: str, file: str, error: OSError) -> Found:
    """A name that the operating system does not let in."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return Found(path, file, -1, Fault("no_permission", "There is no permission to read it."))
    if error.errno in (errno.ELOOP, errno.ENOENT):
        return _no_file(path, file, "broken_link", "is a link that leads nowhere or in a circle")
    reason = error.strerror or "unknown"
    return Found(path, file, -1, Fault("unreadable", f"It cannot be read ({reason})."))
