"""Texts of a presentation state, each in a box of its own on the film.

Where a text has an anchor point only, the viewer chooses the place, and some choose one half a
vertebra away: a name then stands beside the wrong body. So every text gets a box.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.reports.dicom import gsps_items

__all__ = ["TextPlacer"]

_HALF_PIXEL: Final = 0.5
#: Height of a line in terms of the longer side of the film, and width of a letter in lines.
_LINE: Final = 0.015
_LETTER: Final = 0.48
_MARGIN: Final = 0.01


@dataclass(frozen=True, slots=True)
class TextPlacer:
    """Makes texts in boxes that lie on the film, as encoded items (`gsps_items.text`).

    Parameters
    ----------
    columns, rows : int
        Size of the film in pixels.
    """

    columns: int
    rows: int

    @property
    def line(self) -> float:
        """Height of a line of text in pixels."""
        return _LINE * max(self.columns, self.rows)

    def beside(self, words: str, at: FloatArray, rightwards: bool) -> bytes:
        """One line that begins at a point (x, y), or ends there if it is not to go rightwards.

        It is moved as far as it would leave the film.
        """
        width = self._width(words)
        left = float(at[0]) if rightwards else float(at[0]) - width
        return self._box(words, left, float(at[1]) - self.line / 2, rightwards)

    def corner(self, lines: list[str], right: bool) -> bytes:
        """Lines in the upper left or upper right corner."""
        width = max(self._width(words) for words in lines)
        return self._box("\r\n".join(lines), self.columns - width if right else 0.0, 0.0, True)

    def _width(self, words: str) -> float:
        return (len(words) + 1) * _LETTER * self.line

    def _box(self, words: str, left: float, top: float, leftmost: bool) -> bytes:
        """The text in a box with that upper left corner, moved onto the film."""
        lines = words.split("\r\n")
        margin = _MARGIN * max(self.columns, self.rows)
        width = min(max(self._width(w) for w in lines), self.columns - 2 * margin)
        height = min(1.15 * self.line * len(lines), self.rows - 2 * margin)
        left = min(max(left + _HALF_PIXEL, margin), self.columns - margin - width)
        top = min(max(top + _HALF_PIXEL, margin), self.rows - margin - height)
        corners = np.array([[left, top], [left + width, top + height]])
        return gsps_items.text(words, corners, leftmost)
