"""Lines of a presentation state, cut off where they leave the film.

The standard wants coordinates between 0\\0 and Columns\\Rows (PS3.3 C.10.5), while points of a body
at the edge may lie outside, and lines that are drawn out often end there.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray

__all__ = ["LineCutter"]

_HALF_PIXEL: Final = 0.5


@dataclass(frozen=True, slots=True)
class LineCutter:
    """Cuts lines at the edges of a film.

    Parameters
    ----------
    columns, rows : int
        Size of the film in pixels.
    """

    columns: int
    rows: int

    def polylines(self, points: FloatArray) -> list[FloatArray]:
        """The parts of a line that lie on the film.

        Parameters
        ----------
        points : array (N, 2)
            x and y from the centre of the first pixel.

        Returns
        -------
        list of array (M, 2), M > 1
            x and y from the outer corner of the first pixel; none if the line lies outside.
        """
        out: list[list[FloatArray]] = []
        for start, end in pairwise(points + _HALF_PIXEL):
            part = self._part(start, end)
            if part is None:
                continue
            if out and np.array_equal(out[-1][-1], part[0]):
                out[-1].append(part[1])
            else:
                out.append(list(part))
        return [np.array(line) for line in out]

    def _part(self, start: FloatArray, end: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """The part of a segment on the film (Liang and Barsky, ACM Trans. Graph. 3, 1984)."""
        step = end - start
        first, last = 0.0, 1.0
        limits = np.array([self.columns, self.rows], dtype=np.float64)
        for way, room in ((-step, start), (step, limits - start)):
            for speed, distance in zip(way, room, strict=True):
                if speed == 0:
                    if distance < 0:
                        return None
                elif speed < 0:
                    first = max(first, distance / speed)
                else:
                    last = min(last, distance / speed)
        if first >= last:
            return None
        cut = (
            (start if first == 0 else start + first * step),
            (end if last == 1 else start + last * step),
        )
        a, b = (np.clip(point, 0.0, limits) for point in cut)
        return a, b
