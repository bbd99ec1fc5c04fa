"""Which visit a film belongs to: windows around the operation, or a table that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from endplate.errors import InputError
from endplate.study.csv_table import read_rows

__all__ = [
    "DEFAULT_WINDOWS",
    "Override",
    "Window",
    "find_window",
    "parse_window",
    "read_timepoints",
]

#: Days of a mean month.
DAYS_PER_MONTH: Final = 30.4375


@dataclass(frozen=True, slots=True)
class Window:
    """A time point.

    Parameters
    ----------
    name : str
        Such as ``pre`` or ``12 months``.
    low, high : int
        First and last day after the operation that belong to it; negative: before.
    nominal : float
        The day on which the visit is due: of several films the nearest is taken.

    Raises
    ------
    InputError
        If the days are out of order.
    """

    name: str
    low: int
    high: int
    nominal: float

    def __post_init__(self) -> None:
        if not self.name or self.low > self.high:
            raise InputError(f"time point {self.name!r} from day {self.low} to day {self.high}")


#: Pre-operative, post-operative, 3, 6, 12 and 24 months.
DEFAULT_WINDOWS: Final = (
    Window("pre", -3650, -1, 0.0),
    Window("post", 0, 45, 0.0),
    Window("3 months", 46, 136, 91.0),
    Window("6 months", 137, 272, 183.0),
    Window("12 months", 273, 545, 365.0),
    Window("24 months", 546, 1095, 731.0),
)


@dataclass(frozen=True, slots=True)
class Override:
    """What a table says of one film, over what its header says; empty or None: nothing."""

    subject: str = ""
    time_point: str = ""
    taken: date | None = None
    position: str = ""


def parse_window(text: str) -> Window:
    """Read ``3 months=46:136`` (days after the operation) or ``3 months=46:136@91``.

    Raises
    ------
    InputError
        If the text has another form.
    """
    name, _, days = text.partition("=")
    span, _, nominal = days.partition("@")
    try:
        low, high = (int(x) for x in span.split(":"))
        due = float(nominal) if nominal else (0.0 if low <= 1 else (low + high) / 2)
    except ValueError:
        raise InputError(
            f"time point {text!r}: expected NAME=FIRST:LAST in days after the operation,"
            " such as '3 months=46:136'"
        ) from None
    return Window(name.strip(), low, high, due)


def find_window(
    days: int, windows: Sequence[Window], *, treated: bool | None = None
) -> Window | None:
    """The window of a film taken so many days after the operation, or None.

    A film of the very day of the operation counts as post-operative unless it is known not to
    show the treatment (`treated` false).
    """
    if days == 0 and treated is False:
        days = -1
    return next((w for w in windows if w.low <= days <= w.high), None)


def read_timepoints(path: str | Path) -> dict[str, Override]:
    """Read ``timepoints.csv``: a line for each film.

    Columns: ``film`` (file name, hash or id of the reading), and any of ``subject``,
    ``time_point``, ``date`` and ``position``.

    Raises
    ------
    InputError
        If it cannot be read or names a film twice.
    """
    out: dict[str, Override] = {}
    for row in read_rows(path, ("film",)):
        film = row.text("film")
        if film in out:
            raise InputError(f"{row.where}: film {film!r} comes a second time")
        out[film] = Override(
            subject=row.text("subject", ""),
            time_point=row.text("time_point", ""),
            taken=row.date("date"),
            position=row.text("position", ""),
        )
    return out
