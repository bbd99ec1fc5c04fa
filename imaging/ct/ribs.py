"""How far bone reaches sideways from a vertebra: ribs tell thoracic from lumbar ones."""

from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.volume import Volume

__all__ = ["REACH", "lateral_reach"]

#: Farthest that is looked at, mm to the side.
REACH: Final = 75.0
#: Step of the search, mm.
_STEP: Final = 1.5
#: Hounsfield units from which a voxel counts as bone.
_BONE: Final = 130.0
#: Where bone is followed, mm from the middle of the body: from beside the middle outwards;
#: behind the middle, so that the aorta and filled vessels before the spine stay out; and as far
#: down as the lowest ribs have fallen at that distance.
_ASIDE: Final = 9.0
_FRONT: Final = (-55.0, -4.0)
_UP: Final = (-30.0, 18.0)
#: Bone of the vertebra itself: nearer than this to the side, to the back, and up or down; mm.
_OWN: Final = (15.0, -28.0, 14.0)
#: Least part of what lies beyond a transverse process that the volume must hold.
_SEEN: Final = 0.8
_BEYOND: Final = 50.0

_Bools = npt.NDArray[np.bool_]


def lateral_reach(ct: Volume, centre: FloatArray, axes: FloatArray) -> FloatArray:
    """Follow bone from a vertebra to the left and to the right.

    Parameters
    ----------
    centre : (3,) array
        Middle of the body, LPS mm.
    axes : (3, 3) array
        Rows: unit vectors to the left, front and up of this body.

    Returns
    -------
    (2,) array
        How far the bone that hangs together with the vertebra reaches to the left and to the
        right, mm, at most `REACH`; NaN where the volume does not show what lies beside it.
    """
    return np.array([_one_side(ct, centre, axes, side) for side in (1.0, -1.0)])


def _one_side(ct: Volume, centre: FloatArray, axes: FloatArray, side: float) -> float:
    aside = np.arange(_ASIDE, REACH + 1e-6, _STEP)
    front = np.arange(_FRONT[0], _FRONT[1] + 1e-6, _STEP)
    up = np.arange(_UP[0], _UP[1] + 1e-6, _STEP)
    grid = np.stack(np.meshgrid(aside, front, up, indexing="ij"), axis=-1)
    places = (grid * np.array([side, 1.0, 1.0])) @ axes + centre
    at = ct.to_indices(places[aside > _BEYOND])
    if ((at >= 0) & (at <= np.array(ct.size) - 1)).all(axis=-1).mean() < _SEEN:
        return float("nan")
    bone: _Bools = ct.sample(places) > _BONE
    own = (grid[..., 0] < _OWN[0]) & (grid[..., 1] > _OWN[1]) & (np.abs(grid[..., 2]) < _OWN[2])
    reached = np.flatnonzero(_connected(bone & own, bone).any(axis=(1, 2)))
    return float(aside[reached[-1]]) if len(reached) else 0.0


def _connected(start: _Bools, within: _Bools) -> _Bools:
    """What of a mask hangs together, face to face, with some of its places."""
    out = np.pad(start & within, 1)
    room = np.pad(within, 1)
    count = -1
    while (now := int(out.sum())) != count:
        count = now
        for axis in range(3):
            out |= np.roll(out, 1, axis) | np.roll(out, -1, axis)
            out &= room
    return out[1:-1, 1:-1, 1:-1]
