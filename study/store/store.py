"""The store of what is known: subjects, studies, images, readings and their measurements.

SQLite by default, PostgreSQL by its URL. Several processes may write at once: whatever is there
already is left as it is, and a whole batch of readings arrives or none of it.
"""

import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError, MissingDependency
from endplate.study.reading import Reading
from endplate.study.serialise import reading_from_dict, reading_to_dict

try:
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.dialects import postgresql, sqlite

    from endplate.study.store.tables import IMAGE, MEASUREMENT, READING, RUN, STUDY, SUBJECT
except ModuleNotFoundError as missing:
    raise MissingDependency(missing.name or "sqlalchemy", "store", "the store") from missing

__all__ = ["Filed", "Store", "open_store"]

#: Seconds that a writer waits for another one.
_PATIENCE: Final = 120
#: Number that stands for "endplate is changing the tables" among the locks of PostgreSQL.
_MIGRATION_LOCK: Final = 0x656E6470
_VERSION: Final = "0002"


@dataclass(frozen=True, slots=True)
class Filed:
    """A reading to be stored, or that was.

    Parameters
    ----------
    reading : Reading
    chosen : bool
        Whether its image is the one of its study to measure.
    values : mapping, optional
        The plain values of the reading (`reading_to_dict`), where they are at hand.
    """

    reading: Reading
    chosen: bool = True
    values: Mapping[str, Any] | None = None


def open_store(where: str | Path) -> "Store":
    """Open a store; it is made, or brought up to date, if needed.

    Parameters
    ----------
    where : str or Path
        File of an SQLite database, or a URL such as ``postgresql+psycopg://host/spine``.

    Raises
    ------
    InputError
        If there is no such database, or it was made by a later version of endplate.
    MissingDependency
        If the driver of the database is not installed.
    """
    text = str(where)
    url = text if "://" in text else f"sqlite:///{Path(text).absolute()}"
    shown = text
    try:
        address = sa.make_url(url)
        shown = address.render_as_string(hide_password=True)
        if address.get_backend_name() not in ("sqlite", "postgresql"):
            raise InputError(f"{shown}: expected a database of SQLite or PostgreSQL")
        engine = sa.create_engine(address, connect_args=_arguments(address))
    except sa.exc.ArgumentError as error:
        raise InputError(f"{shown}: no URL of a database ({error})") from None
    except ModuleNotFoundError as error:
        extra = "store-postgresql" if text.startswith("postgresql") else "store"
        raise MissingDependency(error.name or "driver", extra, shown) from None
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    try:
        _migrate(engine, shown)
    except sa.exc.SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
        raise InputError(f"{shown}: the store cannot be opened ({reason})") from error
    return Store(engine)


class Store:
    """An open store. `close` it, or use it as a context manager."""

    def __init__(self, engine: "sa.Engine") -> None:
        self.engine = engine

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def add_run(self, run: str, created: str, manifest: Mapping[str, Any]) -> None:
        """Note a run, unless it is there."""
        row = {"id": run, "created": created, "manifest": dict(manifest)}
        with self._writing() as connection:
            self._insert(connection, RUN, [row])

    def add(self, filed: Iterable[Filed], run: str | None = None) -> int:
        """Store readings, all or none; those that are there already are left.

        Parameters
        ----------
        filed : iterable of Filed
        run : str or None
            The run that made them, noted before.

        Returns
        -------
        int
            How many were new.
        """
        batch = list(filed)
        if not batch:
            return 0
        with self._writing() as connection:
            there = self._there(connection, [f.reading.id for f in batch])
            new = list({f.reading.id: f for f in batch if f.reading.id not in there}.values())
            self._insert(connection, SUBJECT, [{"name": _subject(f.reading)} for f in new])
            self._insert(connection, STUDY, [_study_row(f.reading) for f in new])
            self._insert(connection, IMAGE, [_image_row(f.reading) for f in new])
            self._insert(connection, READING, [_reading_row(f, run) for f in new])
            rows = [row for f in new for row in _measurement_rows(f.reading)]
            self._insert(connection, MEASUREMENT, rows)
        return len(new)

    def readings(
        self,
        *,
        subject: str | None = None,
        study: str | None = None,
        chosen: bool | None = None,
        run: str | None = None,
    ) -> Iterator[Filed]:
        """Readings by subject, study date and id; of all that match."""
        query = (
            sa.select(READING.c.content, READING.c.chosen)
            .join(IMAGE, READING.c.image == IMAGE.c.sha256)
            .join(STUDY, IMAGE.c.study == STUDY.c.uid)
            .order_by(STUDY.c.subject, STUDY.c.date, READING.c.id)
        )
        for column, value in (
            (STUDY.c.subject, subject),
            (STUDY.c.uid, study),
            (READING.c.chosen, chosen),
            (READING.c.run, run),
        ):
            if value is not None:
                query = query.where(column == value)
        with self.engine.connect().execution_options(yield_per=200) as connection:
            for content, is_chosen in connection.execute(query):
                yield Filed(reading_from_dict(content, "store"), is_chosen)

    def counts(self) -> dict[str, int]:
        """Number of rows of each table."""
        with self.engine.connect() as connection:
            return {
                table.name: connection.execute(
                    sa.select(sa.func.count()).select_from(table)
                ).scalar_one()
                for table in (SUBJECT, STUDY, IMAGE, RUN, READING, MEASUREMENT)
            }

    def _there(self, connection: "sa.Connection", ids: list[str]) -> set[str]:
        """Which readings are stored already."""
        found: set[str] = set()
        for i in range(0, len(ids), 500):
            query = sa.select(READING.c.id).where(READING.c.id.in_(ids[i : i + 500]))
            found.update(connection.execute(query).scalars())
        return found

    def _insert(
        self, connection: "sa.Connection", table: "sa.Table", rows: list[dict[str, Any]]
    ) -> None:
        """Insert rows, leaving those that are there. In order of their keys, so that two writers
        never wait for one another in a circle.
        """
        if not rows:
            return
        if table is not MEASUREMENT:  # which has no texts from headers
            rows = [{name: _storable(value) for name, value in row.items()} for row in rows]
        keys = [column.name for column in table.primary_key]
        rows = sorted(rows, key=lambda row: tuple(str(row[k]) for k in keys))
        insert = sqlite.insert if self.engine.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(table).on_conflict_do_nothing(), rows)

    @contextmanager
    def _writing(self) -> Iterator["sa.Connection"]:
        """A transaction that writes; errors of the database become sentences."""
        try:
            with self.engine.begin() as connection:
                if self.engine.dialect.name == "sqlite":
                    # From the start: a reading transaction that wants to write later may fail.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except sa.exc.SQLAlchemyError as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
            raise InputError(f"the store cannot be written to ({reason})") from error


def _arguments(address: "sa.URL") -> dict[str, Any]:
    if address.get_backend_name() == "sqlite":
        return {"timeout": _PATIENCE, "isolation_level": None}
    return {}


def _prepare_sqlite(engine: "sa.Engine") -> None:
    """Readers go on while somebody writes, and references are checked."""

    def prepare(connection: sqlite3.Connection, record: object) -> None:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    sa.event.listen(engine, "connect", prepare)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. SQLite does not wait here for whoever does it just now."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)


def _migrate(engine: "sa.Engine", shown: str) -> None:
    """Bring the tables up to date, one process at a time."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        found = MigrationContext.configure(connection).get_current_revision()
        if found == _VERSION:
            return
        if found is not None and found > _VERSION:
            raise InputError(f"{shown}: was made by a later version of endplate ({found})")
        config = Config()
        place = files("endplate.study.store").joinpath("migrations")
        config.set_main_option("script_location", str(place).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _study(reading: Reading) -> str:
    return reading.source.study_uid or f"image {reading.source.sha256}"


def _subject(reading: Reading) -> str:
    return reading.source.patient_id or _study(reading)


def _study_row(reading: Reading) -> dict[str, Any]:
    return {
        "uid": _study(reading),
        "subject": _subject(reading),
        "date": reading.source.study_date,
    }


def _image_row(reading: Reading) -> dict[str, Any]:
    source = reading.source
    return {
        "sha256": source.sha256,
        "study": _study(reading),
        "instance_uid": source.instance_uid,
        "series_uid": source.series_uid,
        "path": source.path,
        "modality": source.modality,
        "rows": source.rows,
        "columns": source.columns,
    }


def _reading_row(filed: Filed, run: str | None) -> dict[str, Any]:
    reading = filed.reading
    return {
        "id": reading.id,
        "image": reading.source.sha256,
        "parent": reading.parent,
        "run": run,
        "created": reading.created,
        "reader": reading.reader.name,
        "reader_version": reading.reader.version,
        "reader_sha256": reading.reader.sha256,
        "status": reading.quality.status,
        "view": reading.source.view,
        "position": reading.source.position,
        "calibration": reading.calibration.source,
        "chosen": filed.chosen,
        "content": reading_to_dict(reading) if filed.values is None else dict(filed.values),
    }


def _measurement_rows(reading: Reading) -> Iterator[dict[str, Any]]:
    for place, m in enumerate(reading.measurements):
        low, high = m.interval90
        yield {
            "reading": reading.id,
            "place": place,
            "name": m.name,
            "level": m.level,
            "between": " ".join(m.between),
            "value": _number(m.value),
            "unit": m.unit,
            "se": _number(m.se),
            "low90": _number(low),
            "high90": _number(high),
            "flags": " ".join(m.flags),
        }


def _storable(value: Any) -> Any:
    """A text without the one character that PostgreSQL has not."""
    return value.replace("\0", "") if isinstance(value, str) else value


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
