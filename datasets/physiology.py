"""Tables of normal values as CSV files that people can edit."""

import csv
import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Final

from endplate.errors import InputError, UnknownName
from endplate.geometry.levels import LEVELS
from endplate.geometry.physiology import DEFAULT, Physiology, PhysiologyRow

__all__ = ["load_physiology", "save_physiology"]

_COLUMNS: Final = tuple(f.name for f in fields(PhysiologyRow))


def save_physiology(path: str | os.PathLike[str], physiology: Physiology = DEFAULT) -> None:
    """Write a table as CSV, one level a row; an unknown value is an empty cell."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in physiology:
            numbers = (getattr(row, name) for name in _COLUMNS[1:])
            writer.writerow([row.level, *("" if math.isnan(x) else repr(x) for x in numbers)])


def load_physiology(path: str | os.PathLike[str], base: Physiology = DEFAULT) -> Physiology:
    """Read a table from CSV.

    The column ``level`` is required, the others are the fields of `PhysiologyRow` and may lack.
    What the file leaves out, a level, a column or a cell, is taken from `base`; write ``nan`` for
    a value that shall be unknown.

    Raises
    ------
    InputError
        If the file cannot be read, has an unknown column or level, or a cell is no number. The
        message names the file, the line and the column.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV table ({error})") from error
    if not lines or "level" not in lines[0]:
        raise InputError(f"{path}: the first line must name the columns, 'level' among them")
    header = [x.strip() for x in lines[0]]
    unknown = [x for x in header if x not in _COLUMNS]
    if unknown:
        raise InputError(f"{path}: unknown column {unknown[0]!r}; valid: {', '.join(_COLUMNS)}")
    rows = {row.level: row for row in base}
    seen: set[str] = set()
    for number, cells in enumerate(lines[1:], start=2):
        if any(x.strip() for x in cells):
            row = _row(f"{path}, line {number}", header, cells, rows)
            if row.level in seen:
                raise InputError(f"{path}, line {number}: level {row.level} comes a second time")
            seen.add(row.level)
            rows[row.level] = row
    ordered = sorted(rows.values(), key=lambda r: LEVELS.index(r.level))
    return Physiology(tuple(ordered), source=path.name)


def _row(
    where: str, header: list[str], cells: list[str], known: dict[str, PhysiologyRow]
) -> PhysiologyRow:
    if len(cells) != len(header):
        raise InputError(
            f"{where}: {len(cells)} cells, expected {len(header)} as in the first line"
        )
    given = dict(zip(header, (x.strip() for x in cells), strict=True))
    level = given.pop("level")
    values = {} if level not in known else {n: getattr(known[level], n) for n in _COLUMNS[1:]}
    for name, text in given.items():
        if text:
            values[name] = _number(where, name, text)
    try:
        return PhysiologyRow(level, **values)
    except (InputError, UnknownName) as error:
        raise InputError(f"{where}: {error}") from error


def _number(where: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"{where}, column {name}: found {text!r}, expected a number with a decimal point"
        ) from None
