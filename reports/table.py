"""A reading as tables on a terminal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from endplate.reports.in_space import SPACE_COLUMNS, SPACE_NOTE, acquisition_text, space_rows
from endplate.reports.words import (
    STAR_NOTE,
    IndexChoice,
    calibration_text,
    choose_index,
    headlines,
    interval_text,
    label,
    length_unit,
    level_cells,
    level_columns,
    pair_text,
    printable,
    value_text,
)
from endplate.study.reading import Reading

__all__ = ["reading_table"]

_STATUS_STYLES: Final = {"accepted": "bold green", "flagged": "bold yellow", "rejected": "bold red"}


def reading_table(reading: Reading, index_level: str | None = None) -> RenderableType:
    """What a terminal shows of a reading.

    Parameters
    ----------
    reading : Reading
        A rejected one is shown with its reasons only.
    index_level : str, optional
        The injured level; by default as `choose_index` decides.

    Returns
    -------
    rich renderable
        Status, the main measures, a line for each level, the calibration; of a CT also how each
        body stands in space.
    """
    parts: list[RenderableType] = [_head(reading)]
    if reading.quality.status == "rejected":
        return Group(*parts)
    index = choose_index(reading, index_level)
    main = headlines(reading, None if index is None else index.level)
    if main:
        parts.append(_main_table(reading, index))
    if reading.vertebrae:
        parts.append(_level_table(reading, index))
    if space := space_rows(reading):
        parts.append(_space_table(space, index))
    parts.append(Text("Calibration: " + calibration_text(reading.calibration), style="dim"))
    if made := acquisition_text(reading):
        parts.append(Text("CT: " + printable(made), style="dim"))
    return Group(*parts)


def _head(reading: Reading) -> Text:
    status = reading.quality.status
    text = Text.assemble(
        (printable(reading.source.path), "bold"), "  ", (status, _STATUS_STYLES[status])
    )
    for reason in reading.quality.reasons:
        text.append(f"\n  {printable(reason.message)} ")
        text.append(f"({printable(reason.code)})", style="dim")
    return text


def _main_table(reading: Reading, index: IndexChoice | None) -> RenderableType:
    heads = [
        _Column("Measure" if index is None else f"{index.level} ({index.why})"),
        _Column("Between", style="dim"),
        _Column("Value", style="bold", right=True),
        _Column("90 % interval"),
        _Column("Notes", style="dim"),
    ]
    rows = [
        (
            label(m),
            pair_text(m),
            value_text(m),
            interval_text(m),
            ", ".join(m.flags).replace("_", " "),
        )
        for m in headlines(reading, None if index is None else index.level)
    ]
    return Padding(_table(heads, rows), (1, 0, 0, 0))


def _level_table(reading: Reading, index: IndexChoice | None) -> RenderableType:
    columns = level_columns(reading.calibration)
    heads = [
        _Column("Level"),
        _Column("P(level)", style="dim", right=True),
        *(_Column(head, right=True) for head, _ in columns),
    ]
    rows = []
    for vertebra in reading.vertebrae:
        known = math.isfinite(vertebra.level_probability)
        probability = f"{vertebra.level_probability:.2f}" if known else ""
        cells = level_cells(reading, vertebra.level, columns)
        rows.append((vertebra.level, probability, *cells))
    table = _table(heads, rows, None if index is None else index.level)
    notes = []
    if reading.calibration.is_metric:
        unit = length_unit(reading.calibration)
        notes.append(f"Ha, Hm, Hp: anterior, middle, posterior height in {unit}")
    if any(cell.endswith("*") for row in rows for cell in row):
        notes.append(STAR_NOTE)
    table.caption = "\n".join(notes) or None
    table.caption_justify = "left"
    return Padding(table, (1, 0, 1, 0))


def _space_table(rows: Sequence[Sequence[str]], index: IndexChoice | None) -> RenderableType:
    heads = [_Column("In space"), *(_Column(head, right=True) for head, _ in SPACE_COLUMNS)]
    table = _table(heads, rows, None if index is None else index.level)
    table.caption = SPACE_NOTE
    table.caption_justify = "left"
    return Padding(table, (0, 0, 1, 0))


@dataclass(frozen=True, slots=True)
class _Column:
    head: str
    style: str | None = None
    right: bool = False


def _table(
    columns: Sequence[_Column], rows: Sequence[Sequence[str]], strong: str | None = None
) -> Table:
    """Table without its empty columns; the row that begins with `strong` is bold."""
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for i in kept:
        column = columns[i]
        table.add_column(
            column.head, style=column.style, justify="right" if column.right else "left"
        )
    for row in rows:
        texts = (Text(printable(row[i])) for i in kept)
        table.add_row(*texts, style="bold" if row[0] == strong else None)
    return table
