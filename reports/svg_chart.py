"""A small chart as SVG: axes with round numbers, points, lines, bands. No dependency."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

__all__ = ["SvgChart", "round_ticks"]

_MARGINS: Final = (52.0, 14.0, 26.0, 40.0)
"""Left, right, top and bottom room for axes and titles."""


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from `low` to `high`."""
    span = max(high - low, 1e-9)
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass
class SvgChart:
    """A chart in data coordinates.

    Parameters
    ----------
    x_range, y_range : (low, high)
    title, x_label, y_label : str
    width, height : float
        In user units of the SVG.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    width: float = 400.0
    height: float = 270.0
    x_ticks: Sequence[tuple[float, str]] | None = None
    _parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Place across of a data value."""
        left, right, _, _ = _MARGINS
        low, high = self.x_range
        return left + (value - low) / (high - low or 1.0) * (self.width - left - right)

    def y(self, value: float) -> float:
        """Place down of a data value."""
        _, _, top, bottom = _MARGINS
        low, high = self.y_range
        return (
            self.height
            - bottom
            - (value - low) / (high - low or 1.0) * (self.height - top - bottom)
        )

    def path(
        self,
        points: Sequence[tuple[float, float]],
        colour: str,
        width: float = 1.6,
        dash: str = "",
    ) -> None:
        """A line through data points."""
        at = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{at}" fill="none" stroke="{colour}"'
            f' stroke-width="{width}"{dashed}/>'
        )

    def band(
        self,
        low: Sequence[tuple[float, float]],
        high: Sequence[tuple[float, float]],
        colour: str,
        opacity: float = 0.18,
    ) -> None:
        """The area between two lines."""
        walk = [*low, *reversed(list(high))]
        at = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in walk)
        self._parts.append(
            f'<polygon points="{at}" fill="{colour}" fill-opacity="{opacity}" stroke="none"/>'
        )

    def across(self, value: float, colour: str, dash: str = "", label: str = "") -> None:
        """A line over the whole width, with a word at its right end."""
        low, high = self.x_range
        self.path([(low, value), (high, value)], colour, 1.2, dash)
        if label:
            self._text(self.x(high) - 2, self.y(value) - 3, label, colour, "end", 10)

    def dots(self, points: Sequence[tuple[float, float]], colour: str, radius: float = 3.0) -> None:
        """A disc at each data point."""
        self._parts += [
            f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius}" fill="{colour}"'
            ' fill-opacity="0.8"/>'
            for x, y in points
        ]

    def note(self, x: float, y: float, text: str, colour: str = "#1d232b") -> None:
        """A word just above a data point."""
        self._text(self.x(x), self.y(y) - 8, text, colour, "middle", 11)

    def svg(self) -> str:
        """The finished element."""
        inner = "".join([self._axes(), *self._parts, self._titles()])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}"'
            f' role="img" aria-label="{escape(self.title, quote=True)}"'
            f' font-family="sans-serif">{inner}</svg>'
        )

    def _axes(self) -> str:
        left, right, top, bottom = _MARGINS
        floor = self.height - bottom
        out = []
        for tick in round_ticks(*self.y_range):
            y = self.y(tick)
            out.append(_rule(left, y, self.width - right, y))
            out.append(_words(left - 6, y + 4, _number(tick), "end"))
        ticks = self.x_ticks
        if ticks is None:
            ticks = [(t, _number(t)) for t in round_ticks(*self.x_range)]
        for value, label in ticks:
            x = self.x(value)
            out.append(_rule(x, floor, x, floor + 4, "#8a94a0"))
            out.append(_words(x, floor + 16, label, "middle"))
        out.append(_rule(left, floor, self.width - right, floor, "#8a94a0"))
        out.append(_rule(left, top, left, floor, "#8a94a0"))
        return "".join(out)

    def _titles(self) -> str:
        left, _, _, _ = _MARGINS
        middle = (left + self.width) / 2
        out = _words(left, 15, self.title, "start", 13, "#1d232b", bold=True)
        out += _words(middle, self.height - 6, self.x_label, "middle")
        turned = f'transform="rotate(-90 13 {self.height / 2:g})"'
        out += _words(13, self.height / 2, self.y_label, "middle", extra=turned)
        return out

    def _text(self, x: float, y: float, text: str, colour: str, anchor: str, size: float) -> None:
        self._parts.append(_words(x, y, text, anchor, size, colour))


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _rule(x1: float, y1: float, x2: float, y2: float, colour: str = "#e3e7ec") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
        ' stroke-width="1"/>'
    )


def _words(
    x: float,
    y: float,
    text: str,
    anchor: str,
    size: float = 11,
    colour: str = "#5c6672",
    *,
    bold: bool = False,
    extra: str = "",
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}"'
        f' text-anchor="{anchor}"{weight} {extra}>{escape(text)}</text>'
    )
