"""The centre line laid anew through bodies that were found on a first sheet."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.curve import CentreLine, centre_line
from endplate.imaging.ct.slab import Slab
from endplate.imaging.ct.symmetry import made_symmetric
from endplate.imaging.ct.volume import Volume

__all__ = ["relaid_line"]

#: Least reach of the line beyond the first and the last body, mm.
_LEAST_REACH: Final = 12.0
#: Middles of neighbouring bodies lie at least so far below each other, mm.
_LEAST_STEP: Final = 8.0
#: Fewest bodies that tell more of the line than the canal did.
_FEWEST: Final = 3


def relaid_line(ct: Volume, sheet: Slab, bodies: Sequence[FloatArray]) -> CentreLine:
    """Line through the middles of bodies, each looked for anew about where a sheet shows it.

    The line that a sheet was cut along comes from the canal, over lengths of 24 mm, and goes
    straight on at its ends. Where the bodies are known, it is laid through each of them: the
    middle and the direction to the front are those about which the two halves of the spine at
    that body are most alike.

    Parameters
    ----------
    sheet : Slab
        On which the bodies were found.
    bodies : sequence of (6, 2) array
        Points in pixels of the sheet, head to foot; rough ones will do.

    Returns
    -------
    CentreLine
        As long as the former one. That of the sheet itself, if fewer than three bodies lie
        below each other.
    """
    former = sheet.line
    centres: list[FloatArray] = []
    fronts: list[FloatArray] = []
    for points in bodies:
        axes = sheet.axes_of(points)
        middle = sheet.to_patient(points[[0, 2, 3, 5]].mean(axis=0))
        centre, front = made_symmetric(ct, middle, axes[1], axes[2])
        if not centres or (centres[-1] - centre) @ former.axes[2] > _LEAST_STEP:
            centres.append(centre)
            fronts.append(front)
    if len(centres) < _FEWEST:
        return former
    height = (np.array([centres[0], centres[-1]]) - former.origin) @ former.axes[2]
    reach = (
        max(float(former.height[0] - height[0]), _LEAST_REACH),
        max(float(height[1] - former.height[-1]), _LEAST_REACH),
    )
    return centre_line(centres, fronts, reach)
