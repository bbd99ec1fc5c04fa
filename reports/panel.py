"""The text beside the film: verdict, the main numbers, legend, calibration, reader."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from endplate.geometry.measurement import Measurement
from endplate.reports.canvas import (
    AMBER,
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WHITE,
    Canvas,
    Colour,
    Picture,
    text_size,
    wrap_text,
)
from endplate.reports.marks import ANGLE_STYLES
from endplate.reports.words import (
    DISCLAIMER,
    STAR_NOTE,
    IndexChoice,
    calibration_text,
    headlines,
    interval_text,
    label,
    level_cells,
    pair_text,
    reader_text,
    value_text,
)
from endplate.study.reading import Reading

__all__ = ["STATUS_COLOURS", "draw_panel"]

STATUS_COLOURS: Final[dict[str, Colour]] = {"accepted": GREEN, "flagged": AMBER, "rejected": RED}
#: Columns of the table of levels, for which there is room.
_COLUMNS: Final = (
    ("VK", "vertebral_kyphosis_deg"),
    ("Ha/Hp", "Ha_Hp"),
    ("loss", "max_height_loss_pct"),
)
_WIDTH: Final = 400
_MARGIN: Final = 26
_MAX_HEIGHT: Final = 4000
_RULE: Final[Colour] = (80, 70, 62)
_GROUND: Final[Colour] = DARK


class _Column:
    """A cursor that goes down the panel; all sizes in units of the canvas."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.y = float(_MARGIN)

    def say(
        self, text: str, colour: Colour = WHITE, size: int = 15, weight: int = 400, gap: float = 0.5
    ) -> None:
        """Wrapped text."""
        u = self.canvas.unit
        width = round((_WIDTH - 2 * _MARGIN) * u)
        for line in wrap_text(text, width, max(8, round(size * u)), weight):
            self.y += size
            self.canvas.text((_MARGIN * u, self.y * u), line, colour, size, weight)
            self.y += 0.35 * size
        self.y += gap * size

    def row(self, left: str, right: str, note: str) -> None:
        """A number at the right edge, its name at the left, a note under the name."""
        u = self.canvas.unit
        self.y += 17
        self.canvas.text((_MARGIN * u, self.y * u), left, WHITE, 16, 400)
        width = text_size(right, max(8, round(19 * u)), 700)[0]
        self.canvas.text(((_WIDTH - _MARGIN) * u - width, self.y * u), right, WHITE, 19, 700)
        if note:
            self.y += 19
            self.canvas.text((_MARGIN * u, self.y * u), note, GREY, 13, 400)
        self.y += 15

    def rule(self) -> None:
        """A thin line."""
        u = self.canvas.unit
        self.canvas.box((_MARGIN * u, self.y * u), ((_WIDTH - 2 * _MARGIN) * u, u), _RULE, 1.0)
        self.y += 18

    def cells(self, texts: Sequence[str], colour: Colour) -> None:
        """A line of a table; all columns but the first are aligned right."""
        u = self.canvas.unit
        self.y += 15
        for i, text in enumerate(texts):
            x = (_MARGIN + i * (_WIDTH - 2 * _MARGIN) / (len(texts) - 1)) * u
            if i:
                x -= text_size(text, max(8, round(14 * u)), 400)[0]
            self.canvas.text((x, self.y * u), text, colour, 14, 400)
        self.y += 5

    def key(self, colour: Colour | None, text: str) -> None:
        """A line of the legend; without a colour the sign is an ellipse."""
        u = self.canvas.unit
        self.y += 14
        middle = (self.y - 5) * u
        if colour is None:
            centre = ((_MARGIN + 13) * u, middle)
            self.canvas.ellipse(centre, np.diag([120.0, 25.0]) * u**2, 1.0, WHITE)
        else:
            self.canvas.line((_MARGIN * u, middle), ((_MARGIN + 26) * u, middle), colour, 3)
        self.canvas.text(((_MARGIN + 38) * u, self.y * u), text, GREY, 14, 400)
        self.y += 8


def draw_panel(
    reading: Reading,
    index: IndexChoice | None,
    angles: Sequence[Measurement],
    unit: float,
    height: int,
) -> Picture:
    """Panel of at least `height` pixels, taller if its text needs more.

    `angles` are those drawn on the film; without an index level no numbers are shown but curves.
    """
    ground = np.empty((max(height, round(_MAX_HEIGHT * unit)), round(_WIDTH * unit), 3), np.uint8)
    ground[:] = _GROUND
    column = _Column(Canvas(ground, unit))
    _verdict(column, reading)
    if reading.quality.status != "rejected":
        _numbers(column, reading, index)
        _levels(column, reading)
    _legend(column, reading, index, angles)
    column.say("Calibration: " + calibration_text(reading.calibration), GREY, 13)
    column.say("Read by " + reader_text(reading), GREY, 13)
    column.say(DISCLAIMER, GREY, 13)
    needed = round((column.y + _MARGIN) * unit)
    return ground[: max(height, needed)]


def _verdict(column: _Column, reading: Reading) -> None:
    status = reading.quality.status
    column.say(status.upper(), STATUS_COLOURS[status], 20, 700, gap=0.4)
    column.y += 4
    column.rule()


def _numbers(column: _Column, reading: Reading, index: IndexChoice | None) -> None:
    if index is not None:
        column.say(index.level, ORANGE, 34, 700, gap=0.1)
        column.say(index.why, GREY, 13, gap=0.6)
    shown = headlines(reading, None if index is None else index.level)
    for measurement in shown:
        interval = interval_text(measurement)
        notes = [pair_text(measurement)] if measurement.unit == "deg" else []
        notes += [f"90 %: {interval}"] if interval else []
        column.row(label(measurement), value_text(measurement), "   ".join(notes))
    if index is not None or shown:
        column.rule()


def _levels(column: _Column, reading: Reading) -> None:
    """One line for each level with vertebral kyphosis, height ratio and loss."""
    cells = {v.level: level_cells(reading, v.level, _COLUMNS) for v in reading.vertebrae}
    if not any(any(row) for row in cells.values()):
        return
    column.cells(("", *(head for head, _ in _COLUMNS)), GREY)
    for level, row in cells.items():
        if any(row):
            column.cells((level, *row), WHITE)
    if any(cell.endswith("*") for row in cells.values() for cell in row):
        column.y += 4
        column.say(STAR_NOTE, GREY, 12, gap=0)
    column.y += 12
    column.rule()


def _legend(
    column: _Column,
    reading: Reading,
    index: IndexChoice | None,
    angles: Sequence[Measurement],
) -> None:
    if not reading.vertebrae:
        return
    column.key(BLUE, "endplates and corners")
    if index is not None:
        column.key(ORANGE, f"{index.level}, the level measured")
    for angle in angles:
        style = ANGLE_STYLES[angle.name]
        column.key(style.colour, f"{style.short}, {style.words}")
    if any(v.covariance is not None for v in reading.vertebrae):
        column.key(None, "ellipses, ±: 90 % uncertainty")
    column.y += 10
    column.rule()
