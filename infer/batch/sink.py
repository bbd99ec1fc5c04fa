"""Where results go: a folder, or any place that fsspec knows."""

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from endplate.errors import InputError, MissingDependency

__all__ = [
    "CannotWrite",
    "LocalSink",
    "RemoteSink",
    "Sink",
    "is_remote",
    "open_sink",
    "without_password",
]

_PART: Final = ".part"
#: Names of what a sink has half written; other programs' files end so too.
_OWN_PART: Final = re.compile(r"[^/\\]\.[0-9a-f]+\.part$")
#: fsspec's names of stores that show a file once it is complete, and rename by copying.
_OBJECTS: Final = frozenset(
    ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "obs", "tos", "hf")
)
#: Seconds before what failed is tried again.
_PAUSES: Final = (0.3, 2.0)
#: Folders above one another that several workers may make at once.
_LEVELS: Final = 6


class CannotWrite(InputError):
    """The place of the results takes no more: a matter of the batch and not of a film."""


class Sink(Protocol):
    """A tree of named results. A name is either absent or complete."""

    def write(self, name: str, data: bytes) -> None:
        """Write a result, replacing an earlier one."""

    def read(self, name: str) -> bytes:
        """Bytes of a result."""

    def put(self, file: Path, name: str) -> None:
        """Move a finished local file to its place."""

    def where(self, name: str) -> str:
        """The name as a person would type it."""

    def remove_parts(self) -> None:
        """Remove what killed processes left half written."""


class LocalSink:
    """Results in a folder of this machine, or of a disk that all machines share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: set[Path] = set()

    def write(self, name: str, data: bytes) -> None:
        """Write beside the place and rename, so that a killed process leaves nothing half."""
        target = self.folder / name
        try:
            self._make(target.parent)
            part = target.with_name(f"{target.name}.{os.getpid()}{_PART}")
            part.write_bytes(data)
            part.replace(target)
        except OSError as error:
            raise CannotWrite(f"{target}: cannot be written ({error.strerror})") from error

    def read(self, name: str) -> bytes:
        """Bytes of a result."""
        return (self.folder / name).read_bytes()

    def put(self, file: Path, name: str) -> None:
        """Move a file within the same file system or between two."""
        target = self.folder / name
        try:
            self._make(target.parent)
            file.replace(target)
        except OSError:
            self.write(name, file.read_bytes())
            file.unlink()

    def where(self, name: str) -> str:
        """Path of a result."""
        return str(self.folder / name)

    def remove_parts(self) -> None:
        """Remove what killed processes left half written."""
        for part in self.folder.rglob(f"*{_PART}"):
            if _OWN_PART.search(part.name):
                part.unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)


class RemoteSink:
    """Results under an fsspec URL such as ``s3://bucket/study``.

    What fails is tried again over a new connection: servers end those that were idle for long.
    """

    def __init__(self, url: str) -> None:
        self._url, self.url = url, without_password(url).rstrip("/")
        self._made: set[str] = set()
        self._mark = uuid.uuid4().hex[:12]
        self._open(afresh=False)
        names = self.system.protocol
        self._renames = _OBJECTS.isdisjoint([names] if isinstance(names, str) else names)

    def write(self, name: str, data: bytes) -> None:
        """Write a file that nobody sees before it is complete."""

        def write(place: str) -> None:
            part = self._part_of(place)
            self.system.pipe_file(part, data)
            self._finish(part, place)

        self._store(name, write)

    def read(self, name: str) -> bytes:
        """Bytes of a result."""
        data: Any = self._try(lambda: self.system.cat_file(f"{self.root}/{name}"))
        return bytes(data)

    def put(self, file: Path, name: str) -> None:
        """Upload a finished local file."""

        def upload(place: str) -> None:
            part = self._part_of(place)
            self.system.put_file(str(file), part)
            self._finish(part, place)

        self._store(name, upload)
        file.unlink()

    def where(self, name: str) -> str:
        """URL of a result, without password."""
        return f"{self.url}/{name}"

    def remove_parts(self) -> None:
        """Remove what killed processes left half written."""
        if not self._renames:
            return

        def remove() -> None:
            self.system.invalidate_cache()
            with contextlib.suppress(FileNotFoundError):
                for place in self.system.find(self.root):
                    if _OWN_PART.search(place):
                        self.system.rm_file(place)

        try:
            self._try(remove)
        except Exception as error:
            raise CannotWrite(f"{self.url}: cannot be tidied ({_words(error)})") from error

    def _open(self, afresh: bool) -> None:
        """Connect."""
        try:
            import fsspec
        except ImportError as error:
            raise MissingDependency("fsspec", "dask", f"writing to {self.url}") from error
        try:
            self.system, root = fsspec.core.url_to_fs(self._url, skip_instance_cache=afresh)
        except Exception as error:  # every system has errors of its own
            raise CannotWrite(f"{self.url}: no place to write to ({_words(error)})") from error
        self.root = str(root).rstrip("/")

    def _store(self, name: str, write: Callable[[str], None]) -> None:
        """Write a file, after its folder."""
        place = f"{self.root}/{name}"

        def store() -> None:
            folder = place.rpartition("/")[0]
            if folder not in self._made:
                self._make(folder)
            write(place)

        try:
            self._try(store)
        except Exception as error:
            raise CannotWrite(f"{self.where(name)}: cannot be written ({_words(error)})") from error

    def _make(self, folder: str) -> None:
        """Make a folder. Other workers may be making it, or those above it, at the same time."""
        for left in reversed(range(_LEVELS)):
            try:
                self.system.makedirs(folder, exist_ok=True)
                break
            except Exception:
                if not left:
                    raise
                self.system.invalidate_cache()
        self._made.add(folder)

    def _try(self, act: Callable[[], Any]) -> Any:
        """Do it, after a failure again over a new connection."""
        for pause in _PAUSES:
            try:
                return act()
            except Exception:
                time.sleep(pause)
                with contextlib.suppress(CannotWrite):
                    self._open(afresh=True)
                self._made.clear()
        return act()

    def _part_of(self, place: str) -> str:
        """Where to write what belongs to a place."""
        return f"{place}.{self._mark}{_PART}" if self._renames else place

    def _finish(self, part: str, place: str) -> None:
        """Put a complete file to its place."""
        if part == place:
            return
        try:
            self.system.mv(part, place)
        except Exception:
            # Some rename onto no file that exists.
            self.system.rm_file(place)
            self.system.mv(part, place)


def without_password(url: str) -> str:
    """A folder or URL for messages and manifests."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    account, at, _host = rest.partition("/")[0].rpartition("@")
    return f"{scheme}{mark}{account.partition(':')[0]}{at}{rest[len(account) + len(at) :]}"


def _words(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def is_remote(output: str) -> bool:
    """Whether an output is a URL rather than a folder."""
    return "://" in output


def open_sink(output: str) -> LocalSink | RemoteSink:
    """The sink of a folder or URL."""
    return RemoteSink(output) if is_remote(output) else LocalSink(Path(output))


def json_bytes(values: Any) -> bytes:
    """Values as indented JSON."""
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
