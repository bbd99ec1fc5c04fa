"""Which bodies a simulated film shows whole, and which in part."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray, Vertebra

__all__ = ["Corners", "corner_list", "sorted_out"]

Corners = list[list[float] | list[None]]
"""x, y of four corners in the order of `CORNERS`; those that there are not, as on S1, are None."""

_CORNER_ROWS: Final = [0, 2, 3, 5]


def corner_list(points: FloatArray) -> Corners:
    """Corners of the (6, 2) points of a body, as they stand in files."""
    return [
        [round(float(v), 2) for v in xy] if np.isfinite(xy).all() else [None, None]
        for xy in points[_CORNER_ROWS]
    ]


def sorted_out(
    bodies: Iterable[Vertebra],
    shape: tuple[int, ...],
    covered: npt.NDArray[np.uint8] | None = None,
) -> tuple[tuple[Vertebra, ...], tuple[Vertebra, ...]]:
    """Bodies that show all their points, and those that are on the film but do not.

    Parameters
    ----------
    shape : (rows, columns)
        Of the film.
    covered : (rows, columns) array or None
        Not 0 where the film shows nothing, as under a collimator.
    """
    whole: list[Vertebra] = []
    cut: list[Vertebra] = []
    last = np.array([shape[1] - 1, shape[0] - 1])
    for body in bodies:
        points = body.points[np.isfinite(body.points[:, 0])]
        seen = ((points >= 0) & (points <= last)).all(axis=1)
        if not seen.any():
            continue
        if covered is not None:
            x, y = np.clip(points.round().astype(int), 0, last).T
            seen &= covered[y, x] == 0
        (whole if seen.all() else cut).append(body)
    return tuple(whole), tuple(cut)
