"""Draw the diagrams of docs/measures.md; run it from the root of the repository.

The values printed in the diagrams are measured by endplate on the points drawn.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measure import measure

_FOLDER: Final = Path("docs") / "images"
_BODY: Final = 'fill="#f3ead8" stroke="#6b5b3e" stroke-width="2" stroke-linejoin="round"'
_TEXT: Final = 'font-family="sans-serif" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
_BLUE, _RED, _GREEN, _GREY = "#1f5fa8", "#b3261e", "#2e7d32", "#444444"


def main() -> None:
    """Write both diagrams."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / "six-points.svg").write_text(_page(560, 390, _six_points()), encoding="utf-8")
    (_FOLDER / "angles.svg").write_text(_page(880, 530, _angles()), encoding="utf-8")


def _page(width: int, height: int, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    size = f' width="{width}" height="{height}">'
    return "\n".join(
        [head + size, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"]
    )


def _line(a: FloatArray, b: FloatArray, colour: str, width: float = 2, dash: str = "") -> str:
    (x1, y1), (x2, y2) = a, b
    style = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        f' stroke="{colour}" stroke-width="{width}"{style}/>'
    )


def _text(
    at: FloatArray, words: str, colour: str = _GREY, anchor: str = "start", size: int = 15
) -> str:
    style = _TEXT.format(size=size, colour=colour, anchor=anchor)
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" {style}>{words}</text>'


def _dot(at: FloatArray) -> str:
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="5" fill="{_RED}"/>'


def _outline(points: FloatArray) -> str:
    """Body with endplates that sag to their middle points."""
    sa, sm, sp, ip, im, ia = points
    over, under = 2 * sm - (sa + sp) / 2, 2 * im - (ia + ip) / 2
    xy = [f"{p[0]:.1f} {p[1]:.1f}" for p in (sa, over, sp, ip, under, ia)]
    path = f"M {xy[0]} Q {xy[1]} {xy[2]} L {xy[3]} Q {xy[4]} {xy[5]} Z"
    return f'<path d="{path}" {_BODY}/>'


def _six_points() -> list[str]:
    points = np.array(
        [[130, 105], [270, 100], [410, 70], [420, 300], [275, 268], [140, 285]], dtype=float
    )
    names = (
        ("superior_anterior (SA)", (-6, -14), "middle"),
        ("superior_middle (SM)", (0, -14), "middle"),
        ("superior_posterior (SP)", (10, -14), "middle"),
        ("inferior_posterior (IP)", (10, 26), "middle"),
        ("inferior_middle (IM)", (0, 26), "middle"),
        ("inferior_anterior (IA)", (-10, 26), "middle"),
    )
    out = [_outline(points)]
    for (top, bottom), name in (((0, 5), "Ha"), ((1, 4), "Hm"), ((2, 3), "Hp")):
        out.append(_line(points[top], points[bottom], _BLUE, 2, "6 4"))
        out.append(_text((points[top] + points[bottom]) / 2 + [8, 5], name, _BLUE, size=18))
    out.append(_line(points[0], points[2], _GREEN, 2, "2 4"))
    out.append(_line(points[5], points[3], _GREEN, 2, "2 4"))
    out.append(_text(np.array([160, 132.0]), "depth_sup", _GREEN))
    out.append(_text(np.array([180, 308.0 - 4]), "depth_inf", _GREEN))
    # The outer labels are moved apart: they are longer than the body is wide.
    shift = {0: (-20, 0), 1: (0, -32), 2: (20, 0), 3: (20, 0), 4: (0, 46), 5: (-20, 0)}
    for i, (name, offset, anchor) in enumerate(names):
        out.append(_dot(points[i]))
        at = points[i] + offset + shift[i]
        out.append(_text(at, name, _GREY, anchor, 13))
    out.append(_text(np.array([20.0, 195]), "front", _GREY, size=16))
    out.append(_text(np.array([480.0, 195]), "back", _GREY, size=16))
    return out


def _spine() -> list[Vertebra]:
    """T12 to L2 of a patient who faces left, L1 wedged; tilts are forward and down."""
    width, disc = 190.0, 26.0
    tilts = {"T12": (15.0, 12.5), "L1": (11.0, -2.3), "L2": (-6.0, -7.0)}
    posterior = np.array([330.0, 50.0])
    out = []
    for level, (upper, lower) in tilts.items():
        sp = posterior
        ip = sp + 125 * _down(upper)
        sa, ia = sp + width * _forward(upper), ip + width * _forward(lower)
        middles = (sa + sp) / 2 + 4 * _down(upper), (ia + ip) / 2 - 4 * _down(lower)
        out.append(Vertebra(level, np.array([sa, middles[0], sp, ip, middles[1], ia])))
        posterior = ip + disc * _down(lower)
    return out


def _forward(tilt: float) -> FloatArray:
    return np.array([-math.cos(math.radians(tilt)), math.sin(math.radians(tilt))])


def _down(tilt: float) -> FloatArray:
    return np.array([math.sin(math.radians(tilt)), math.cos(math.radians(tilt))])


def _angles() -> list[str]:
    spine = _spine()
    value = {m.name: m.value for m in measure(spine, UNCALIBRATED) if m.level == "L1"}
    out, ends = [], {}
    for v in spine:
        out.append(_outline(v.points))
        out.append(_text(v.centre + np.array([0, 7]), v.level, _GREY, "middle", 20))
    for v in spine:
        for landmark, (front, back) in (("sup", (0, 2)), ("inf", (5, 3))):
            a, b = v.points[front], v.points[back]
            unit = (b - a) / np.hypot(*(b - a))
            tip = b + 45 * unit
            out.append(_line(a - 45 * unit, tip, _RED, 1.5))
            ends[f"{landmark}({v.level})"] = tip
            out.append(_text(tip + np.array([5, 5]), f"{landmark}({v.level})", _RED, size=13))
    brackets = (
        ("vertebral_kyphosis_deg", "vertebral kyphosis", "sup(L1)", "inf(L1)"),
        ("gardner_mono_above_deg", "Gardner", "sup(T12)", "inf(L1)"),
        ("mono_below_deg", "mono-segmental below", "sup(L1)", "inf(L2)"),
        ("segment_inf_above_to_inf_deg", "mobile segment", "inf(T12)", "inf(L1)"),
        ("adjacent_endplates_deg", "adjacent endplates", "inf(T12)", "sup(L2)"),
        ("regional_kyphosis_deg", "regional kyphosis", "sup(T12)", "inf(L2)"),
    )
    for i, (name, label, upper, lower) in enumerate(brackets):
        x = 510.0 + 62 * i
        top, bottom = (np.array([x, ends[k][1]]) for k in (upper, lower))
        out.append(_line(top, bottom, _BLUE, 2))
        for tip in (top, bottom):
            out.append(_line(tip - [7, 0], tip, _BLUE, 2))
        middle = (top + bottom) / 2
        turned = f'<g transform="rotate(-90 {x + 18:.0f} {middle[1]:.0f})">'
        words = f"{label} {value[name]:+.1f}°"
        out.append(
            turned + _text(np.array([x + 18, middle[1]]), words, _BLUE, "middle", 13) + "</g>"
        )
    return out


if __name__ == "__main__":
    main()
