"""The journal of a batch: what is in the export and what became of each file.

It is an SQLite database beside the results. A batch may be killed at any point: whatever the
journal says is done is done, and whatever it does not say is done again to the same effect.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError
from endplate.imaging.scan import ScanPosition
from endplate.imaging.scan_entry import Entry, Fault
from endplate.infer.batch.task import UNREACHABLE, Outcome, Task

__all__ = ["Journal", "Line"]

_FORM: Final = "endplate/batch-journal/2"
_AT_ONCE: Final = 500
_SCANNED_AT_ONCE: Final = 200
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    file TEXT NOT NULL,
    size INTEGER NOT NULL,
    kind TEXT NOT NULL,
    instance TEXT NOT NULL DEFAULT '',
    header TEXT,
    state TEXT NOT NULL,
    code TEXT NOT NULL DEFAULT '',
    sentence TEXT NOT NULL DEFAULT '',
    film TEXT
);
CREATE INDEX IF NOT EXISTS entry_state ON entry (state, number);
CREATE INDEX IF NOT EXISTS entry_instance ON entry (instance, number) WHERE instance <> '';
"""

_INSERT: Final = (
    "INSERT INTO entry (number, path, file, size, kind, instance, header, state, code, sentence)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What the journal says of one file.

    `state` is ``container`` (an opened archive), ``left`` (left out, see `code`), ``waiting``,
    ``copy`` (of an instance that another file holds), ``failed`` (see `code`) or ``read``;
    `header` and `film` are as in `Entry` and `Outcome`, None where there is none.
    """

    number: int
    path: str
    state: str
    code: str
    sentence: str
    instance: str
    header: dict[str, Any] | None
    film: dict[str, Any] | None


class Journal:
    """The journal in a file; one process writes it.

    Parameters
    ----------
    path : Path
        Made if it does not exist.

    Raises
    ------
    InputError
        If the file is no journal, or another process is writing it.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=2.0)
            # Exclusive: two batches on one folder would undo one another.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_TABLES)
            with self._db:
                self._db.execute(
                    "INSERT OR IGNORE INTO about VALUES ('form', ?)", (json.dumps(_FORM),)
                )
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise InputError(f"{path.parent}: another batch is running there") from None
            raise InputError(f"{path}: the journal cannot be opened ({error})") from None
        except (sqlite3.DatabaseError, OSError) as error:
            raise InputError(f"{path}: is no journal of a batch ({error})") from None
        if self.about("form") != _FORM:
            raise InputError(f"{path}: was written by another version of endplate")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def about(self, name: str) -> Any:
        """A noted value, None if there is none."""
        row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, name: str, value: Any) -> None:
        """Note a plain value."""
        with self._db:
            self._note(name, value)

    def _note(self, name: str, value: Any) -> None:
        """Note a value within a transaction."""
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, json.dumps(value)))

    def scan_position(self) -> ScanPosition:
        """How far the scan is: at its beginning if there was none."""
        return ScanPosition(**(self.about("scan position") or {}))

    def record_scan(
        self,
        scanned: Iterable[tuple[Entry, Fault | None]],
        position: ScanPosition | None = None,
    ) -> None:
        """Record a scan from where it was interrupted to its end.

        Of files that hold the same DICOM instance, the first waits and the others are copies.

        Parameters
        ----------
        position : ScanPosition, optional
            Of the scan, which keeps it up to date: from there it can go on.
        """
        (number,) = self._db.execute("SELECT count(*) FROM entry").fetchone()
        source = iter(scanned)
        while some := list(islice(source, _SCANNED_AT_ONCE)):
            with self._db:
                self._db.executemany(
                    _INSERT,
                    (_row(i, e, fault) for i, (e, fault) in enumerate(some, number + 1)),
                )
                if position is not None:
                    self._note("scan position", asdict(position))
            number += len(some)
        with self._db:
            self._db.execute(
                "UPDATE entry SET state = 'copy' WHERE state = 'waiting' AND instance <> '' AND"
                " EXISTS (SELECT 1 FROM entry AS other WHERE other.instance = entry.instance"
                " AND other.state IN ('waiting', 'copy') AND other.number < entry.number)"
            )
            self._note("scanned", True)

    def waiting(self) -> Iterator[Task]:
        """Films to read, in the order of the scan; also those that come to wait meanwhile."""
        last = 0
        while True:
            rows = self._db.execute(
                "SELECT number, path, file FROM entry WHERE state = 'waiting' AND number > ?"
                f" ORDER BY number LIMIT {_AT_ONCE}",
                (last,),
            ).fetchall()
            if not rows:
                return
            for row in rows:
                yield Task(*row)
            last = rows[-1][0]

    def lacking_results(self, kinds: Sequence[str]) -> Iterator[Task]:
        """Films that were read and not rejected, and not yet asked for all DICOM results."""
        last = 0
        while True:
            rows = self._db.execute(
                "SELECT number, path, file, film FROM entry WHERE state = 'read' AND number > ?"
                f" ORDER BY number LIMIT {_AT_ONCE}",
                (last,),
            ).fetchall()
            if not rows:
                return
            for number, path, file, text in rows:
                film = json.loads(text)
                asked = film.get("dicom", {}).get("asked", ())
                if film["status"] != "rejected" and not set(kinds) <= set(asked):
                    yield Task(number, path, file, again=True)
            last = rows[-1][0]

    def record_results(self, outcome: Outcome, kinds: Sequence[str]) -> None:
        """Record what became of the DICOM results of a film that was read before."""
        (text,) = self._db.execute(
            "SELECT film FROM entry WHERE number = ?", (outcome.number,)
        ).fetchone()
        film = json.loads(text)
        if outcome.film is not None:
            given = outcome.film["dicom"]
        else:
            asked = [] if outcome.code == UNREACHABLE else list(kinds)
            given = {"asked": asked, "written": [], "note": outcome.sentence}
        before = film.get("dicom", {"asked": [], "written": []})
        for name in ("asked", "written"):
            given[name] = sorted({*before[name], *given[name]})
        film["dicom"] = given
        with self._db:
            self._db.execute(
                "UPDATE entry SET film = ? WHERE number = ?", (json.dumps(film), outcome.number)
            )

    def files_below(self, folder: str, *states: str) -> Iterator[tuple[str, int]]:
        """Files in a folder, with their sizes, of the lines in some states."""
        marks = ", ".join("?" * len(states))
        yield from self._db.execute(
            f"SELECT file, size FROM entry WHERE state IN ({marks}) AND substr(file, 1, ?) = ?",
            (*states, len(folder) + 1, f"{folder}/"),
        )

    def record(self, outcome: Outcome) -> None:
        """Record what became of a film. Where it failed, the next copy of it waits."""
        with self._db:
            if outcome.film is not None:
                self._db.execute(
                    "UPDATE entry SET state = 'read', film = ? WHERE number = ?",
                    (json.dumps(outcome.film), outcome.number),
                )
                return
            self._db.execute(
                "UPDATE entry SET state = 'failed', code = ?, sentence = ? WHERE number = ?",
                (outcome.code, outcome.sentence, outcome.number),
            )
            self._db.execute(
                "UPDATE entry SET state = 'waiting' WHERE number = (SELECT min(number) FROM entry"
                " WHERE state = 'copy' AND instance = (SELECT instance FROM entry"
                " WHERE number = ? AND instance <> ''))",
                (outcome.number,),
            )

    def try_unreachable_again(self) -> None:
        """Films whose files could not be reached wait again, unless a copy was read instead."""
        rows = self._db.execute(
            "SELECT number, instance FROM entry WHERE state = 'failed' AND code = ?"
            " ORDER BY number",
            (UNREACHABLE,),
        ).fetchall()
        with self._db:
            for number, instance in rows:
                (others,) = self._db.execute(
                    "SELECT count(*) FROM entry WHERE instance = ? AND instance <> ''"
                    " AND state IN ('read', 'waiting')",
                    (instance,),
                ).fetchone()
                self._db.execute(
                    "UPDATE entry SET state = ?, code = '', sentence = '' WHERE number = ?",
                    ("copy" if others else "waiting", number),
                )

    def left_for(self, codes: Sequence[str]) -> list[tuple[int, str]]:
        """Numbers and paths of the files that the scan left out for some reasons."""
        marks = ", ".join("?" * len(codes))
        return self._db.execute(
            f"SELECT number, path FROM entry WHERE state = 'left' AND code IN ({marks})"
            " ORDER BY number",
            tuple(codes),
        ).fetchall()

    def replace(self, number: int, seen: Sequence[tuple[Entry, Fault | None]]) -> None:
        """Put what was seen at a second look in the place of a line; further files come last.

        Of an instance that is read or waits already, they are copies.
        """
        if not seen:
            return
        (last,) = self._db.execute("SELECT max(number) FROM entry").fetchone()
        numbers = [number, *range(last + 1, last + len(seen))]
        with self._db:
            self._db.execute("DELETE FROM entry WHERE number = ?", (number,))
            for at, (entry, fault) in zip(numbers, seen, strict=True):
                self._db.execute(_INSERT, _row(at, entry, fault))
                self._db.execute(
                    "UPDATE entry SET state = 'copy' WHERE number = ? AND state = 'waiting' AND"
                    " instance <> '' AND EXISTS (SELECT 1 FROM entry AS other WHERE"
                    " other.instance = entry.instance AND other.number <> entry.number"
                    " AND other.state IN ('read', 'waiting'))",
                    (at,),
                )

    def counts(self) -> Counter[str]:
        """Number of files by state."""
        rows = self._db.execute("SELECT state, count(*) FROM entry GROUP BY state")
        return Counter(dict(rows.fetchall()))

    def lines(self, *states: str) -> Iterator[Line]:
        """What became of every file, or of those in some states, in the order of the scan."""
        last, marks = 0, ", ".join("?" * len(states))
        chosen = f"state IN ({marks}) AND" if states else ""
        while True:
            rows = self._db.execute(
                "SELECT number, path, state, code, sentence, instance, header, film FROM entry"
                f" WHERE {chosen} number > ? ORDER BY number LIMIT {_AT_ONCE}",
                (*states, last),
            ).fetchall()
            if not rows:
                return
            for row in rows:
                number, path, state, code, sentence, instance, header, film = row
                header, film = _loaded(header), _loaded(film)
                yield Line(number, path, state, code, sentence, instance, header, film)
            last = rows[-1][0]


def _row(number: int, entry: Entry, fault: Fault | None) -> tuple[Any, ...]:
    """A file of the scan as a row."""
    code, sentence, state = "", "", "waiting"
    if fault is not None:
        code, sentence, state = fault.code, fault.sentence, "left"
    elif entry.kind == "container":
        state = "container"
    header = instance = None
    if entry.header is not None and state == "waiting":
        header, instance = json.dumps(asdict(entry.header)), entry.header.instance_uid
    return (
        *(number, entry.path, entry.file, entry.size, entry.kind, instance or "", header),
        *(state, code, sentence),
    )


def _loaded(text: str | None) -> dict[str, Any] | None:
    """Plain values of a JSON column."""
    if text is None:
        return None
    values: dict[str, Any] = json.loads(text)
    return values
