"""The readings of a folder by film, as rows of a list; quick also for ten thousand films."""

import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from endplate.errors import EndplateError, InputError
from endplate.reports.reading_json import read_reading
from endplate.study.reading import READING_SCHEMA, Reading

__all__ = ["REVIEW_FOLDER", "FilmEntry", "Library", "Summary", "summarise"]

#: Subfolder of the results in which the review keeps what it makes.
REVIEW_FOLDER: Final = "review"
_INDEX: Final = "index.json"
_INDEX_FORM: Final = "endplate/review-index/1"
_LARGEST_FILE: Final = 16 * 1024 * 1024
_HEADLINES: Final = ("vertebral_kyphosis_deg", "regional_kyphosis_deg", "max_height_loss_pct")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list needs of one reading.

    Parameters
    ----------
    file : str
        The reading's file below the folder of the library.
    values : dict
        Plain values, see `summarise`.
    """

    file: str
    values: dict[str, Any]

    @property
    def id(self) -> str:
        """Of the reading."""
        return str(self.values["id"])


def summarise(reading: dict[str, Any]) -> dict[str, Any]:
    """The summary of the plain values of a reading.

    Raises
    ------
    KeyError, TypeError
        If fields are missing; such a file is no reading.
    """
    source, reader = reading["source"], reading["reader"]
    by_level: dict[str, dict[str, float]] = defaultdict(dict)
    for m in reading["measurements"]:
        if m["name"] in _HEADLINES and isinstance(m["value"], int | float):
            by_level[m["level"]][m["name"]] = m["value"]
    level = max(by_level, key=lambda x: by_level[x].get("max_height_loss_pct", -1e9), default="")
    worst = by_level.get(level, {})
    levels = [v["level"] for v in reading["vertebrae"]]
    return {
        "id": str(reading["id"]),
        "parent": reading.get("parent") or "",
        "created": str(reading["created"]),
        "kind": str(reader["kind"]),
        "reader": str(reader.get("name") or ""),
        "path": str(source["path"]),
        "sha256": str(source.get("sha256") or ""),
        "modality": str(source.get("modality") or ""),
        "subject": str(source.get("patient_id") or ""),
        "date": str(source.get("study_date") or ""),
        "position": str(source.get("position") or ""),
        "status": str(reading["quality"]["status"]),
        "reasons": [str(r["code"]) for r in reading["quality"]["reasons"]],
        "levels": [str(levels[0]), str(levels[-1])] if levels else [],
        "count": len(levels),
        "worst": level if worst.get("max_height_loss_pct", 0.0) >= 20.0 else "",
        "kyphosis": worst.get("vertebral_kyphosis_deg"),
        "loss": worst.get("max_height_loss_pct"),
    }


@dataclass
class FilmEntry:
    """One film with all its readings, the first made first."""

    key: str
    summaries: list[Summary] = field(default_factory=list)

    @property
    def current(self) -> Summary:
        """The reading that counts: of those that nobody superseded a person's, the last made."""
        parents = {s.values["parent"] for s in self.summaries}
        leaves = [s for s in self.summaries if s.id not in parents] or self.summaries
        return max(leaves, key=lambda s: (s.values["kind"] == "person", s.values["created"]))

    @property
    def root(self) -> Summary:
        """The reading that the one that counts goes back to, whose picture the points lie on."""
        by_id = {s.id: s for s in self.summaries}
        found = self.current
        for _ in self.summaries:
            found = by_id.get(found.values["parent"], found)
        return found

    @property
    def is_ct(self) -> bool:
        """Whether what was read is the slab of a CT."""
        return bool(self.summaries[0].values["modality"] == "CT")

    @property
    def is_signed(self) -> bool:
        """Whether a person's reading counts."""
        return bool(self.current.values["kind"] == "person")

    def row(self) -> dict[str, Any]:
        """What the list shows of it."""
        values = self.current.values
        hidden = ("path", "sha256", "parent", "id", "kind")
        shown = {k: v for k, v in values.items() if k not in hidden}
        name = values["path"].replace("\\", "/").rpartition("/")[2]
        return {"key": self.key, "name": name, "signed": self.is_signed, **shown}


class Library:
    """All readings below a folder, grouped by film.

    Parameters
    ----------
    folder : Path
        Of ``endplate score`` or ``endplate batch``.

    Raises
    ------
    InputError
        If there is no such folder, or no reading in it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        self.folder = folder.resolve()
        self.own = self.folder / REVIEW_FOLDER
        self._films: dict[str, FilmEntry] = {}
        self._lock = threading.Lock()
        self._version = 0
        self._rows: tuple[int, bytes] = (-1, b"")
        known = self._load_index()
        fresh: dict[str, list[Any]] = {}
        for summary, stamp in self._scan(known):
            fresh[summary.file] = [*stamp, summary.values]
            self._add(summary)
        if not self._films:
            raise InputError(
                f"{folder}: holds no readings; make some with endplate score FILM... -o {folder}"
            )
        if fresh != known:
            self._save_index(fresh)

    def __len__(self) -> int:
        return len(self._films)

    def keys(self) -> tuple[str, ...]:
        """Of all films."""
        with self._lock:
            return tuple(self._films)

    def entry(self, key: str) -> FilmEntry | None:
        """The film of that key; keys are looked up, never turned into paths."""
        return self._films.get(key)

    def entries(self) -> tuple[FilmEntry, ...]:
        """All films."""
        with self._lock:
            return tuple(self._films.values())

    def reading(self, summary: Summary) -> Reading:
        """The whole reading.

        Raises
        ------
        InputError
            If its file breaks the format or is gone.
        """
        return read_reading(self.folder / summary.file)

    def add(self, file: Path, values: dict[str, Any]) -> FilmEntry:
        """Take in a reading that was just written."""
        name = file.resolve().relative_to(self.folder).as_posix()
        return self._add(Summary(name, summarise(values)))

    def rows_json(self) -> bytes:
        """All rows as JSON, flagged films first; made once until something changes."""
        with self._lock:
            if self._rows[0] != self._version:
                rows = sorted((e.row() for e in self._films.values()), key=_rank)
                text = json.dumps({"films": rows}, ensure_ascii=False, separators=(",", ":"))
                self._rows = (self._version, text.encode())
            return self._rows[1]

    def _add(self, summary: Summary) -> FilmEntry:
        values = summary.values
        name = values["sha256"] or f"{values['subject']}\0{values['path']}"
        key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:20]
        with self._lock:
            entry = self._films.setdefault(key, FilmEntry(key))
            if all(s.id != summary.id for s in entry.summaries):
                # A new list, so that who reads the old one is not disturbed.
                entry.summaries = sorted(
                    [*entry.summaries, summary], key=lambda s: str(s.values["created"])
                )
            self._version += 1
        return entry

    def _scan(self, known: dict[str, list[Any]]) -> Iterator[tuple[Summary, tuple[int, int]]]:
        for path in _json_files(self.folder):
            name = path.relative_to(self.folder).as_posix()
            try:
                about = path.stat()
                stamp = (about.st_mtime_ns, about.st_size)
                before = known.get(name)
                if before is not None and tuple(before[:2]) == stamp:
                    yield Summary(name, before[2]), stamp
                    continue
                values = None if stamp[1] > _LARGEST_FILE else json.loads(path.read_bytes())
            except (OSError, ValueError, RecursionError):
                continue  # not one of our files, or gone
            if isinstance(values, dict) and values.get("schema") == READING_SCHEMA:
                try:
                    yield Summary(name, summarise(values)), stamp
                except (KeyError, TypeError, AttributeError):
                    continue

    def _load_index(self) -> dict[str, list[Any]]:
        """Summaries by file with time and size, from the last start."""
        try:
            values = json.loads((self.own / _INDEX).read_bytes())
            if values["schema"] != _INDEX_FORM:
                return {}
            known: dict[str, list[Any]] = values["files"]
            for _, _, summary in known.values():
                _check(summary)
            return known
        except (OSError, ValueError, KeyError, TypeError, EndplateError):
            return {}

    def _save_index(self, files: dict[str, list[Any]]) -> None:
        try:
            self.own.mkdir(exist_ok=True)
            draft = self.own / f"{_INDEX}.new"
            draft.write_text(json.dumps({"schema": _INDEX_FORM, "files": files}), "utf-8")
            draft.replace(self.own / _INDEX)
        except OSError as error:
            raise InputError(f"{self.own}: cannot be written to: {error.strerror}") from error


def _check(summary: dict[str, Any]) -> None:
    if not {"id", "parent", "created", "kind", "path", "sha256", "subject"} <= set(summary):
        raise InputError("the index is of another version")


def _json_files(folder: Path) -> Iterable[Path]:
    """JSON files below a folder, those of the review only where they are signed readings."""
    for place, folders, files in os.walk(folder):
        if Path(place) == folder / REVIEW_FOLDER:
            folders[:] = [f for f in folders if f == "readings"]
            continue
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            if name.endswith(".json"):
                yield Path(place, name)


_ORDER: Final = {"flagged": 0, "rejected": 1, "accepted": 2}


def _rank(row: dict[str, Any]) -> tuple[bool, int, str, str, str]:
    """What is still to do first, and of that what was flagged."""
    status = _ORDER.get(row["status"], 3)
    return (row["signed"], status, row["subject"], row["date"], row["name"])
