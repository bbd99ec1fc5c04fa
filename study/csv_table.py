"""CSV tables that people write: checked rows with the file and line in every message."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from endplate.errors import InputError

__all__ = ["Row", "parse_date", "read_rows"]


def parse_date(text: str, where: str) -> date:
    """A date as ``2024-05-31`` or, as in DICOM, ``20240531``.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{where}: date {text!r}; expected YYYY-MM-DD or YYYYMMDD") from None


@dataclass(frozen=True)
class Row:
    """One line of a table: texts by column name, and how messages name the line."""

    values: dict[str, str]
    where: str

    def text(self, name: str, default: str | None = None) -> str:
        """The cell `name`; empty or absent is `default`, or an error without one."""
        value = self.values.get(name, "")
        if value or default is not None:
            return value or (default or "")
        raise InputError(f"{self.where}: {name} is empty")

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """The cell as a number; NaN if it is empty. A decimal comma is understood."""
        text = self.values.get(name, "")
        if text.lower() in ("", "nan", "na", "n/a"):
            return math.nan
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InputError(
                f"{self.where}: {name} is {text!r}; expected a number from {low:g} to {high:g}"
            )
        return value

    def choice(self, name: str, valid: Sequence[str]) -> str:
        """One of `valid` in any case, or ``""`` if the cell is empty."""
        text = self.values.get(name, "").lower().replace(" ", "_")
        if text and text not in valid:
            raise InputError(
                f"{self.where}: {name} is {self.values[name]!r}; expected one of {', '.join(valid)}"
            )
        return text

    def truth(self, name: str) -> bool | None:
        """Yes or no; None if the cell is empty."""
        text = self.values.get(name, "").lower()
        if text in ("", "na", "n/a"):
            return None
        if text in ("1", "yes", "y", "true", "oui", "o"):
            return True
        if text in ("0", "no", "n", "false", "non"):
            return False
        raise InputError(f"{self.where}: {name} is {text!r}; expected yes or no")

    def date(self, name: str) -> date | None:
        """A date; None if the cell is empty."""
        text = self.values.get(name, "")
        return parse_date(text, f"{self.where}: {name}") if text else None


def read_rows(path: str | Path, required: Sequence[str]) -> list[Row]:
    """Rows of a CSV file with a line of column names; comma, semicolon or tab between cells.

    Raises
    ------
    InputError
        If the file cannot be read or a required column is missing.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: cannot be read as a CSV table ({error})") from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    lines = list(csv.reader(text.splitlines(), delimiter=delimiter))
    header = [c.strip() for c in lines[0]] if lines else []
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError(
            f"{path.name}: column {missing[0]!r} is missing; the first line must name the columns"
        )
    out = []
    for number, cells in enumerate(lines[1:], start=2):
        if not any(c.strip() for c in cells):
            continue
        if len(cells) > len(header):
            raise InputError(
                f"{path.name}, line {number}: {len(cells)} cells for {len(header)} columns"
            )
        values = {h: c.strip() for h, c in zip(header, cells, strict=False)}
        out.append(Row(values, f"{path.name}, line {number}"))
    return out
