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

__all__ = ["LabelledBody", "body_points", "sacral_points"]

#: Step of the final profiles, and of those on the way to the axes; mm.
_STEP: Final = 0.5
_ROUGH_STEP: Final = 1.0
#: Half width of the mid-sagittal strip, mm.
_STRIP: Final = 5.0
#: Farthest that a body reaches from its centre: up or down, front or back; mm.
_REACH_UP: Final = 26.0
_REACH_FRONT: Final = 34.0
#: Usual height of the disc above the sacrum, and how far below its endplate S1 is looked at; mm.
_LUMBOSACRAL_DISC: Final = 9.0
_DEEP: Final = 8.0
#: Least step of Hounsfield units from inside to outside for an edge to be moved.
_CONTRAST: Final = 40.0
#: Edges from grey values are taken if at most so many times rougher than those of the label.
_AS_SMOOTH: Final = 1.3
#: How far edges are moved, in voxels.
_FARTHEST: Final = 0.7
#: Part of the endplate beside a corner that its line is fitted to, and of the wall.
_NEAR: Final = 0.36
#: How much the slope beside a corner differs from that of the whole edge, as a tangent.
_SLOPE_SD: Final = 0.14
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
    sd_mm : float
        Standard deviation of a coordinate of a point, as found on phantoms of known corners.
    """

    frame: BodyFrame
    points_mm: FloatArray
    normals: FloatArray
    roughness: float
    sd_mm: float


@dataclass(frozen=True, eq=False)
class _Section:
    """Mid-sagittal section: edges over a grid, in mm from the centre; NaN where there is none."""

    front: FloatArray
    top: FloatArray
    bottom: FloatArray
    up: FloatArray
    ahead: FloatArray
    behind: FloatArray
    voxel: float
    sharp: bool


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
    section = _section(mask, frame)
    local, roughness = _six(section)
    if ct is not None:
        sharper = _section(mask, frame, ct=ct)
        sharp, sharp_roughness = _six(sharper)
        # Where bone hardly differs from what is around it, grey values mislead.
        if sharp_roughness < _AS_SMOOTH * roughness + 0.1:
            local, roughness, section = sharp, sharp_roughness, sharper
    sd = _point_sd(section, roughness)
    return LabelledBody(frame, frame.to_patient(local), normals, roughness, sd)


def sacral_points(mask: Mask, above: LabelledBody, ct: Volume | None = None) -> LabelledBody:
    """Measure the superior endplate of S1.

    Parameters
    ----------
    mask : Mask
        S1 or the whole sacrum.
    above : LabelledBody
        The vertebra above, from which the endplate is looked for.
    ct : Volume or None
        As in `body_points`.

    Raises
    ------
    GeometryError
        If there is no endplate below that vertebra.
    """
    start = above.points_mm[4] - above.normals[1] * (_LUMBOSACRAL_DISC + _DEEP)
    frame = BodyFrame(start, upright_axes(above.normals[1], above.frame.axes[1]), True)
    for _ in range(4):
        section = _section(mask, frame, _ROUGH_STEP)
        core = np.abs(section.front) < 11
        slope, level = fit_line(section.front[core], section.top[core])
        below = np.abs(section.up - (level - 6)) < 3
        middle = float(_median(section.ahead[below] + section.behind[below])) / 2
        if not np.isfinite(middle):
            raise GeometryError("the sacrum's outline is not closed below its endplate")
        shift = np.array([0.0, middle, slope * middle + level - _DEEP])
        up = np.array([0.0, -slope, 1.0]) @ frame.axes
        frame = BodyFrame(frame.to_patient(shift), upright_axes(up, frame.axes[1]), True)
    section = _section(mask, frame, ct=ct)
    below = np.abs(section.up - (_DEEP - 6)) < 3
    ends = [float(_median(w[below])) for w in (section.ahead, section.behind)]
    corners = []
    for wall, along in ((section.ahead, (ends[0], ends[1])), (section.behind, (ends[1], ends[0]))):
        corner, error = _corner(section, section.top, wall, along, (_DEEP, _DEEP - 20))
        corners.append(corner)
    middle_point = _middle(section.front, section.top, *corners)
    local = np.full((6, 3), np.nan)
    for row, (y, z) in zip((0, 1, 2), (corners[0], middle_point, corners[1]), strict=True):
        local[row] = [0.0, y, z]
    normals = np.stack([frame.axes[2], frame.axes[2]])
    sd = _point_sd(section, error)
    return LabelledBody(frame, frame.to_patient(local), normals, error, sd)


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
    return _Section(front, top, bottom, up, ahead, behind, float(voxels[1:].max()), ct is not None)


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


def _edges(share: npt.NDArray[np.floating], places: FloatArray, middle: int) -> FloatArray:
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
        _median(section.behind[core_u]),
        _median(section.ahead[core_u]),
        _median(section.bottom[core_f]),
        _median(section.top[core_f]),
    )
    back, front, bottom, top = values
    if not np.isfinite(values).all() or front - back < 8 or top - bottom < 4:
        raise GeometryError("the label has no body of a plausible size")
    return back, front, bottom, top


def _median(values: FloatArray) -> float:
    """Median of what is not NaN, NaN if all is."""
    seen = values[np.isfinite(values)]
    return float(np.median(seen)) if len(seen) else float("nan")


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
    noise = _edge_sd(section) * float(np.sqrt(max(section.voxel / _STEP, 1.0)))
    for _ in range(3):
        depth, height = abs(end - far), abs(level - other)
        plate = _window(section.front, end, far, depth)
        plate_line = _line(section.front, edge, plate, (end, far), noise)
        side = _window(section.up, level, other, height)
        wall_line = _line(section.up, wall, side, (level, other), noise)
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


def _edge_sd(section: _Section) -> float:
    """Standard deviation of an edge, mm."""
    return (0.12 if section.sharp else 0.3) * section.voxel + 0.1


def _point_sd(section: _Section, roughness: float) -> float:
    """Standard deviation of a coordinate of a point, mm: not better than the outline is smooth."""
    return max(_edge_sd(section), 0.5 * roughness)


def _line(
    places: FloatArray,
    edge: FloatArray,
    near: npt.NDArray[np.bool_],
    ends: tuple[float, float],
    noise: float,
) -> tuple[float, float]:
    """Line of an edge beside a corner, drawn towards the line of the whole edge.

    Over a few voxels a slope is mostly noise, so the coarser the voxels the more it is drawn.
    """
    end, far = ends
    whole = near | _window(places, far, end, abs(end - far))
    slope, _ = fit_line(places[whole], edge[whole])
    return fit_line(places[near], edge[near], (slope, noise / _SLOPE_SD))


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
