"""Where results go: a folder, or any place that fsspec knows."""

import json
import os
from pathlib import Path
from typing import Any, Protocol

from endplate.errors import InputError, MissingDependency

__all__ = ["LocalSink", "RemoteSink", "Sink", "is_remote", "open_sink"]

_PART = ".part"


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
            raise InputError(f"{target}: cannot be written ({error.strerror})") from error

    def read(self, name: str) -> bytes:
        """Bytes of a result."""
        return (self.folder / name).read_bytes()

    def put(self, file: Path, name: str) -> None:
        """Move a file within the same file system or between two."""
        target = self.folder / name
        self._make(target.parent)
        try:
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
            part.unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)


class RemoteSink:
    """Results under an fsspec URL such as ``s3://bucket/study``."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise MissingDependency("fsspec", "dask", f"writing to {url}") from error
        try:
            self.system, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError, OSError) as error:
            raise InputError(f"{url}: no place to write to ({error})") from error
        self.url, self.root = url.rstrip("/"), str(root).rstrip("/")

    def write(self, name: str, data: bytes) -> None:
        """Write in one go: object stores show a file once it is complete."""
        place = f"{self.root}/{name}"
        try:
            self.system.makedirs(place.rpartition("/")[0], exist_ok=True)
            self.system.pipe_file(place, data)
        except OSError as error:
            raise InputError(f"{self.url}/{name}: cannot be written ({error})") from error

    def read(self, name: str) -> bytes:
        """Bytes of a result."""
        data: Any = self.system.cat_file(f"{self.root}/{name}")
        return bytes(data)

    def put(self, file: Path, name: str) -> None:
        """Upload a finished local file."""
        place = f"{self.root}/{name}"
        self.system.makedirs(place.rpartition("/")[0], exist_ok=True)
        self.system.put_file(str(file), place)
        file.unlink()

    def where(self, name: str) -> str:
        """URL of a result."""
        return f"{self.url}/{name}"


def is_remote(output: str) -> bool:
    """Whether an output is a URL rather than a folder."""
    return "://" in output


def open_sink(output: str) -> LocalSink | RemoteSink:
    """The sink of a folder or URL."""
    return RemoteSink(output) if is_remote(output) else LocalSink(Path(output))


def json_bytes(values: Any) -> bytes:
    """Values as indented JSON."""
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
