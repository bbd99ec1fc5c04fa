"""The six points of a vertebral body from its label, in its own mid-sagittal plane."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.errors import GeometryError
from endplate.geometry.fits import cross_lines, fit_line, fit_plane
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.bodyframe import BodyFrame, Mask, find_frame, upright_axes
from endplate.imaging.ct.volume import Volume

__all__ = ["LabelledBody", "body_points"]

#: Step of the final profiles, and of those on the way to the axes; mm.
_STEP: Final = 0.5
_ROUGH_STEP: Final = 1.0
#: Half width of the mid-sagittal strip, mm.
_STRIP: Final = 5.0
#: Farthest that a body reaches from its centre: up or down, front or back; mm.
_REACH_UP: Final = 26.0
_REACH_FRONT: Final = 34.0
#: Least step of Hounsfield units from inside to outside for an edge to be moved.
_CONTRAST: Final = 40.0
#: Part of the endplate beside a corner that its line is fitted to, and of the wall.
_NEAR: Final = 0.36
#: Rounding of the rim that is left out of the lines, mm.
_RIM: Final = 1.7


@dataclass(frozen=True, eq=False)
class LabelledBody:
    """Points of one body, from a label.

    Parameters
    ----------
    frame : BodyFrame
        Its axes; `up` is square to both endplates' mean.
    points_mm : (6, 3) array
        LPS, in the order of `POINTS`.
    normals : (2, 3) array
        Unit normals, upwards, of the superior and the inferior endplate's plane.
    roughness : float
        Root mean square distance of the profiles from their lines, mm.
    """

    frame: BodyFrame
    points_mm: FloatArray
    normals: FloatArray
    roughness: float


@dataclass(frozen=True, eq=False)
class _Section:
    """Mid-sagittal section: edges over a grid, in mm from the centre; NaN where there is none."""

    front: FloatArray
    top: FloatArray
    bottom: FloatArray
    up: FloatArray
    ahead: FloatArray
    behind: FloatArray


def body_points(
    mask: Mask, centre: FloatArray, up: FloatArray, ct: Volume | None = None
) -> LabelledBody:
    """Measure one body.

    Parameters
    ----------
    mask : Mask
        The vertebra, with or without its posterior parts.
    centre : (3,) array
        Rough centre of the body, LPS mm.
    up : (3,) array
        Direction of the column.
    ct : Volume or None
        The CT of the label: edges are then moved to where its values fall halfway from bone to
        what lies outside, within a voxel of the label's edge.

    Raises
    ------
    GeometryError
        If the label has no body of a plausible size.
    """
    frame = find_frame(mask, centre, up)
    normals = np.stack([up, up])
    for _ in range(3):
        section = _section(mask, frame, _ROUGH_STEP)
        frame = _centred(frame, section)
        normals = _endplate_normals(mask, frame, section)
        mean = normals.sum(axis=0)
        axes = upright_axes(mean, frame.axes[1])
        frame = BodyFrame(frame.centre, axes, frame.symmetric)
    section = _section(mask, frame, ct=ct)
    local, roughness = _six(section)
    return LabelledBody(frame, frame.to_patient(local), normals, roughness)


def _section(
    mask: Mask, frame: BodyFrame, step: float = _STEP, ct: Volume | None = None
) -> _Section:
    """Edges of the body in the strip around the mid-sagittal plane."""
    lateral = np.arange(-_STRIP, _STRIP + 1e-6, 2.5)
    front = np.arange(-_REACH_FRONT, _REACH_FRONT + 1e-6, step)
    up = np.arange(-_REACH_UP, _REACH_UP + 1e-6, step)
    f, u = np.meshgrid(front, up)
    places = [
        frame.to_patient(np.stack([np.full_like(f, side), f, u], axis=-1)) for side in lateral
    ]
    share = np.mean([mask.sample(p) for p in places], axis=0)
    grey = None if ct is None else np.mean([ct.sample(p) for p in places], axis=0)
    voxels = _voxel_along(mask.volume, frame.axes)

    def profile(turn: Callable[[FloatArray], FloatArray], along: FloatArray, k: int) -> FloatArray:
        edge = _edges(turn(share), along, len(along) // 2)
        return edge if grey is None else _sharpened(edge, turn(grey), along, float(voxels[k]))

    top = profile(lambda m: m, up, 2)
    bottom = -profile(lambda m: m[::-1], -up[::-1], 2)
    ahead = profile(lambda m: m.T, front, 1)
    behind = -profile(lambda m: m[:, ::-1].T, -front[::-1], 1)
    return _Section(front, top, bottom, up, ahead, behind)


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
    out = edge.copy()
    near = np.abs(offsets) <= voxel + 0.3
    for n, column in enumerate(columns):
        if inner[n] - outer[n] < _CONTRAST:
            continue
        v, d = values[near, n], offsets[near]
        falls = np.flatnonzero((v[:-1] >= middle[n]) & (v[1:] < middle[n]))
        if len(falls):
            k = falls[np.argmin(np.abs(d[falls]))]
            step = (v[k] - middle[n]) / (v[k] - v[k + 1])
            out[column] = edge[column] + d[k] + step * (d[k + 1] - d[k])
    return out


def _smoothed(values: FloatArray) -> FloatArray:
    """Running median over nine columns."""
    padded = np.pad(values, 4, mode="edge")
    out: FloatArray = np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), axis=1)
    return out


def _edges(share: npt.NDArray[np.float32], places: FloatArray, middle: int) -> FloatArray:
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


def _extent(section: _Section) -> tuple[float, float, float, float]:
    """Back, front, bottom and top of the body through its middle, mm."""
    core_u = np.abs(section.up) < 4
    core_f = np.abs(section.front) < 6
    values = (
        np.nanmedian(section.behind[core_u]),
        np.nanmedian(section.ahead[core_u]),
        np.nanmedian(section.bottom[core_f]),
        np.nanmedian(section.top[core_f]),
    )
    back, front, bottom, top = (float(v) for v in values)
    if not np.isfinite(values).all() or front - back < 8 or top - bottom < 4:
        raise GeometryError("the label has no body of a plausible size")
    return back, front, bottom, top


def _centred(frame: BodyFrame, section: _Section) -> BodyFrame:
    back, front, bottom, top = _extent(section)
    shift = np.array([0.0, (front + back) / 2, (bottom + top) / 2])
    return BodyFrame(frame.to_patient(shift), frame.axes, frame.symmetric)


def _endplate_normals(mask: Mask, frame: BodyFrame, section: _Section) -> FloatArray:
    """(2, 3) normals of planes fitted to the superior and the inferior surface of the body."""
    back, front, _, _ = _extent(section)
    half = (front - back) / 2 - _RIM - 1
    lateral = np.linspace(-11.0, 11.0, 12)
    along = np.linspace(-half, half, 14)
    up = np.arange(-_REACH_UP, _REACH_UP + 1e-6, _ROUGH_STEP)
    s, f = (m.ravel() for m in np.meshgrid(lateral, along))
    grid = np.stack(np.broadcast_arrays(s[None, :], f[None, :], up[:, None]), axis=-1)
    share = mask.sample(frame.to_patient(grid))
    middle = len(up) // 2
    normals = []
    for height in (_edges(share, up, middle), -_edges(share[::-1], -up[::-1], middle)):
        slope_s, slope_f, _ = fit_plane(s, f, height)
        normal = np.array([-slope_s, -slope_f, 1.0]) @ frame.axes
        normals.append(normal / np.linalg.norm(normal))
    return np.stack(normals)


def _six(section: _Section) -> tuple[FloatArray, float]:
    """(6, 3) points in the local frame, and the roughness of the profiles."""
    back, front, bottom, top = _extent(section)
    corners, rough = {}, []
    for name, edge, level, other in (
        ("top", section.top, top, bottom),
        ("bottom", section.bottom, bottom, top),
    ):
        for side, wall, end, far in (
            ("front", section.ahead, front, back),
            ("back", section.behind, back, front),
        ):
            corner, error = _corner(section, edge, wall, (end, far), (level, other))
            corners[name, side] = corner
            rough.append(error)
    points = [
        corners["top", "front"],
        _middle(section.front, section.top, corners["top", "front"], corners["top", "back"]),
        corners["top", "back"],
        corners["bottom", "back"],
        _middle(
            section.front, section.bottom, corners["bottom", "front"], corners["bottom", "back"]
        ),
        corners["bottom", "front"],
    ]
    local = np.array([[0.0, y, z] for y, z in points])
    return local, float(np.sqrt(np.mean(np.square(rough))))


def _corner(
    section: _Section,
    edge: FloatArray,
    wall: FloatArray,
    along: tuple[float, float],
    upright: tuple[float, float],
) -> tuple[tuple[float, float], float]:
    """Where the straight runs of endplate and wall meet, and their roughness.

    `along` and `upright` hold where the body ends on this and on the other side.
    """
    (end, far), (level, other) = along, upright
    for _ in range(3):
        depth, height = abs(end - far), abs(level - other)
        plate = _window(section.front, end, far, depth)
        plate_line = fit_line(section.front[plate], edge[plate])
        side = _window(section.up, level, other, height)
        wall_line = fit_line(section.up[side], wall[side])
        y, z = cross_lines(plate_line, wall_line)
        if abs(y - end) > 0.3 * depth or abs(z - level) > 0.6 * height:
            raise GeometryError("the outline of the body is too irregular for corners")
        end, level = y, z
    residuals = np.concatenate(
        [
            edge[plate] - plate_line[0] * section.front[plate] - plate_line[1],
            wall[side] - wall_line[0] * section.up[side] - wall_line[1],
        ]
    )
    return (y, z), float(np.sqrt(np.nanmean(residuals**2)))


def _window(places: FloatArray, end: float, far: float, length: float) -> npt.NDArray[np.bool_]:
    """Grid places from the rim inwards, over the part of the length that lines are fitted to."""
    inward = (places - end) * np.sign(far - end)
    rim = min(_RIM, 0.12 * length)
    out: npt.NDArray[np.bool_] = (inward > rim) & (inward < max(_NEAR * length, rim + 2.0))
    return out


def _middle(
    front: FloatArray, edge: FloatArray, one: tuple[float, float], other: tuple[float, float]
) -> tuple[float, float]:
    """Point of the edge halfway between two corners, over 3 mm."""
    y = (one[0] + other[0]) / 2
    near = np.abs(front - y) < 1.6
    slope, level = fit_line(front[near], edge[near])
    return y, slope * y + level
