"""Drawing on a colour picture with OpenCV: text, lines, arcs and ellipses with a dark edge.

Positions are (x, y) in pixels of the picture and may be fractions; colours are blue, green, red.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray

__all__ = [
    "AMBER",
    "BLUE",
    "DARK",
    "GREEN",
    "GREY",
    "ORANGE",
    "PINK",
    "RED",
    "WHITE",
    "XY",
    "Canvas",
    "Colour",
    "Picture",
    "text_size",
    "wrap_text",
]

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
XY = tuple[float, float] | FloatArray

# The colours of Okabe and Ito, which stay apart in all common kinds of colour blindness.
BLUE: Final[Colour] = (233, 180, 86)
ORANGE: Final[Colour] = (0, 159, 230)
GREEN: Final[Colour] = (115, 158, 0)
AMBER: Final[Colour] = (66, 228, 240)
RED: Final[Colour] = (0, 94, 213)
PINK: Final[Colour] = (196, 148, 226)
WHITE: Final[Colour] = (245, 245, 245)
GREY: Final[Colour] = (165, 160, 155)
DARK: Final[Colour] = (28, 22, 18)

#: Fractional bits of OpenCV's drawing functions.
_SHIFT: Final = 4
_FONT: Final = cv2.FontFace("sans")


def text_size(text: str, size: int, weight: int = 400) -> tuple[int, int]:
    """Width and height in pixels of a line of text; the height is that of capitals."""
    if not text:
        return 0, round(0.72 * size)
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _FONT, size, weight)
    return int(width), round(0.72 * size)


def wrap_text(text: str, width: int, size: int, weight: int = 400) -> list[str]:
    """Lines of at most `width` pixels; a word that is too long is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if text_size(longer, size, weight)[0] <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and text_size(word, size, weight)[0] > width:
            fits = max(1, int(len(word) * width / text_size(word, size, weight)[0]) - 1)
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line] if line else lines


@dataclass
class Canvas:
    """A picture that is drawn on in place.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        Blue, green, red.
    unit : float
        Pixels of one unit of size: widths of lines and sizes of text are given in units, so
        that pictures of any size look alike.
    """

    picture: Picture
    unit: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.picture.shape[1], self.picture.shape[0]

    def line(self, start: XY, end: XY, colour: Colour, width: float = 2.0) -> None:
        """Straight line."""
        self.path([start, end], colour, width)

    def path(
        self, points: Sequence[XY], colour: Colour, width: float = 2.0, alpha: float = 1.0
    ) -> None:
        """Open polygon with a dark edge that keeps it visible on bright bone."""
        at = [np.round(np.array(points) * 2**_SHIFT).astype(np.int32)]
        thick = max(1, round(width * self.unit))

        def draw(picture: Picture) -> None:
            edge = thick + max(2, round(1.6 * self.unit))
            cv2.polylines(picture, at, False, DARK, edge, cv2.LINE_AA, _SHIFT)
            cv2.polylines(picture, at, False, colour, thick, cv2.LINE_AA, _SHIFT)

        self._blend(draw, alpha, np.array(points), width)

    def dashes(self, start: XY, end: XY, colour: Colour, width: float = 1.5) -> None:
        """Dashed straight line."""
        a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        length = float(np.hypot(*(b - a)))
        step = 9.0 * self.unit
        count = max(1, int(length / step))
        for i in range(0, count, 2):
            self.path([a + (b - a) * i / count, a + (b - a) * (i + 1) / count], colour, width)

    def dot(self, at: XY, colour: Colour, radius: float = 3.5) -> None:
        """Filled disc with a dark edge."""
        centre = tuple(round(float(v) * 2**_SHIFT) for v in at)
        r = radius * self.unit
        for size, ink in ((r + 1.3 * self.unit, DARK), (r, colour)):
            bits = round(size * 2**_SHIFT)
            cv2.circle(self.picture, centre, bits, ink, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def ellipse(self, at: XY, covariance: FloatArray, scale: float, colour: Colour) -> None:
        """Outline and light filling of `scale` standard deviations of a (2, 2) covariance."""
        if not np.isfinite(covariance).all():
            return
        values, vectors = np.linalg.eigh(covariance)
        axes = scale * np.sqrt(np.maximum(values, 0.0))
        turn = np.linspace(0.0, 2.0 * math.pi, 49)
        circle = np.stack([np.cos(turn) * axes[0], np.sin(turn) * axes[1]])
        outline = (np.asarray(at, dtype=float)[:, None] + vectors @ circle).T
        bits = [np.round(outline * 2**_SHIFT).astype(np.int32)]

        def fill(picture: Picture) -> None:
            cv2.fillPoly(picture, bits, colour, cv2.LINE_AA, _SHIFT)

        def edge(picture: Picture) -> None:
            thick = max(1, round(self.unit))
            cv2.polylines(picture, bits, True, colour, thick, cv2.LINE_AA, _SHIFT)

        self._blend(fill, 0.28, outline, 1.0)
        self._blend(edge, 0.8, outline, 2.0)

    def shade(self, polygon: FloatArray, colour: Colour, alpha: float) -> None:
        """Lightly filled polygon."""
        bits = [np.round(polygon * 2**_SHIFT).astype(np.int32)]
        self._blend(
            lambda picture: cv2.fillPoly(picture, bits, colour, cv2.LINE_AA, _SHIFT),
            alpha,
            polygon,
            1.0,
        )

    def box(self, corner: XY, size: tuple[float, float], colour: Colour, alpha: float) -> None:
        """Filled rectangle; `corner` is its top left."""
        x, y = corner
        w, h = size
        self.shade(np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]), colour, alpha)

    def text(
        self, at: XY, text: str, colour: Colour, size: float = 16.0, weight: int = 500
    ) -> float:
        """Text whose baseline starts at `at`; returns its width in pixels."""
        pixels = max(8, round(size * self.unit))
        org = (round(float(at[0])), round(float(at[1])))
        cv2.putText(self.picture, text, org, colour, _FONT, pixels, weight)
        return float(text_size(text, pixels, weight)[0])

    def tag_size(self, text: str, size: float = 16.0) -> tuple[float, float]:
        """Width and height of a tag in pixels."""
        pixels = max(8, round(size * self.unit))
        width, height = text_size(text, pixels, 600)
        return width + 0.76 * pixels, height + 0.76 * pixels

    def tag(self, centre: XY, text: str, colour: Colour, size: float = 16.0) -> None:
        """Text on a dark plate, centred at `centre` and moved so that it is on the picture."""
        whole = np.array(self.tag_size(text, size))
        low, high = whole / 2 + 2, np.array(self.size) - whole / 2 - 2
        at = np.minimum(np.maximum(np.asarray(centre, dtype=float), low), np.maximum(low, high))
        self.box(tuple(at - whole / 2), (whole[0], whole[1]), DARK, 0.72)
        width, height = text_size(text, max(8, round(size * self.unit)), 600)
        self.text((at[0] - width / 2, at[1] + height / 2), text, colour, size, 600)

    def _blend(
        self, draw: Callable[[Picture], object], alpha: float, points: FloatArray, width: float
    ) -> None:
        """Draw on a copy of the touched part and mix it in."""
        if alpha >= 1.0:
            draw(self.picture)
            return
        margin = 4.0 + 4.0 * width * self.unit
        w, h = self.size
        x0, y0 = np.floor(points.min(axis=0) - margin).astype(int)
        x1, y1 = np.ceil(points.max(axis=0) + margin).astype(int)
        x0, x1 = max(0, x0), min(w, x1)
        y0, y1 = max(0, y0), min(h, y1)
        if x0 >= x1 or y0 >= y1:
            return
        before = self.picture[y0:y1, x0:x1].copy()
        draw(self.picture)
        part = self.picture[y0:y1, x0:x1]
        part[:] = cv2.addWeighted(part, alpha, before, 1.0 - alpha, 0.0)
