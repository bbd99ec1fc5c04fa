"""A reading as tables on a terminal."""

import math
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

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
        Status, the main measures, a line for each level, the calibration.
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
    parts.append(Text("Calibration: " + calibration_text(reading.calibration), style="dim"))
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
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    table.add_column("Measure" if index is None else f"{index.level} ({index.why})")
    table.add_column("Between", style="dim")
    table.add_column("Value", justify="right", style="bold")
    table.add_column("90 % interval")
    table.add_column("Notes", style="dim")
    for m in headlines(reading, None if index is None else index.level):
        flags = printable(", ".join(m.flags).replace("_", " "))
        cells = (label(m), pair_text(m), value_text(m), interval_text(m), flags)
        table.add_row(*(Text(cell) for cell in cells))
    return Padding(table, (1, 0, 0, 0))


def _level_table(reading: Reading, index: IndexChoice | None) -> RenderableType:
    columns = level_columns(reading.calibration)
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    table.add_column("Level")
    table.add_column("P(level)", justify="right", style="dim")
    for head, _ in columns:
        table.add_column(head, justify="right")
    starred = False
    for vertebra in reading.vertebrae:
        chosen = index is not None and vertebra.level == index.level
        known = math.isfinite(vertebra.level_probability)
        cells = level_cells(reading, vertebra.level, columns)
        starred = starred or any(cell.endswith("*") for cell in cells)
        table.add_row(
            vertebra.level,
            f"{vertebra.level_probability:.2f}" if known else "",
            *cells,
            style="bold" if chosen else None,
        )
    notes = [STAR_NOTE] if starred else []
    if reading.calibration.is_metric:
        unit = length_unit(reading.calibration)
        notes.insert(0, f"Ha, Hm, Hp: anterior, middle, posterior height in {unit}")
    table.caption = "\n".join(notes) or None
    table.caption_justify = "left"
    return Padding(table, (1, 0, 1, 0))
