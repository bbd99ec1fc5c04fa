"""Ablations as tables: what a part of the recipe brings, over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from endplate.errors import InputError

__all__ = ["ablation_section", "curves", "spread"]

_FIGURES: Final = (
    ("point_median", "point error, median, %", 2),
    ("point_p95", "95th percentile, %", 2),
    ("vk_mae", "vertebral kyphosis: MAE, degrees", 2),
)
_TEXT: Final = """\
## What each part of the recipe brings

Networks trained alike but for one thing, judged on subjects that they were not trained on. Mean
over seeds, in brackets the range. `minutes` is the training of one network on the machine that
`benchmarks/ablations.py` ran on.
"""
_CURVES: Final = """\
![Point error against the number of real films, and against compute]({place}/ablations.svg)
"""


def ablation_section(values: Mapping[str, Any], place: str) -> str:
    """The section of the page: one table a group, and the curves where there are any.

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
    blocks = [_TEXT]
    for group, own in groups.items():
        head = [group.replace("_", " "), "real films", "seeds", "folds", "bodies"]
        head += [label for _, label, _ in _FIGURES] + ["minutes"]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(_cells(row)) + " |" for row in own]
        blocks.append("\n".join(lines) + "\n")
    if any(curves(values).values()):
        blocks.append(_CURVES.format(place=place))
    return "\n".join(blocks)


def _cells(row: Mapping[str, Any]) -> list[str]:
    counts = [str(row.get("films", "-")), _count(row.get("seeds")), _count(row.get("folds"))]
    shown = [spread(row.get(key), digits) for key, _, digits in _FIGURES]
    minutes = spread(row.get("minutes"), 0)
    return [str(row["name"]), *counts, str(row.get("n_bodies", "-")), *shown, minutes]


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


def curves(values: Mapping[str, Any]) -> dict[str, dict[str, list[tuple[float, list[float]]]]]:
    """Point error against ``films`` and ``minutes``, by group: groups with three values or more.

    Returns
    -------
    dict
        Axis -> group -> (place on the axis, medians of the seeds), in order.
    """
    out: dict[str, dict[str, list[tuple[float, list[float]]]]] = {"films": {}, "minutes": {}}
    groups = {str(r.get("group", "")) for r in values["rows"]}
    for group in sorted(groups):
        own = [r for r in values["rows"] if str(r.get("group", "")) == group]
        many_films = len({tuple(_numbers(r.get("films"))) for r in own}) >= 3
        axis = "films" if many_films else "minutes"
        places = [
            (float(np.mean(at)), medians)
            for r in own
            if (at := _numbers(r.get(axis))) and (medians := _numbers(r.get("point_median")))
        ]
        # compute is compared in a group made for it: elsewhere other things change as well
        meant = axis == "films" or any(w in group for w in ("compute", "steps", "minutes", "long"))
        if meant and len({p for p, _ in places}) >= 3:
            out[axis][group] = sorted(places)
    return out
