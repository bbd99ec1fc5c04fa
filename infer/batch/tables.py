"""Tables of a batch: measurements (CSV, Parquet), films, and what was left out and why."""

import csv
import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeAlias

from endplate.infer.batch.settle import Verdict
from endplate.study.reading import Reading

__all__ = [
    "COLUMNS",
    "MeasurementTable",
    "csv_cell",
    "have_parquet",
    "measurement_rows",
    "write_table",
]

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
#: How many of the columns say the same of all measurements of a film.
_OF_FILM: Final = 12

Row: TypeAlias = tuple[Any, ...]


def measurement_rows(verdict: Verdict, reading: Reading) -> tuple[Row, list[Row]]:
    """The measurements of a film as rows of `COLUMNS`. Missing numbers are None.

    Returns
    -------
    (tuple, list of tuple)
        The first columns, which are the same in all rows, and the others of each row.
    """
    source = reading.source
    film = (
        verdict.line.number,
        source.path,
        source.patient_id,
        source.study_uid,
        source.instance_uid,
        source.study_date,
        source.position or "",
        verdict.outcome == "measured",
        reading.quality.status,
        " ".join(r.code for r in reading.quality.reasons),
        reading.id,
        reading.calibration.source,
    )
    rows = [
        (
            *(m.name, m.level, " ".join(m.between), _number(m.value), m.unit, _number(m.se)),
            *(_number(m.interval90[0]), _number(m.interval90[1]), " ".join(m.flags)),
        )
        for m in reading.measurements
    ]
    return film, rows


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
        self._csv = csv.writer(file, lineterminator="\n")
        self._csv.writerow(COLUMNS)
        self._parquet: _ParquetFile | None = None
        if parquet:
            self._parquet = self._stack.enter_context(_ParquetFile(folder / "measurements.parquet"))

    def __enter__(self) -> "MeasurementTable":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, film: Row, rows: Sequence[Row]) -> None:
        """Add the rows of a film, as `measurement_rows` gives them."""
        shared = [csv_cell(value) for value in film]
        self._csv.writerows([*shared, *map(csv_cell, row)] for row in rows)
        self.rows += len(rows)
        if self._parquet is not None:
            self._parquet.add(film, rows)


class _ParquetFile:
    """A Parquet file to which rows are added."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        kinds = {
            int: pyarrow.int64(),
            str: pyarrow.string(),
            float: pyarrow.float64(),
            bool: pyarrow.bool_(),
        }
        self._array, self._table = pyarrow.array, pyarrow.Table
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._group: tuple[list[Any], ...] = tuple([] for _ in COLUMNS)

    def __enter__(self) -> "_ParquetFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, film: Row, rows: Sequence[Row]) -> None:
        """Add rows, which are written a large group at once."""
        for column, value in zip(self._group[:_OF_FILM], film, strict=True):
            column.extend([value] * len(rows))
        for column, values in zip(self._group[_OF_FILM:], zip(*rows, strict=True), strict=False):
            column.extend(values)
        if len(self._group[0]) >= _ROWS_OF_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        arrays = [
            self._array(column, type=field.type)
            for column, field in zip(self._group, self._schema, strict=True)
        ]
        self._writer.write_table(self._table.from_arrays(arrays, schema=self._schema))
        for column in self._group:
            column.clear()


def write_table(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> int:
    """Write a small CSV table; the number of rows."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([csv_cell(value) for value in row])
            count += 1
    return count


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def csv_cell(value: Any) -> Any:
    """A value for CSV: nothing for None, and no text that a spreadsheet takes for a formula."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value
