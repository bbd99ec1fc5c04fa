"""What each step of a reading brings, as a table: from ``docs/accuracy/reading.json``."""

from collections.abc import Mapping
from typing import Any, Final

from endplate.errors import InputError

__all__ = ["reading_section"]

_FIGURES: Final = (
    ("found_pct", "bodies found, %", 1),
    ("unmatched_per_film", "unmatched a film", 2),
    ("point_median_pct", "point error, median, %", 2),
    ("point_p95_pct", "95th percentile, %", 2),
    ("vertebral_kyphosis_deg_mae", "vertebral kyphosis: MAE, degrees", 2),
    ("levels_right_sacrum_visible_pct", "sacrum visible: every level right, %", 1),
    ("seconds_per_film", "seconds a film", 2),
)

_TEXT: Final = """\
## What each step of a reading brings

The networks of the tables above with steps of a reading left out (`python -P benchmarks/reading.py
--weights runs/folds/FOLD`): {films} films, {bodies} bodies T10 to L5, each film read by networks
that never saw its subject. Names are by the weights fitted on simulated films, not by those of the
folds. A *look* is the detector over the whole column, at one scale and one way round; a *crop* is
the refiner over one body, cut where a wider crop showed it. The time is that of a reading without
its decoding, {threads} threads.
"""


def reading_section(values: Mapping[str, Any]) -> str:
    """The section of the page.

    Parameters
    ----------
    values : mapping
        ``rows``, each with ``name``, ``films``, ``bodies`` and the figures, and ``threads``.

    Raises
    ------
    InputError
        If there are no rows, or a row lacks its name.
    """
    rows = values.get("rows")
    if not rows or not all(isinstance(r, dict) and "name" in r for r in rows):
        raise InputError("reading.json: expected rows, a list of objects with a name")
    head = ["steps", *(label for _, label, _ in _FIGURES)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    text = _TEXT.format(
        films=rows[0].get("films", "?"),
        bodies=rows[0].get("bodies", "?"),
        threads=values.get("threads", "?"),
    )
    return text + "\n" + "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    shown = [(row.get(key), digits) for key, _, digits in _FIGURES]
    return [str(row["name"]), *("-" if v is None else f"{v:.{d}f}" for v, d in shown)]
