"""The six points of a vertebral body from its label, in its own mid-sagittal plane."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.fits import fit_line, fit_plane
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.bodyframe import BodyFrame, Mask, find_frame, upright_axes
from endplate.imaging.ct.corners import RIM, corner_of, middle_of, point_sd
from endplate.imaging.ct.greyfit import Curve, fit_grey_surface
from endplate.imaging.ct.section import (
    REACH_UP,
    ROUGH_STEP,
    Section,
    edges,
    median_of,
    section_of,
)
from endplate.imaging.ct.volume import Volume

__all__ = ["LabelledBody", "body_points", "sacral_points"]

#: Usual height of the disc above the sacrum, and how far below its endplate S1 is looked at; mm.
_LUMBOSACRAL_DISC: Final = 9.0
_DEEP: Final = 8.0
#: Size of voxels beyond which partial volumes are modelled, mm.
_COARSE: Final = 1.9
#: What a fitted surface leaves out, mm.
_MODEL_SD: Final = 0.15
#: Edges from grey values are taken if at most so many times rougher than those of the label.
_AS_SMOOTH: Final = 1.3


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
        section = section_of(mask, frame, ROUGH_STEP)
        frame = _centred(frame, section)
        normals = _endplate_normals(mask, frame, section)
        mean = normals.sum(axis=0)
        axes = upright_axes(mean, frame.axes[1])
        frame = BodyFrame(frame.centre, axes, frame.symmetric)
    section = section_of(mask, frame)
    local, roughness = _six(section)
    if ct is not None:
        sharper = section_of(mask, frame, ct=ct)
        sharp, sharp_roughness = _six(sharper)
        # Where bone hardly differs from what is around it, grey values mislead.
        if sharp_roughness < _AS_SMOOTH * roughness + 0.1:
            local, roughness, section = sharp, sharp_roughness, sharper
    body = LabelledBody(
        frame, frame.to_patient(local), normals, roughness, point_sd(section, roughness)
    )
    if ct is None or section.voxel < _COARSE:
        return body
    modelled = _modelled_points(ct, frame, section_of(mask, frame), local)
    if modelled is None:
        return body
    points, sd = modelled
    return replace(body, points_mm=frame.to_patient(points), sd_mm=sd)


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
        section = section_of(mask, frame, ROUGH_STEP)
        core = np.abs(section.front) < 11
        slope, level = fit_line(section.front[core], section.top[core])
        below = np.abs(section.up - (level - 6)) < 3
        middle = float(median_of(section.ahead[below] + section.behind[below])) / 2
        if not np.isfinite(middle):
            raise GeometryError("the sacrum's outline is not closed below its endplate")
        shift = np.array([0.0, middle, slope * middle + level - _DEEP])
        up = np.array([0.0, -slope, 1.0]) @ frame.axes
        frame = BodyFrame(frame.to_patient(shift), upright_axes(up, frame.axes[1]), True)
    section = section_of(mask, frame, ct=ct)
    below = np.abs(section.up - (_DEEP - 6)) < 3
    ends = [float(median_of(w[below])) for w in (section.ahead, section.behind)]
    corners = []
    for wall, along in ((section.ahead, (ends[0], ends[1])), (section.behind, (ends[1], ends[0]))):
        corner, error = corner_of(section, section.top, wall, along, (_DEEP, _DEEP - 20))
        corners.append(corner)
    middle_point = middle_of(section.front, section.top, *corners)
    local = np.full((6, 3), np.nan)
    for row, (y, z) in zip((0, 1, 2), (corners[0], middle_point, corners[1]), strict=True):
        local[row] = [0.0, y, z]
    normals = np.stack([frame.axes[2], frame.axes[2]])
    sd = point_sd(section, error)
    return LabelledBody(frame, frame.to_patient(local), normals, error, sd)


def _extent(section: Section) -> tuple[float, float, float, float]:
    """Back, front, bottom and top of the body through its middle, mm."""
    core_u = np.abs(section.up) < 4
    core_f = np.abs(section.front) < 6
    values = (
        median_of(section.behind[core_u]),
        median_of(section.ahead[core_u]),
        median_of(section.bottom[core_f]),
        median_of(section.top[core_f]),
    )
    back, front, bottom, top = values
    if not np.isfinite(values).all() or front - back < 8 or top - bottom < 4:
        raise GeometryError("the label has no body of a plausible size")
    return back, front, bottom, top


def _modelled_points(
    ct: Volume, frame: BodyFrame, section: Section, local: FloatArray
) -> tuple[FloatArray, float] | None:
    """(6, 3) local points where fitted surfaces meet, and their sd.

    None without contrast, or if a point lies a voxel or more from `local`, the one by edges.
    """
    back, front, bottom, top = _extent(section)
    found: list[Curve] = []
    for axis, outwards, edge, ends in (
        (2, 1.0, section.top, (back, front)),
        (2, -1.0, section.bottom, (back, front)),
        (1, 1.0, section.ahead, (bottom, top)),
        (1, -1.0, section.behind, (bottom, top)),
    ):
        places = section.front if axis == 2 else section.up
        curve = fit_grey_surface(ct, frame, axis, outwards, (places, edge), ends)
        if curve is None:
            return None
        found.append(curve)
    upper, lower, ahead, behind = found
    points, variances = np.zeros((6, 3)), []
    for rows, plate, level in (((0, 1, 2), upper, top), ((5, 4, 3), lower, bottom)):
        for row, wall in ((rows[0], ahead), (rows[2], behind)):
            y, z = _meeting(plate, wall, level)
            points[row, 1:] = y, z
            variances += [float(plate.sd(y)) ** 2, float(wall.sd(z)) ** 2]
        y = float(points[rows[0], 1] + points[rows[2], 1]) / 2
        points[rows[1], 1:] = y, float(plate.at(y))
    if not np.abs(points - local).max() < section.voxel:
        return None
    return points, float(np.hypot(np.sqrt(np.mean(variances)), _MODEL_SD))


def _meeting(plate: Curve, wall: Curve, level: float) -> tuple[float, float]:
    """Front and up of where an endplate meets a wall; NaN if they do not."""
    y, z = float(wall.at(level)), level
    for _ in range(10):
        z = float(plate.at(y))
        y = float(wall.at(z))
        if not abs(y) < 2 * REACH_UP or not abs(z) < 2 * REACH_UP:
            return float("nan"), float("nan")
    return y, z


def _centred(frame: BodyFrame, section: Section) -> BodyFrame:
    back, front, bottom, top = _extent(section)
    shift = np.array([0.0, (front + back) / 2, (bottom + top) / 2])
    return BodyFrame(frame.to_patient(shift), frame.axes, frame.symmetric)


def _endplate_normals(mask: Mask, frame: BodyFrame, section: Section) -> FloatArray:
    """(2, 3) normals of planes fitted to the superior and the inferior surface of the body."""
    back, front, _, _ = _extent(section)
    half = (front - back) / 2 - RIM - 1
    lateral = np.linspace(-11.0, 11.0, 12)
    along = np.linspace(-half, half, 14)
    up = np.arange(-REACH_UP, REACH_UP + 1e-6, ROUGH_STEP)
    s, f = (m.ravel() for m in np.meshgrid(lateral, along))
    grid = np.stack(np.broadcast_arrays(s[None, :], f[None, :], up[:, None]), axis=-1)
    share = mask.sample(frame.to_patient(grid))
    middle = len(up) // 2
    normals = []
    for height in (edges(share, up, middle), -edges(share[::-1], -up[::-1], middle)):
        slope_s, slope_f, _ = fit_plane(s, f, height)
        normal = np.array([-slope_s, -slope_f, 1.0]) @ frame.axes
        normals.append(normal / np.linalg.norm(normal))
    return np.stack(normals)


def _six(section: Section) -> tuple[FloatArray, float]:
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
            corner, error = corner_of(section, edge, wall, (end, far), (level, other))
            corners[name, side] = corner
            rough.append(error)
    points = [
        corners["top", "front"],
        middle_of(section.front, section.top, corners["top", "front"], corners["top", "back"]),
        corners["top", "back"],
        corners["bottom", "back"],
        middle_of(
            section.front, section.bottom, corners["bottom", "front"], corners["bottom", "back"]
        ),
        corners["bottom", "front"],
    ]
    local = np.array([[0.0, y, z] for y, z in points])
    return local, float(np.sqrt(np.mean(np.square(rough))))
