"""Edges of a body in its mid-sagittal strip, from a label and the grey values beside its edge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.bodyframe import BodyFrame, Mask
from endplate.imaging.ct.volume import Volume

__all__ = [
    "REACH_UP",
    "ROUGH_STEP",
    "STEP",
    "Section",
    "edges",
    "median_of",
    "section_of",
]

#: Step of the final profiles, and of those on the way to the axes; mm.
STEP: Final = 0.5
ROUGH_STEP: Final = 1.0
#: Half width of the mid-sagittal strip, mm.
_STRIP: Final = 5.0
#: Farthest that a body reaches from its centre: up or down, front or back; mm.
REACH_UP: Final = 26.0
_REACH_FRONT: Final = 34.0
#: Least step of Hounsfield units from inside to outside for an edge to be moved.
_CONTRAST: Final = 40.0
#: How far edges are moved, in voxels.
_FARTHEST: Final = 0.7


@dataclass(frozen=True, eq=False)
class Section:
    """Mid-sagittal section: edges over a grid, in mm from the centre; NaN where there is none."""

    front: FloatArray
    top: FloatArray
    bottom: FloatArray
    up: FloatArray
    ahead: FloatArray
    behind: FloatArray
    voxel: float
    sharp: bool


def section_of(
    mask: Mask, frame: BodyFrame, step: float = STEP, ct: Volume | None = None
) -> Section:
    """Edges of the body in the strip around the mid-sagittal plane."""
    lateral = np.arange(-_STRIP, _STRIP + 1e-6, 2.5)
    front = np.arange(-_REACH_FRONT, _REACH_FRONT + 1e-6, step)
    up = np.arange(-REACH_UP, REACH_UP + 1e-6, step)
    f, u = np.meshgrid(front, up)
    places = [
        frame.to_patient(np.stack([np.full_like(f, side), f, u], axis=-1)) for side in lateral
    ]
    share = np.mean([mask.sample(p) for p in places], axis=0)
    grey = None if ct is None else np.mean([ct.sample(p) for p in places], axis=0)
    voxels = _voxel_along(mask.volume, frame.axes)

    def profile(turn: Callable[[FloatArray], FloatArray], along: FloatArray, k: int) -> FloatArray:
        edge = edges(turn(share), along, len(along) // 2)
        return edge if grey is None else _sharpened(edge, turn(grey), along, float(voxels[k]))

    top = profile(lambda m: m, up, 2)
    bottom = -profile(lambda m: m[::-1], -up[::-1], 2)
    ahead = profile(lambda m: m.T, front, 1)
    behind = -profile(lambda m: m[:, ::-1].T, -front[::-1], 1)
    return Section(front, top, bottom, up, ahead, behind, float(voxels[1:].max()), ct is not None)


def _voxel_along(volume: Volume, axes: FloatArray) -> FloatArray:
    """(3,) extent of a voxel along each axis, mm."""
    out: FloatArray = np.abs(axes @ volume.affine[:3, :3]).max(axis=1)
    return out


def _sharpened(edge: FloatArray, grey: FloatArray, places: FloatArray, voxel: float) -> FloatArray:
    """Move edges to where grey values fall halfway from inside to outside.

    Parameters
    ----------
    edge : (columns,) array
        Places of the edges, NaN where there is none.
    grey : (rows, columns) array
        Hounsfield units over `places`, which ascend outwards.
    voxel : float
        Size of a voxel along the columns, mm: edges move by no more.
    """
    offsets = np.arange(-voxel - 4.0, voxel + 3.01, 0.25)
    rows = (edge[None, :] + offsets[:, None] - places[0]) / (places[1] - places[0])
    usable = np.isfinite(rows).all(axis=0) & (rows >= 0).all(axis=0)
    usable &= (rows < len(places) - 1).all(axis=0)
    columns = np.flatnonzero(usable)
    if len(columns) == 0:
        return edge
    at = rows[:, columns]
    low = at.astype(int)
    part = at - low
    values = grey[low, columns] * (1 - part) + grey[low + 1, columns] * part
    inner = _smoothed(np.median(values[offsets < -voxel - 1.0], axis=0))
    outer = _smoothed(np.median(values[offsets > voxel + 0.5], axis=0))
    middle = (inner + outer) / 2
    moves = np.full(edge.shape, np.nan)
    near = np.abs(offsets) <= _FARTHEST * voxel + 0.3
    for n, column in enumerate(columns):
        if inner[n] - outer[n] < _CONTRAST:
            continue
        v, d = values[near, n], offsets[near]
        falls = np.flatnonzero((v[:-1] >= middle[n]) & (v[1:] < middle[n]))
        if len(falls):
            k = falls[np.argmin(np.abs(d[falls]))]
            step = (v[k] - middle[n]) / (v[k] - v[k + 1])
            moves[column] = d[k] + step * (d[k + 1] - d[k])
    return edge + _neighbourly(moves)


def _neighbourly(moves: FloatArray) -> FloatArray:
    """Median of each move and its neighbours over 4 mm: edges are smooth. 0 where none is known."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(moves, 4, mode="edge"), 9)
    known = np.isfinite(windows).sum(axis=1) >= 4
    out = np.zeros(moves.shape)
    out[known] = np.nanmedian(windows[known], axis=1)
    return out


def _smoothed(values: FloatArray) -> FloatArray:
    """Running median over nine columns."""
    padded = np.pad(values, 4, mode="edge")
    out: FloatArray = np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), axis=1)
    return out


def edges(share: npt.NDArray[np.floating], places: FloatArray, middle: int) -> FloatArray:
    """For each column, where the share first falls below one half beyond the middle row.

    Columns that are empty at the middle, or that do not end, are NaN.
    """
    beyond = share[middle:]
    below = beyond < 0.5
    first = np.argmax(below, axis=0)
    out = np.full(share.shape[1], np.nan)
    good = (first > 0) & below.any(axis=0)
    columns = np.flatnonzero(good)
    row = first[good]
    high, low = beyond[row - 1, columns], beyond[row, columns]
    part = (high - 0.5) / np.maximum(high - low, 1e-6)
    step = places[1] - places[0]
    out[good] = places[middle] + (row - 1 + part) * step
    return out


def median_of(values: FloatArray) -> float:
    """Median of what is not NaN, NaN if all is."""
    seen = values[np.isfinite(values)]
    return float(np.median(seen)) if len(seen) else float("nan")
