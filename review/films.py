"""The films of readings: where their files are, their pixels and thumbnails."""

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import EndplateError, InputError
from endplate.geometry.calibration import Calibration
from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph
from endplate.review.archived import Archived
from endplate.review.batch_films import BatchFilms
from endplate.review.ct_films import CtFilms
from endplate.review.library import FilmEntry, Library

__all__ = ["FilmShelf", "pixel_bytes", "thumbnail"]

_THUMB_HEIGHT: Final = 144
_CACHE_BYTES: Final = 400 * 1024 * 1024
_SUFFIXES: Final = ("", ".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
_VOLUMES: Final = (".nii", ".nii.gz", ".zip")
_MOST_HASHED: Final = 20_000


class FilmShelf:
    """Finds the films of readings and keeps those looked at last.

    A film is taken only if the hash of its file is that of the reading, wherever it lies.

    Parameters
    ----------
    library : Library
    folders : sequence of Path
        Where films may be, besides the places that readings and a batch's manifest name.
    batch : BatchFilms or None
        The films of a pseudonymised batch.
    """

    def __init__(
        self, library: Library, folders: Sequence[Path] = (), batch: BatchFilms | None = None
    ) -> None:
        self.library, self.batch = library, batch
        self.exports = _batch_export(library.folder)
        self.archived = Archived()
        self.folders = [f.resolve() for f in (*folders, *self.exports) if f.is_dir()]
        for folder in folders:
            if not folder.is_dir():
                raise InputError(f"{folder}: no such folder of films")
        self._places: dict[str, Path] = {}
        self._hidden: set[str] = set()
        self._cache: OrderedDict[str, Radiograph] = OrderedDict()
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._names: dict[str, list[Path]] | None = None
        self._hashes: dict[Path, str] = {}
        self._volumes: list[Path] | None = None
        self.cts = CtFilms(library, self._ct_places)

    def is_there(self, entry: FilmEntry) -> bool:
        """Whether the film, or something that may be the CT, was found."""
        return self.cts.is_there(entry) if entry.is_ct else self.path(entry) is not None

    def path(self, entry: FilmEntry) -> Path | None:
        """The film's file, None if it is nowhere, or a CT."""
        if entry.is_ct:
            return None
        known = self._places.get(entry.key)
        if known is not None and known.is_file():
            return known
        found = self._search(entry)
        if found is not None:
            self._places[entry.key] = found
        return found

    def is_hidden(self, entry: FilmEntry) -> bool:
        """Whether the reading bears a pseudonym that its film does not."""
        self.path(entry)
        return entry.key in self._hidden

    def radiograph(self, entry: FilmEntry) -> Radiograph:
        """The film; of a CT the slab that was read.

        Raises
        ------
        InputError
            If the file cannot be found or is no film.
        """
        with self._lock:
            film = self._cache.get(entry.key)
            if film is not None:
                self._cache.move_to_end(entry.key)
                return film
            own = self._locks.setdefault(entry.key, threading.Lock())
        with own:  # the browser may ask for pixels and thumbnail at once
            with self._lock:
                film = self._cache.get(entry.key)
            if film is None and entry.is_ct:
                film = self._slab(entry)
                self._keep(entry.key, film)
            elif film is None:
                path = self.path(entry)
                if path is None:
                    raise InputError(
                        "the film's file was not found; name its folder with --films when"
                        " starting endplate review"
                    )
                film = _read(path)
                self._keep(entry.key, film)
        return film

    def has_thumb(self, entry: FilmEntry) -> bool:
        """Whether there may be a thumbnail: of a CT once it was seen, for reading it is slow."""
        return not entry.is_ct or self.cts.is_open(entry) or self._thumb_file(entry).is_file()

    def thumb(self, entry: FilmEntry) -> bytes:
        """Small JPEG; kept on disk.

        Raises
        ------
        InputError
            As `radiograph`.
        """
        file = self._thumb_file(entry)
        try:
            return file.read_bytes()
        except OSError:
            pass
        data = thumbnail(self.radiograph(entry).pixels)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError:
            pass  # a folder that cannot be written to only costs time
        return data

    def _thumb_file(self, entry: FilmEntry) -> Path:
        return self.library.own / "thumbs" / f"{entry.key}.jpg"

    def _slab(self, entry: FilmEntry) -> Radiograph:
        """The slab of a CT as a film, for pictures, reports and training sets."""
        pixels = self.cts.as_read(entry)
        sheet = self.cts.sheet(entry)
        assert sheet is not None, "there is no picture without one"
        spacing = sheet.slab.spacing
        values = entry.current.values
        calibration = Calibration((spacing, spacing), "ct")
        return Radiograph(pixels, calibration, "slab", values["sha256"], modality="CT")

    def _ct_places(self, entry: FilmEntry) -> Iterator[Path]:
        """Where a CT may lie: where the reading says, what bears its name, then anything."""
        said = entry.current.values["path"].replace("\\", "/")
        beside = (self.library.folder / entry.summaries[0].file).parent
        yield from self._candidates(said, beside)
        name = PurePosixPath(said).name
        if self._volumes is None:
            self._volumes = [p for folder in self.folders for p in _folders_and_volumes(folder)]
        yield from (p for p in self._volumes if p.name == name)
        yield from (p for p in self._volumes if p.name != name)

    def _keep(self, key: str, film: Radiograph) -> None:
        with self._lock:
            self._cache[key] = film
            while len(self._cache) > 1 and self._size() > _CACHE_BYTES:
                self._cache.popitem(last=False)

    def _size(self) -> int:
        return sum(f.pixels.nbytes for f in self._cache.values())

    def _search(self, entry: FilmEntry) -> Path | None:
        summary = entry.current
        said = summary.values["path"].replace("\\", "/")
        wanted = summary.values["sha256"]
        if self.batch is not None:
            hidden = self.batch.file(said, wanted)
            if hidden is not None:
                self._hidden.add(entry.key)
                return hidden
        beside = (self.library.folder / entry.summaries[0].file).parent
        for path in self._candidates(said, beside):
            if self._is(path, wanted):
                return path
        for path in self._by_name().get(PurePosixPath(said).name, ()):
            if self._is(path, wanted):
                return path
        for export in self.exports:
            unpacked = self.archived.film(export, said)
            if unpacked is not None and self._is(unpacked, wanted):
                return unpacked
        return self._by_hash(wanted)

    def _candidates(self, said: str, beside: Path) -> list[Path]:
        if Path(said).is_absolute():
            return [Path(said)]
        folders = [beside, self.library.folder, self.library.folder.parent, *self.folders]
        return [folder / said for folder in (*folders, Path.cwd())]

    def _by_name(self) -> dict[str, list[Path]]:
        """Files of the film folders by name, listed once."""
        if self._names is None:
            names: dict[str, list[Path]] = {}
            for folder in (*self.folders, self.library.folder, self.library.folder.parent):
                deep = folder in self.folders or folder == self.library.folder
                for path in _files(folder, deep):
                    names.setdefault(path.name, []).append(path)
            self._names = names
        return self._names

    def _by_hash(self, wanted: str) -> Path | None:
        """A film under another name, among the folders that were named."""
        if not wanted:
            return None
        tried = 0
        for paths in self._by_name().values():
            for path in paths:
                inside = any(path.is_relative_to(f) for f in self.folders)
                if not inside or path.suffix.lower() not in _SUFFIXES or tried > _MOST_HASHED:
                    continue
                tried += 1
                if self._is(path, wanted):
                    return path
        return None

    def _is(self, path: Path, wanted: str) -> bool:
        """Whether a file is the film with that hash; one without a hash must be readable."""
        try:
            if not path.is_file():
                return False
            if path not in self._hashes:
                with path.open("rb") as file:
                    self._hashes[path] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return False
        if wanted:
            return self._hashes[path] == wanted
        try:
            read_radiograph(path)
        except EndplateError:
            return False
        return True


def _folders_and_volumes(folder: Path) -> Iterator[Path]:
    """A folder, those below it, and the files in them that may be whole CTs."""
    for place, _, names in os.walk(folder):
        yield Path(place)
        yield from (Path(place, n) for n in sorted(names) if n.lower().endswith(_VOLUMES))


def _read(path: Path) -> Radiograph:
    """The film; errors do not tell where it lies, which may be a patient's name."""
    try:
        return read_radiograph(path)
    except EndplateError as error:
        text = str(error).replace(str(path), "the film")
        raise InputError(text) from None


def pixel_bytes(pixels: npt.NDArray[np.generic]) -> bytes:
    """Row by row, 8 bits, or 16 bits with the low byte first."""
    pixels = np.ascontiguousarray(pixels)
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def thumbnail(pixels: npt.NDArray[np.generic]) -> bytes:
    """JPEG of 144 rows at most, stretched between the 1st and 99th percentile."""
    rows, columns = pixels.shape
    scale = min(1.0, _THUMB_HEIGHT / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    low, high = np.percentile(small, (1, 99))
    grey = np.clip((small - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return data.tobytes()


def _batch_export(folder: Path) -> list[Path]:
    """The export that a batch read, from its manifest."""
    try:
        values = json.loads((folder / "manifest.json").read_bytes())
        export = Path(values["configuration"]["export"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [export] if export.exists() else []


def _files(folder: Path, deep: bool) -> list[Path]:
    if not deep:
        try:
            return [p for p in folder.iterdir() if p.is_file()]
        except OSError:
            return []
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]
