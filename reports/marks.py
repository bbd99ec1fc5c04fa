"""What is drawn on the film: bodies, uncertainty, level names, angles and the scale bar."""

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import CORNERS, POINTS
from endplate.geometry.measurement import Measurement
from endplate.reports.canvas import AMBER, BLUE, ORANGE, PINK, WHITE, Canvas, Colour
from endplate.reports.film_view import FilmView
from endplate.reports.words import find, length_unit, plus_minus, value_text
from endplate.study.reading import Reading

__all__ = ["ANGLE_STYLES", "AngleStyle", "draw_angles", "draw_bodies", "draw_scale_bar"]

#: Half-axes of the ellipse that holds 90 % of a normal distribution, in standard deviations.
_ELLIPSE_90: Final = math.sqrt(-2.0 * math.log(0.1))
_LINE: Final = re.compile(r"(sup|inf)\((\w+)\)")
_ENDS: Final = {
    "sup": ("superior_posterior", "superior_anterior"),
    "inf": ("inferior_posterior", "inferior_anterior"),
}
#: Below this the level name is shown with a question mark.
_SURE: Final = 0.8


@dataclass(frozen=True, slots=True)
class AngleStyle:
    """How an angle is drawn: short name, words for the legend, colour, side of the spine."""

    short: str
    words: str
    colour: Colour
    behind: bool


#: The angles that are drawn, the farther out first.
ANGLE_STYLES: Final[dict[str, AngleStyle]] = {
    "regional_kyphosis_deg": AngleStyle("RK", "regional kyphosis", PINK, behind=True),
    "vertebral_kyphosis_deg": AngleStyle("VK", "vertebral kyphosis", AMBER, behind=False),
}
_BARS_MM: Final = (100, 50, 20, 10, 5)


def draw_bodies(canvas: Canvas, view: FilmView, reading: Reading, index: str | None) -> None:
    """All bodies with the index vertebra marked, the names beside their posterior walls."""
    for vertebra in reading.vertebrae:
        colour = ORANGE if vertebra.level == index else BLUE
        at = {name: view.to_picture(vertebra.point(name)) for name in POINTS}
        _draw_outline(canvas, vertebra, at, colour, strong=vertebra.level == index)
        _draw_ellipses(canvas, view, vertebra, at, colour)
        for name in POINTS:
            if vertebra.has(name):
                canvas.dot(at[name], colour, 2.2 if name.endswith("middle") else 3.4)
    for vertebra in reading.vertebrae:
        _draw_name(canvas, view, vertebra, index)


def draw_angles(
    canvas: Canvas, view: FilmView, reading: Reading, index: str | None
) -> tuple[Measurement, ...]:
    """Regional kyphosis behind the spine and vertebral kyphosis in front of it.

    Returns those that could be drawn.
    """
    bodies = {v.level: v for v in reading.vertebrae}
    drawn = []
    for name, style in ANGLE_STYLES.items():
        angle = find(reading.measurements, name, index)
        if angle is not None and _draw_angle(canvas, view, bodies, angle, style):
            drawn.append(angle)
    return tuple(drawn)


def draw_scale_bar(canvas: Canvas, view: FilmView, reading: Reading) -> None:
    """Bar at the lower left, only with a calibration; the label says what kind of mm."""
    if not math.isfinite(view.mm_per_pixel):
        return
    width, height = canvas.size
    lengths = [(mm, mm / view.mm_per_pixel) for mm in _BARS_MM]
    fitting = [pair for pair in lengths if pair[1] <= 0.35 * width]
    if not fitting:
        return
    mm, pixels = fitting[0]
    u = canvas.unit
    x, y = 22.0 * u, height - 24.0 * u
    canvas.line((x, y), (x + pixels, y), WHITE, 2.5)
    for end in (x, x + pixels):
        canvas.line((end, y - 6 * u), (end, y + 6 * u), WHITE, 2.5)
    text = f"{mm} {length_unit(reading.calibration)}"
    canvas.tag((x + pixels / 2, y - 20 * u), text, WHITE, 15)


def _draw_outline(
    canvas: Canvas, vertebra: Vertebra, at: dict[str, FloatArray], colour: Colour, strong: bool
) -> None:
    if vertebra.has(*CORNERS):
        outline = np.array([at[name] for name in CORNERS])
        canvas.shade(outline, colour, 0.16 if strong else 0.07)
    for side in ("anterior", "posterior"):
        if vertebra.has(f"superior_{side}", f"inferior_{side}"):
            wall = [at[f"superior_{side}"], at[f"inferior_{side}"]]
            canvas.path(wall, colour, 1.0, alpha=0.55)
    for side in ("superior", "inferior"):
        ends = (f"{side}_posterior", f"{side}_anterior")
        if vertebra.has(*ends):
            middle = at[f"{side}_middle"] if vertebra.has(f"{side}_middle") else None
            canvas.path(_endplate(at[ends[0]], middle, at[ends[1]]), colour, 2.2)


def _endplate(start: FloatArray, middle: FloatArray | None, end: FloatArray) -> list[FloatArray]:
    """Straight without a middle point, else the parabola through the three points."""
    if middle is None:
        return [start, end]
    steps = np.linspace(0.0, 1.0, 21)[:, None]
    curve = (
        start * (1 - steps) * (1 - 2 * steps)
        + middle * 4 * steps * (1 - steps)
        + end * steps * (2 * steps - 1)
    )
    return list(curve)


def _draw_ellipses(
    canvas: Canvas, view: FilmView, vertebra: Vertebra, at: dict[str, FloatArray], colour: Colour
) -> None:
    if vertebra.covariance is None:
        return
    for i, name in enumerate(POINTS):
        if vertebra.has(name):
            block = vertebra.covariance[2 * i : 2 * i + 2, 2 * i : 2 * i + 2]
            canvas.ellipse(at[name], view.spread(block), _ELLIPSE_90, colour)


def _draw_name(canvas: Canvas, view: FilmView, vertebra: Vertebra, index: str | None) -> None:
    at = view.to_picture(vertebra.points)
    back = _backwards(at)
    posterior = at[[2, 3]][np.isfinite(at[[2, 3], 0])]
    if back is None or not len(posterior):
        return
    name = vertebra.level
    if vertebra.level_probability < _SURE:  # false for NaN: not estimated is no doubt
        name += "?"
    size = 20.0 if vertebra.level == index else 17.0
    away = (14.0 + 0.75 * size) * canvas.unit
    colour = ORANGE if vertebra.level == index else WHITE
    canvas.tag(posterior.mean(axis=0) + back * away, name, colour, size)


def _backwards(at: FloatArray) -> FloatArray | None:
    """Unit vector from the front to the back of a body, None without an endplate."""
    lines = np.array([at[2] - at[0], at[3] - at[5]])
    lines = lines[np.isfinite(lines[:, 0])]
    if not len(lines):
        return None
    mean = lines.mean(axis=0)
    out: FloatArray = mean / max(float(np.hypot(*mean)), 1e-9)
    return out


def _draw_angle(
    canvas: Canvas,
    view: FilmView,
    bodies: dict[str, Vertebra],
    measurement: Measurement,
    style: AngleStyle,
) -> bool:
    """Both lines drawn out to one side, and joined there by the arc of their angle."""
    lines = [_line(view, bodies, text) for text in measurement.between]
    upper, lower = lines if len(lines) == 2 else (None, None)
    if upper is None or lower is None:
        return False
    depth = float(np.hypot(*(upper[1] - upper[0])) + np.hypot(*(lower[1] - lower[0]))) / 2
    reach = 0.95 * depth + 30.0 * canvas.unit if style.behind else 0.5 * depth
    # From the far end of each endplate to the end at the side of the arc.
    spans = [line[::-1] if style.behind else line for line in (upper, lower)]
    outwards = [(s[1] - s[0]) / max(float(np.hypot(*(s[1] - s[0]))), 1e-9) for s in spans]
    arc = _arc(spans[0][1], outwards[0], spans[1][1], outwards[1], reach)
    for span, tip in zip(spans, (arc[0], arc[-1]), strict=True):
        canvas.path([span[0], span[1]], style.colour, 1.4)
        canvas.dashes(span[1], tip, style.colour, 1.4)
    canvas.path(arc, style.colour, 2.0)
    text = f"{style.short} {value_text(measurement)} {plus_minus(measurement)}".rstrip()
    _label_arc(canvas, arc, (outwards[0] + outwards[1]) / 2, text, style.colour)
    return True


def _label_arc(
    canvas: Canvas, arc: list[FloatArray], outwards: FloatArray, text: str, colour: Colour
) -> None:
    """Tag outside the arc, or below its lower end where the film ends there."""
    width, height = canvas.tag_size(text, 17)
    middle = arc[len(arc) // 2]
    away = 8 * canvas.unit + (width * abs(outwards[0]) + height * abs(outwards[1])) / 2
    centre = middle + outwards * away
    if not width / 2 <= centre[0] <= canvas.size[0] - width / 2:
        centre = arc[-1] + np.array([0.0, 20 * canvas.unit + height / 2])
    canvas.tag(centre, text, colour, 17)


def _line(view: FilmView, bodies: dict[str, Vertebra], text: str) -> FloatArray | None:
    """(2, 2) posterior and anterior end of an endplate named like ``sup(L1)``, in the picture."""
    match = _LINE.fullmatch(text)
    body = bodies.get(match[2]) if match else None
    if match is None or body is None or not body.has(*_ENDS[match[1]]):
        return None
    return view.to_picture(np.array([body.point(name) for name in _ENDS[match[1]]]))


def _arc(
    a: FloatArray, u: FloatArray, b: FloatArray, v: FloatArray, reach: float
) -> list[FloatArray]:
    """Points from the tip of one line to that of the other, `reach` beyond the bodies.

    The lines leave the bodies at `a` and `b` in the directions `u` and `v` of length 1. They are
    joined by an arc about the point where they meet; where that is near, or the lines are all
    but parallel, by a straight line.
    """
    straight = [a + u * reach, (a + u * reach + b + v * reach) / 2, b + v * reach]
    cross = float(u[0] * v[1] - u[1] * v[0])
    if abs(cross) < math.sin(math.radians(0.5)):
        return straight
    to_a = -float((b - a)[0] * v[1] - (b - a)[1] * v[0]) / cross
    centre = a - u * to_a
    to_b = float((b - centre) @ v)
    tip = max(to_a, to_b) + reach  # place along both lines, negative: they meet beyond it
    if to_a * to_b <= 0.0 or (to_a < 0.0 and tip > -0.2 * reach):
        return straight
    start, turn = math.atan2(u[1], u[0]), math.atan2(cross, float(u @ v))
    steps = start + turn * np.linspace(0.0, 1.0, 25)
    return [centre + tip * np.array([math.cos(t), math.sin(t)]) for t in steps]
