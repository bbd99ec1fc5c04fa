"""Cells and tables of the page of accuracy, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from endplate.train.report.statistics import Statistic

__all__ = ["cell", "number", "short", "table"]


def cell(value: Mapping[str, Any] | None, digits: int) -> str:
    """``2.89 (2.61 to 3.20), 468 / 19``."""
    if value is None:
        return "-"
    text = number(value["value"], digits)
    if value.get("low") is not None:
        text += f" ({number(value['low'], digits)} to {number(value['high'], digits)})"
    return f"{text}; {value['n']} / {value['films']}"


def short(own: Mapping[str, Any], statistic: Statistic) -> str:
    """The value alone."""
    value = own.get(statistic.key)
    return "-" if value is None else number(value["value"], statistic.digits)


def number(value: float, digits: int) -> str:
    """A number with so many decimals, zero without a sign."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
