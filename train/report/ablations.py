"""Ablations as tables and curves: what a part of the recipe brings, over seeds."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from endplate.errors import InputError

__all__ = ["ablation_section", "curves", "real_films", "spread"]

_FIGURES: Final = (
    ("point_median", "point error, median, %", 2),
    ("point_p95", "95th percentile, %", 2),
    ("vk_mae", "vertebral kyphosis: MAE, degrees", 2),
)
_TITLES: Final = {
    "films": "films trained on",
    "count": "number of real films",
    "count_real": "number of real films, none simulated",
    "reading": "way of reading, with the same network",
    "start": "what the first half of the training was on",
    "width": "width of the network",
    "resolution": "size of a crop (128 pixels: 600 steps on real films, above)",
    "compute": "the whole recipe (`endplate recipe`), step after step",
    "labels": "more labels, more networks (one: 600 steps on real films, above)",
}
#: The recipe that the rows of every group differ from, by its overrides.
_USUAL: Final = "dataset=all"
_SETS: Final = 2
"""Sets of real films of which ``subjects=N`` takes N each."""

_TEXT: Final = """\
## What each part of the recipe brings

Refiners trained alike but for one thing ({training}), judged on films of subjects that they were
not trained on: six points from the true place of each body, moved, turned and scaled as a detector
would (`python -P benchmarks/ablations.py`). Trained for less than the shipped one: the rows compare
with each other, not with the tables above. Mean over seeds, in brackets the range; a row of one
seed has none, and differences of less than such a range mean nothing. `minutes`: training of one
network, on two cores that were shared.
"""
_CURVES: Final = """\
![Point error against the number of real films, and against compute]({place}/ablations.svg)
"""


def ablation_section(values: Mapping[str, Any], place: str, films: int | None = None) -> str:
    """The section of the page: one table a group, and the curves where there are any.

    Parameters
    ----------
    values : mapping
        ``rows``, each with ``name``, ``group``, ``overrides`` and lists by seed.
    place : str
        Folder of the pictures, as the page sees it.
    films : int, optional
        Real films that a network of one fold is trained on.

    Raises
    ------
    InputError
        If the values have no rows, or a row lacks its name.
    """
    rows = values.get("rows")
    if not isinstance(rows, list) or not all(isinstance(r, dict) and "name" in r for r in rows):
        raise InputError("ablations.json: expected rows, a list of objects with a name")
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row.get("group", "")), []).append(row)
    known = [f"{values[k]} {k}" for k in ("steps", "crops") if k in values]
    blocks = [_TEXT.format(training=", ".join(known) or "the same number of crops")]
    for group, own in groups.items():
        head = [_TITLES.get(group, group.replace("_", " ")), "real films", "seeds", "bodies"]
        head += [label for _, label, _ in _FIGURES] + ["minutes"]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(_cells(row, films)) + " |" for row in own]
        blocks.append("\n".join(lines) + "\n")
    if any(curves(values, films).values()):
        blocks.append(_CURVES.format(place=place))
    return "\n".join(blocks)


def _cells(row: Mapping[str, Any], films: int | None) -> list[str]:
    count = real_films(row, films)
    counts = ["-" if count is None else str(count), _count(row.get("seeds"))]
    shown = [spread(row.get(key), digits) for key, _, digits in _FIGURES]
    minutes = spread(row.get("minutes"), 1)
    return [str(row["name"]), *counts, str(row.get("n_bodies", "-")), *shown, minutes]


def real_films(row: Mapping[str, Any], films: int | None) -> int | None:
    """Real films that a row was trained on: as it says, or as its overrides imply."""
    if isinstance(row.get("films"), int):
        return int(row["films"])
    overrides = str(row.get("overrides", ""))
    if "dataset=simulated" in overrides:
        return 0
    some = re.search(r"\bsubjects=(\d+)", overrides)
    return _SETS * int(some.group(1)) if some else films


def _count(value: Any) -> str:
    return "-" if value is None else str(len(value) if isinstance(value, list) else value)


def spread(value: Any, digits: int) -> str:
    """``2.31 (2.25 to 2.40)`` of a number or a list of them; a dash for nothing."""
    numbers = _numbers(value)
    if not numbers:
        return "-"
    text = f"{np.mean(numbers):.{digits}f}"
    if len(numbers) > 1:
        text += f" ({min(numbers):.{digits}f} to {max(numbers):.{digits}f})"
    return text


def _numbers(value: Any) -> list[float]:
    listed: Sequence[Any] = value if isinstance(value, list) else [value]
    return [float(v) for v in listed if isinstance(v, int | float) and np.isfinite(v)]


def curves(
    values: Mapping[str, Any], films: int | None = None
) -> dict[str, list[tuple[float, list[float]]]]:
    """Point error against ``films`` trained on, and against ``minutes`` of networks of all widths.

    Returns
    -------
    dict
        Axis -> (place on the axis, medians of the seeds), in order; empty below three places.
    """
    rows = values["rows"]
    base = [r for r in rows if r.get("overrides") == _USUAL and r.get("group") == "films"]
    none = [r for r in rows if r.get("overrides") == "dataset=simulated"]
    count = [r for r in rows if r.get("group") == "count"]
    width = [r for r in rows if r.get("group") == "width"]
    places: dict[str, list[tuple[float | None, Mapping[str, Any]]]] = {
        "films": [(real_films(r, films), r) for r in (*none, *count, *base)],
        "minutes": [(_mean(r.get("minutes")), r) for r in (*width, *base)],
    }
    out: dict[str, list[tuple[float, list[float]]]] = {}
    for axis, found in places.items():
        known = [
            (float(at), medians)
            for at, r in found
            if at is not None and (medians := _numbers(r.get("point_median")))
        ]
        out[axis] = sorted(known) if len({at for at, _ in known}) >= 3 else []
    return out


def _mean(value: Any) -> float | None:
    numbers = _numbers(value)
    return float(np.mean(numbers)) if numbers else None
