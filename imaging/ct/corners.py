"""Corners of a body in its mid-sagittal section: where straight runs of its outline meet."""

from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.errors import GeometryError
from endplate.geometry.fits import cross_lines, fit_line
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.section import STEP, Section

__all__ = ["RIM", "corner_of", "middle_of", "point_sd"]

#: Part of the endplate beside a corner that its line is fitted to, and of the wall.
_NEAR: Final = 0.36
#: How much the slope beside a corner differs from that of the whole edge, as a tangent.
_SLOPE_SD: Final = 0.14
#: Rounding of the rim that is left out of the lines, mm.
RIM: Final = 1.7


def corner_of(
    section: Section,
    edge: FloatArray,
    wall: FloatArray,
    along: tuple[float, float],
    upright: tuple[float, float],
) -> tuple[tuple[float, float], float]:
    """Where the straight runs of endplate and wall meet, and their roughness.

    `along` and `upright` hold where the body ends on this and on the other side.
    """
    (end, far), (level, other) = along, upright
    noise = _edge_sd(section) * float(np.sqrt(max(section.voxel / STEP, 1.0)))
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


def _edge_sd(section: Section) -> float:
    """Standard deviation of an edge, mm."""
    return (0.12 if section.sharp else 0.3) * section.voxel + 0.1


def point_sd(section: Section, roughness: float) -> float:
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
    rim = min(RIM, 0.12 * length)
    out: npt.NDArray[np.bool_] = (inward > rim) & (inward < max(_NEAR * length, rim + 2.0))
    return out


def middle_of(
    front: FloatArray, edge: FloatArray, one: tuple[float, float], other: tuple[float, float]
) -> tuple[float, float]:
    """Point of the edge halfway between two corners, over 3 mm."""
    y = (one[0] + other[0]) / 2
    near = np.abs(front - y) < 1.6
    slope, level = fit_line(front[near], edge[near])
    return y, slope * y + level
