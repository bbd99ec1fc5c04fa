"""Curves of a follow-up: months against measures, with bands of error and thresholds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from endplate.geometry.measurement import Measurement
from endplate.reports.followup_dictionary import time_point, word
from endplate.reports.svg_chart import SvgChart
from endplate.study.followup import FollowUp
from endplate.study.timepoints import DAYS_PER_MONTH

__all__ = ["Curve", "Line", "curve_axes", "curve_svg", "followup_curves"]

_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73")
_ANGLES: Final = ("vertebral_kyphosis_deg", "regional_kyphosis_deg", "gardner_mono_above_deg")
_HEIGHTS: Final = (
    ("loss_ant_pct", "ant"),
    ("loss_mid_pct", "mid"),
    ("loss_post_pct", "post_height"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One measure over time: x in months, value, ends of its 90 % interval (NaN: unknown)."""

    label: str
    colour: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One chart of a follow-up.

    Parameters
    ----------
    title, x_label, unit : str
    lines : tuple of Line
    thresholds : tuple of (value, label)
    ticks : tuple of (x, label)
    decimal : str
        Decimal mark.
    """

    title: str
    x_label: str
    unit: str
    lines: tuple[Line, ...]
    thresholds: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    decimal: str = "."

    @property
    def y_range(self) -> tuple[float, float]:
        """Room for everything that is drawn."""
        values = [v for line in self.lines for p in line.points for v in p[1:] if math.isfinite(v)]
        values += [t for t, _ in self.thresholds[:1]]
        low, high = min(values), max(values)
        room = max(0.08 * (high - low), 1.0)
        # The names of several lines stand below them.
        return (low - room * (2.0 if len(self.lines) > 1 else 1.0), high + room)

    @property
    def x_range(self) -> tuple[float, float]:
        """From the first to the last visit, with room."""
        xs = [x for x, _ in self.ticks]
        room = 0.06 * (max(xs) - min(xs) or 1.0)
        return (min(xs) - room, max(xs) + room)


def followup_curves(result: FollowUp, language: str = "en") -> tuple[Curve, ...]:
    """Vertebral, regional and Gardner angle, and the heights in percent of normal."""
    xs = _months(result)
    names = [time_point(v.visit.name, language) for v in result.visits]
    ticks = tuple(zip(xs, names, strict=True))
    dated = all(v.visit.days is not None for v in result.visits)
    x_label = word("months", language) if dated else ""
    shown, decimal = _sparse(ticks), "," if language == "fr" else "."
    out = []
    for name in _ANGLES:
        line = _line(result, xs, name, word(name, language), _COLOURS[0])
        if line is not None:
            out.append(
                Curve(line.label, x_label, "°", (line,), _thresholds(result, name), shown, decimal)
            )
    heights = [
        _line(result, xs, name, word(key, language), colour, of_normal=True)
        for (name, key), colour in zip(_HEIGHTS, _COLOURS, strict=True)
    ]
    known = tuple(x for x in heights if x is not None)
    if known:
        out.append(Curve(word("height_curve", language), x_label, "%", known, (), shown, decimal))
    return tuple(out)


def _months(result: FollowUp) -> list[float]:
    """Months after the operation; without dates the number of the visit."""
    days = [v.visit.days for v in result.visits]
    if any(d is None for d in days):
        return [float(i) for i in range(len(days))]
    # Films just before and after the operation would lie on one another.
    return [
        (d or 0) / DAYS_PER_MONTH - (0.6 if v.visit.name == "pre" else 0.0)
        for d, v in zip(days, result.visits, strict=True)
    ]


def _sparse(ticks: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """Ticks, those too near the one before sharing its label."""
    span = max(x for x, _ in ticks) - min(x for x, _ in ticks) or 1.0
    out: list[tuple[float, str]] = []
    labelled = 0
    for x, label in ticks:
        if out and x - out[labelled][0] < 0.13 * span:
            at, first = out[labelled]
            out[labelled] = (at, f"{first}, {label}")
            out.append((x, ""))
        else:
            labelled = len(out)
            out.append((x, label))
    return tuple(out)


def _line(
    result: FollowUp,
    xs: Sequence[float],
    name: str,
    label: str,
    colour: str,
    *,
    of_normal: bool = False,
) -> Line | None:
    points = []
    for x, visit in zip(xs, result.visits, strict=True):
        m = visit.value(name)
        if m is None or not math.isfinite(m.value):
            continue
        low, high = m.interval90
        if of_normal:
            points.append((x, 100.0 - m.value, 100.0 - high, 100.0 - low))
        else:
            points.append((x, m.value, low, high))
    return Line(label, colour, tuple(points)) if points else None


def _thresholds(result: FollowUp, name: str) -> tuple[tuple[float, str], ...]:
    after = result.after
    m: Measurement | None = None if after is None else after.value(name)
    if m is None or not math.isfinite(m.value):
        return ()
    return ((m.value + 5.0, "+ 5°"), (m.value + 10.0, "+ 10°"))


def curve_svg(curve: Curve) -> str:
    """The chart as SVG."""
    low, high = curve.y_range
    chart = SvgChart(
        curve.x_range,
        (low, high),
        f"{curve.title} ({curve.unit})",
        curve.x_label,
        "",
        380,
        240,
        curve.ticks,
    )
    for value, label in curve.thresholds:
        if low < value < high:
            chart.across(value, "#b06f00", "5 4", label)
    for line in curve.lines:
        banded = [p for p in line.points if math.isfinite(p[2])]
        if len(banded) > 1:
            chart.band([(p[0], p[2]) for p in banded], [(p[0], p[3]) for p in banded], line.colour)
        chart.path([(p[0], p[1]) for p in line.points], line.colour, 2.0)
        chart.dots([(p[0], p[1]) for p in line.points], line.colour, 3.4)
        if len(curve.lines) > 1:
            x, y = line.points[-1][:2]
            chart.note(x - 0.1 * (curve.x_range[1] - curve.x_range[0]), y, line.label, line.colour)
        else:
            for p in line.points:
                chart.note(p[0], p[1], f"{p[1]:.1f}".replace(".", curve.decimal))
    return chart.svg()


def curve_axes(curve: Curve, axes: Any) -> None:
    """The chart on the axes of a Matplotlib figure."""
    low, high = curve.y_range
    for value, label in curve.thresholds:
        if low < value < high:
            axes.axhline(value, color="#b06f00", lw=0.7, ls="--")
            axes.annotate(
                label,
                (curve.x_range[1], value),
                fontsize=6,
                color="#b06f00",
                ha="right",
                va="bottom",
            )
    for line in curve.lines:
        banded = [p for p in line.points if math.isfinite(p[2])]
        xs, ys = [p[0] for p in line.points], [p[1] for p in line.points]
        if len(banded) > 1:
            axes.fill_between(
                [p[0] for p in banded],
                [p[2] for p in banded],
                [p[3] for p in banded],
                color=line.colour,
                alpha=0.18,
                lw=0,
            )
        axes.plot(xs, ys, "o-", color=line.colour, lw=1.4, ms=3, label=line.label)
    if len(curve.lines) > 1:
        axes.legend(fontsize=6, frameon=False, loc="lower left", ncol=3, bbox_to_anchor=(0, -0.02))
    axes.set_xlim(*curve.x_range)
    axes.set_ylim(low, high)
    axes.set_xticks([x for x, _ in curve.ticks], [t for _, t in curve.ticks], fontsize=6)
    axes.tick_params(axis="y", labelsize=6)
    axes.set_title(f"{curve.title} ({curve.unit})", fontsize=7.5, loc="left", fontweight="bold")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", lw=0.3, color="#dde2e8")
