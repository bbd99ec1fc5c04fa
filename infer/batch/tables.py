"""Tables of a batch: measurements (CSV, Parquet), films, and what was left out and why."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from endplate.infer.batch.settle import Verdict
from endplate.study.reading import Reading

__all__ = ["COLUMNS", "MeasurementTable", "have_parquet", "measurement_rows", "write_table"]

#: Columns of the table of measurements, with their kinds.
COLUMNS: Final[dict[str, type]] = {
    "file": int,
    "path": str,
    "subject": str,
    "study_uid": str,
    "instance_uid": str,
    "study_date": str,
    "position": str,
    "measured": bool,
    "status": str,
    "reasons": str,
    "reading": str,
    "calibration": str,
    "name": str,
    "level": str,
    "between": str,
    "value": float,
    "unit": str,
    "se": float,
    "low90": float,
    "high90": float,
    "flags": str,
}
_ROWS_OF_A_GROUP: Final = 50_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def measurement_rows(verdict: Verdict, reading: Reading) -> Iterator[dict[str, Any]]:
    """A row for each measurement of a film. Missing numbers are None."""
    source = reading.source
    film = {
        "file": verdict.line.number,
        "path": source.path,
        "subject": source.patient_id,
        "study_uid": source.study_uid,
        "instance_uid": source.instance_uid,
        "study_date": source.study_date,
        "position": source.position or "",
        "measured": verdict.outcome == "measured",
        "status": reading.quality.status,
        "reasons": " ".join(r.code for r in reading.quality.reasons),
        "reading": reading.id,
        "calibration": reading.calibration.source,
    }
    for m in reading.measurements:
        low, high = m.interval90
        yield {
            **film,
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


def have_parquet() -> bool:
    """Whether the extra ``parquet`` is installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        return False
    return True


class MeasurementTable:
    """Writes the table of measurements as CSV and, where pyarrow is installed, as Parquet.

    A context manager: the files are complete when it is left.

    Parameters
    ----------
    folder : Path
        Gets ``measurements.csv`` and ``measurements.parquet``.
    parquet : bool
    """

    def __init__(self, folder: Path, parquet: bool) -> None:
        self.rows = 0
        self._stack = ExitStack()
        file = self._stack.enter_context(
            (folder / "measurements.csv").open("w", encoding="utf-8", newline="")
        )
        self._csv = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        self._csv.writeheader()
        self._group: list[dict[str, Any]] = []
        self._flush: Callable[[list[dict[str, Any]]], None] | None = None
        if parquet:
            self._flush = self._stack.enter_context(_ParquetFile(folder / "measurements.parquet"))

    def __enter__(self) -> "MeasurementTable":
        return self

    def __exit__(self, *error: object) -> None:
        if self._flush is not None:
            self._flush(self._group)
        self._stack.close()

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows."""
        for row in rows:
            self._csv.writerow({name: _cell(value) for name, value in row.items()})
            self.rows += 1
            if self._flush is not None:
                self._group.append(row)
                if len(self._group) >= _ROWS_OF_A_GROUP:
                    self._flush(self._group)
                    self._group = []


class _ParquetFile:
    """A Parquet file to which groups of rows are added."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        kinds = {
            int: pyarrow.int64(),
            str: pyarrow.string(),
            float: pyarrow.float64(),
            bool: pyarrow.bool_(),
        }
        self._table = pyarrow.Table
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> "_ParquetFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    def __call__(self, rows: list[dict[str, Any]]) -> None:
        self._writer.write_table(self._table.from_pylist(rows, schema=self._schema))


def write_table(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> int:
    """Write a small CSV table; the number of rows."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(value) for value in row])
            count += 1
    return count


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _cell(value: Any) -> Any:
    """A value for CSV: nothing for None, and no text that a spreadsheet takes for a formula."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value
