"""What a node has received and still has to score or to send; survives restarts.

One SQLite file holds a row for each received film and one for each result that goes to each
destination. A film's file is in place before its row is, and its row before the sender is told
that it was taken, so that nothing that was acknowledged is lost.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from endplate.errors import InputError

__all__ = ["FilmEntry", "NodeQueue", "Outgoing"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS films (
    sop_uid TEXT PRIMARY KEY, study_uid TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL,
    received REAL NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS films_by_state ON films (state, study_uid);
CREATE TABLE IF NOT EXISTS outgoing (
    id INTEGER PRIMARY KEY, sop_uid TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL,
    destination TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL, message TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS outgoing_by_state ON outgoing (state, due);
"""
#: A film that took the process down with it so often is not tried again.
_MAX_SCORING_TRIES: Final = 3
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 3600.0


@dataclass(frozen=True, slots=True)
class FilmEntry:
    """A film in the queue. `state` is ``waiting``, ``done``, ``rejected`` or ``failed``."""

    sop_uid: str
    study_uid: str
    path: Path
    state: str
    message: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A result on its way. `state` is ``waiting``, ``sent``, ``failed`` or ``kept``."""

    id: int
    sop_uid: str
    path: Path
    destination: str
    state: str
    tries: int
    message: str


class NodeQueue:
    """The queue; may be used from several threads.

    Parameters
    ----------
    path : Path
        The SQLite file.

    Raises
    ------
    InputError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._rebase(path.absolute().parent)
        except sqlite3.Error as error:
            raise InputError(f"{path}: the queue cannot be opened ({error})") from error

    def _rebase(self, folder: Path) -> None:
        """Let paths begin with the folder of the queue, whatever it was called when they came."""
        with self._transaction() as db:
            for table in ("films", "outgoing"):
                rows = db.execute(f"SELECT DISTINCT path FROM {table}").fetchall()
                for (old,) in rows:
                    new = folder / Path(old).parent.name / Path(old).name
                    if str(new) != old and not Path(old).is_absolute():
                        db.execute(f"UPDATE {table} SET path = ? WHERE path = ?", (str(new), old))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._db:
            yield self._db

    def add(self, sop_uid: str, study_uid: str, path: Path, size: int, now: float) -> None:
        """A film has come. One that was scored already is not scored again."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO films (sop_uid, study_uid, path, bytes, received, state)"
                " VALUES (?, ?, ?, ?, ?, 'waiting') ON CONFLICT (sop_uid) DO UPDATE SET"
                " study_uid = excluded.study_uid, path = excluded.path, bytes = excluded.bytes,"
                " received = excluded.received, state = 'waiting', tries = 0, message = ''",
                (sop_uid, study_uid, str(path), size, now),
            )

    def has_result(self, sop_uid: str) -> bool:
        """Whether this film was read already."""
        with self._lock:
            row = self._db.execute(
                "SELECT state FROM films WHERE sop_uid = ?", (sop_uid,)
            ).fetchone()
        return row is not None and row[0] in ("done", "rejected")

    def ready(self, now: float, quiet_seconds: float) -> list[FilmEntry]:
        """Waiting films of the studies of which nothing has come for `quiet_seconds`."""
        return self._films(
            "state = 'waiting' AND study_uid NOT IN"
            " (SELECT study_uid FROM films WHERE state = 'waiting' AND received > ?)"
            " ORDER BY received, sop_uid",
            (now - quiet_seconds,),
        )

    def films(self) -> list[FilmEntry]:
        """All films that are known."""
        return self._films("1 ORDER BY received, sop_uid", ())

    def _films(self, condition: str, values: Sequence[object]) -> list[FilmEntry]:
        with self._lock:
            rows = self._db.execute(
                f"SELECT sop_uid, study_uid, path, state, message FROM films WHERE {condition}",
                values,
            ).fetchall()
        return [FilmEntry(r[0], r[1], Path(r[2]), r[3], r[4]) for r in rows]

    def begin(self, sop_uid: str) -> bool:
        """Count a try of scoring a film; False: it has been tried too often, and has failed."""
        with self._transaction() as db:
            db.execute("UPDATE films SET tries = tries + 1 WHERE sop_uid = ?", (sop_uid,))
            row = db.execute("SELECT tries FROM films WHERE sop_uid = ?", (sop_uid,)).fetchone()
            return row is not None and int(row[0]) <= _MAX_SCORING_TRIES

    def finish(
        self,
        sop_uid: str,
        state: str,
        message: str,
        results: Iterable[tuple[Path, int]] = (),
        destinations: Sequence[str] = (),
        now: float = 0.0,
    ) -> None:
        """A film was dealt with; its results, each with its size, are to be sent."""
        with self._transaction() as db:
            db.execute(
                "UPDATE films SET state = ?, message = ? WHERE sop_uid = ?",
                (state, message[:500], sop_uid),
            )
            rows = [
                (sop_uid, str(path), size, to, "waiting" if to else "kept", now)
                for path, size in results
                for to in (destinations or ("",))
            ]
            db.executemany(
                "INSERT INTO outgoing (sop_uid, path, bytes, destination, state, due)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def due(self, now: float) -> list[Outgoing]:
        """Results that are to be sent now."""
        return self._outgoing("state = 'waiting' AND due <= ? ORDER BY id", (now,))

    def outgoing(self) -> list[Outgoing]:
        """All results that are known."""
        return self._outgoing("1 ORDER BY id", ())

    def _outgoing(self, condition: str, values: Sequence[object]) -> list[Outgoing]:
        with self._lock:
            rows = self._db.execute(
                "SELECT id, sop_uid, path, destination, state, tries, message FROM outgoing"
                f" WHERE {condition}",
                values,
            ).fetchall()
        return [Outgoing(r[0], r[1], Path(r[2]), *r[3:]) for r in rows]

    def sent(self, entry: Outgoing) -> bool:
        """A result has arrived. True: at all its destinations, so its file may go."""
        with self._transaction() as db:
            db.execute("UPDATE outgoing SET state = 'sent', message = '' WHERE id = ?", (entry.id,))
            (left,) = db.execute(
                "SELECT COUNT(*) FROM outgoing WHERE path = ? AND state != 'sent'",
                (str(entry.path),),
            ).fetchone()
        return int(left) == 0

    def postpone(self, entry: Outgoing, message: str, now: float, max_tries: int) -> None:
        """A result could not be sent: it is tried again after a pause twice as long each time,
        or has failed for good.
        """
        tries = entry.tries + 1
        pause = min(_FIRST_PAUSE * 2.0 ** (tries - 1), _LONGEST_PAUSE)
        state = "failed" if tries >= max_tries else "waiting"
        with self._transaction() as db:
            db.execute(
                "UPDATE outgoing SET state = ?, tries = ?, due = ?, message = ? WHERE id = ?",
                (state, tries, now + pause, message[:500], entry.id),
            )

    def used_bytes(self) -> int:
        """Size of the files that have not been done away with."""
        with self._lock:
            (films,) = self._db.execute(
                "SELECT COALESCE(SUM(bytes), 0) FROM films WHERE state IN ('waiting', 'failed')"
            ).fetchone()
            (results,) = self._db.execute(
                "SELECT COALESCE(SUM(bytes), 0) FROM"
                " (SELECT MAX(bytes) AS bytes FROM outgoing WHERE state != 'sent' GROUP BY path)"
            ).fetchone()
        return int(films) + int(results)

    def paths(self) -> set[Path]:
        """Files that rows still speak of."""
        with self._lock:
            rows = self._db.execute(
                "SELECT path FROM films WHERE state IN ('waiting', 'failed')"
                " UNION SELECT path FROM outgoing WHERE state != 'sent'"
            ).fetchall()
        return {Path(r[0]) for r in rows}

    def oldest_failed(self) -> FilmEntry | None:
        """The film that failed first, and could make room."""
        found = self._films("state = 'failed' AND bytes > 0 ORDER BY received LIMIT 1", ())
        return found[0] if found else None

    def forget_file(self, sop_uid: str) -> None:
        """The file of a film was deleted."""
        with self._transaction() as db:
            db.execute("UPDATE films SET bytes = 0 WHERE sop_uid = ?", (sop_uid,))

    def forget_before(self, time: float) -> None:
        """Rows of films dealt with before `time`, and of results that were sent, are dropped."""
        with self._transaction() as db:
            db.execute(
                "DELETE FROM films WHERE received < ? AND state IN ('done', 'rejected')", (time,)
            )
            db.execute("DELETE FROM outgoing WHERE due < ? AND state = 'sent'", (time,))
