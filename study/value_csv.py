"""Readings given as numbers in a CSV table instead of landmarks."""

from pathlib import Path
from typing import Final

from endplate.errors import InputError
from endplate.geometry.catalogue import CATALOGUE
from endplate.study.csv_table import Row, read_rows
from endplate.study.reading_sets import ReadValue

__all__ = ["read_values"]

_KEYS: Final = ("reader", "subject", "image", "level", "measure", "value", "unit")


def read_values(path: str | Path, label: str) -> list[ReadValue]:
    """Values of a table in the long or the wide form.

    The long form has the columns ``image``, ``measure`` and ``value``, and may have ``reader``
    (else all are by `label`), ``subject``, ``level`` and ``unit``. The wide form has no ``value``:
    every column that is none of these is a reader, and ``measure`` may be left out.

    Raises
    ------
    InputError
        If a column is missing or a cell is no number.
    """
    path = Path(path)
    rows = read_rows(path, ("image",))
    if not rows:
        raise InputError(f"{path.name}: has no rows")
    columns = list(rows[0].values)
    if "value" in columns:
        if "measure" not in columns:
            raise InputError(f"{path.name}: column 'measure' is missing")
        return [_value(row, row.text("reader", label) or label, "value") for row in rows]
    readers = [c for c in columns if c not in _KEYS]
    if len(readers) < 2:
        raise InputError(
            f"{path.name}: expected a column 'value', or a column for each of two or more readers"
        )
    return [_value(row, reader, reader) for row in rows for reader in readers]


def _value(row: Row, reader: str, column: str) -> ReadValue:
    measure = row.text("measure", "value")
    info = CATALOGUE.get(measure)
    return ReadValue(
        reader=reader,
        image=row.text("image"),
        level=row.text("level", ""),
        measure=measure,
        value=row.number(column),
        subject=row.text("subject", ""),
        unit=row.text("unit", info.unit if info else ""),
    )
