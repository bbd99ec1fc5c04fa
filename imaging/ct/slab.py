"""The curved mid-sagittal slab: a sheet that follows the spine sideways, unrolled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.curve import CentreLine
from endplate.imaging.ct.volume import Volume

__all__ = [
    "WINDOW",
    "Slab",
    "Strip",
    "coronal_strip",
    "cut_slab",
    "cut_slabs",
    "parallel_slab",
    "strip_map",
]

#: Window of the slab, Hounsfield units: fat and disc dark, cortical bone bright.
WINDOW: Final = (-100.0, 700.0)
#: Distance of the layers that are averaged, mm.
_LAYER: Final = 1.5


@dataclass(frozen=True, eq=False)
class Slab:
    """A picture of the slab and its exact map to the patient.

    Row and column count from the centre of the first pixel. A row lies across the centre line
    at one length of it; columns count to the front. The sheet follows the line's coronal
    projection and each row is turned with the bodies, so lengths and angles near the line are
    those of each body's own mid-sagittal plane.

    Parameters
    ----------
    pixels : (rows, columns) uint16 array
        Mean over the thickness, bone bright.
    line : CentreLine
    spacing : float
        mm per pixel, both ways.
    first_length, first_front : float
        Length along the line of row 0, and place to the front of the line's axes of column 0.
    """

    pixels: npt.NDArray[np.uint16]
    line: CentreLine
    spacing: float
    first_length: float
    first_front: float

    def to_patient(self, points: FloatArray, aside: float | FloatArray = 0.0) -> FloatArray:
        """(..., 2) column, row to (..., 3) LPS mm.

        `aside`, a number or (...): mm to the left of the sheet.
        """
        length = self.first_length + points[..., 1] * self.spacing
        ahead = self.first_front + points[..., 0] * self.spacing
        return _place(self.line, length, ahead, aside)

    def axes_at(self, point: FloatArray) -> FloatArray:
        """(3, 3) rows left, front and up, LPS, of the sheet at a (2,) column, row."""
        length = np.array([self.first_length + point[1] * self.spacing])
        _, _, along, front = _row(self.line, length)
        local = np.stack([_to_the_left(front[0], along[0]), front[0], -along[0]])
        out: FloatArray = local @ self.line.axes
        return out

    def axes_of(self, points: FloatArray) -> FloatArray:
        """(3, 3) rows left, front and up, LPS, of a body with (6, 2) points on the sheet.

        Those of the sheet, leaning to the front as the body's endplates do.
        """
        ahead = np.array([points[0] - points[2], points[5] - points[3]])
        ahead = ahead[np.isfinite(ahead).all(axis=1)]
        units = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
        forward, down = units.mean(axis=0) / np.linalg.norm(units.mean(axis=0))
        left, front, up = self.axes_at(np.nanmean(points, axis=0))
        # rows count downwards
        return np.stack([left, forward * front - down * up, forward * up + down * front])

    def ahead_of_line(self, points: FloatArray) -> FloatArray:
        """How far before the centre line (..., 2) columns and rows lie, (...) mm."""
        length = self.first_length + points[..., 1] * self.spacing
        ahead = self.first_front + points[..., 0] * self.spacing
        out: FloatArray = ahead - self.line.at(length)[2]
        return out

    def to_pixels(self, points: FloatArray) -> FloatArray:
        """(..., 3) LPS mm to (..., 2) column, row: the nearest point of the sheet."""
        line = self.line
        local = (points - line.origin) @ line.axes.T
        length = np.interp(-local[..., 2], -line.height, line.length)
        ahead = local[..., 1]
        for _ in range(8):
            here, left, along, ahead_unit = _row(line, length)
            off = local - np.stack([left, np.zeros_like(left), here], axis=-1)
            length = length + np.einsum("...i,...i->...", off, along)
            _, left, _, ahead_unit = _row(line, length)
            here = line.at(length)[0]
            pivot = line.at(length)[2]
            base = np.stack([left, pivot, here], axis=-1)
            ahead = pivot + np.einsum("...i,...i->...", local - base, ahead_unit)
        return np.stack(
            [
                (ahead - self.first_front) / self.spacing,
                (length - self.first_length) / self.spacing,
            ],
            axis=-1,
        )


def _row(
    line: CentreLine, length: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Height and left of the sheet, its direction along the line and its direction to the front."""
    height, left, _, turn = line.at(length)
    d = 0.5
    up_height, up_left, *_ = line.at(length - d)
    low_height, low_left, *_ = line.at(length + d)
    along = np.stack([low_left - up_left, np.zeros_like(left), low_height - up_height], axis=-1)
    along = along / np.linalg.norm(along, axis=-1, keepdims=True)
    # Square to the line within the coronal plane, towards the left.
    aside = np.stack([-along[..., 2], np.zeros_like(left), along[..., 0]], axis=-1)
    front = np.sin(turn)[..., None] * aside
    front[..., 1] += np.cos(turn)
    return height, left, along, front


def _to_the_left(front: FloatArray, along: FloatArray) -> FloatArray:
    """Unit vectors to the left, in the axes of a line, which are left-handed: left, front, up."""
    return np.cross(along, front)


def _place(
    line: CentreLine, length: FloatArray, ahead: FloatArray, aside: float | FloatArray
) -> FloatArray:
    """LPS mm of places on the sheet, or beside it."""
    height, left, along, front = _row(line, length)
    pivot = line.at(length)[2]
    base = np.stack([left, pivot, height], axis=-1)
    local = base + (ahead - pivot)[..., None] * front
    if np.any(aside):
        local = local + np.asarray(aside)[..., None] * _to_the_left(front, along)
    out: FloatArray = local @ line.axes + line.origin
    return out


def cut_slab(
    ct: Volume,
    line: CentreLine,
    *,
    spacing: float = 0.7,
    thickness: float = 6.0,
    before: float = 60.0,
    behind: float = 75.0,
    window: tuple[float, float] = WINDOW,
) -> Slab:
    """Cut the slab out of a CT.

    Parameters
    ----------
    spacing : float
        mm per pixel.
    thickness : float
        Over which values are averaged, mm.
    before, behind : float
        How far it reaches to the front and to the back of the line, mm.
    window : (low, high)
        Hounsfield units of black and white.
    """
    looks = [(thickness, window)]
    return cut_slabs(ct, line, looks, spacing=spacing, before=before, behind=behind)[0]


def cut_slabs(
    ct: Volume,
    line: CentreLine,
    looks: Sequence[tuple[float, tuple[float, float]]],
    *,
    spacing: float = 0.7,
    before: float = 60.0,
    behind: float = 75.0,
) -> list[Slab]:
    """Cut several slabs of one sheet, as `cut_slab` does one; layers that they share once.

    Parameters
    ----------
    looks : sequence of (thickness, window)
    """
    first_front = float(line.front.min()) - behind
    columns = round((float(line.front.max()) + before - first_front) / spacing) + 1
    rows = int(line.length[-1] / spacing) + 1
    sheet = Slab(np.zeros((1, 1), np.uint16), line, spacing, 0.0, first_front)
    means = _layered(ct, sheet, (rows, columns), [thickness for thickness, _ in looks], 0.0)
    return [
        replace(sheet, pixels=windowed(mean, window))
        for mean, (_, window) in zip(means, looks, strict=True)
    ]


def parallel_slab(
    ct: Volume,
    sheet: Slab,
    size: tuple[int, int],
    *,
    aside: float = 0.0,
    thickness: float = 6.0,
    window: tuple[float, float] = WINDOW,
) -> npt.NDArray[np.uint16]:
    """(rows, columns) picture of a slab that lies `aside` mm to the left of a sheet.

    Parameters
    ----------
    size : (rows, columns)
    thickness, window
        As in `cut_slab`.
    """
    return windowed(_layered(ct, sheet, size, [thickness], aside)[0], window)


def _layered(
    ct: Volume, sheet: Slab, size: tuple[int, int], thicknesses: Sequence[float], aside: float
) -> list[npt.NDArray[np.float32]]:
    """Means over layers on both sides of a sheet, about 1.5 mm apart, for each thickness."""
    layers = [np.linspace(-t / 2, t / 2, max(1, round(t / _LAYER)) | 1) for t in thicknesses]
    rows, columns = size
    length: FloatArray = sheet.first_length + np.arange(rows, dtype=float) * sheet.spacing
    height, left, along, front = _row(sheet.line, length)
    pivot = sheet.line.at(length)[2]
    to_left = _to_the_left(front, along)
    base = np.stack([left, pivot, height], axis=-1)
    ahead = sheet.first_front + np.arange(columns) * sheet.spacing - pivot[:, None]
    # rows are straight: what depends on the line is worked out once for each
    places = (base[:, None] + ahead[..., None] * front[:, None]) @ sheet.line.axes
    places += sheet.line.origin
    sideways = (to_left @ sheet.line.axes)[:, None]
    totals = [np.zeros(size, np.float32) for _ in layers]
    for layer in np.unique(np.round(np.concatenate(layers), 6)):
        values = ct.sample(places + (aside + float(layer)) * sideways)
        for total, own in zip(totals, layers, strict=True):
            if np.isclose(own, layer, atol=1e-5).any():
                total += values
    return [total / np.float32(len(own)) for total, own in zip(totals, layers, strict=True)]


@dataclass(frozen=True, eq=False)
class Strip:
    """A coronal picture through the bodies; the patient's left is on the right, as in radiology.

    Parameters
    ----------
    pixels : (rows, columns) uint16 array
        Maximum over 12 mm around the depth of the centre line at each height.
    line : CentreLine
    spacing : float
        mm per pixel, both ways.
    first_left : float
        How far left of the line's axes column 0 lies, mm.
    """

    pixels: npt.NDArray[np.uint16]
    line: CentreLine
    spacing: float
    first_left: float

    def to_pixels(self, points: FloatArray) -> FloatArray:
        """(..., 3) LPS mm to (..., 2) column, row, by projection."""
        line = self.line
        local = (points - line.origin) @ line.axes.T
        column = (local[..., 0] - self.first_left) / self.spacing
        return np.stack([column, (line.height[0] - local[..., 2]) / self.spacing], axis=-1)

    @property
    def path(self) -> FloatArray:
        """(N, 2) column, row of the centre line."""
        line = self.line
        column = (line.left - self.first_left) / self.spacing
        return np.column_stack([column, (line.height[0] - line.height) / self.spacing])


def coronal_strip(
    ct: Volume, line: CentreLine, *, spacing: float = 1.0, half_width: float = 70.0
) -> Strip:
    """Cut the coronal picture out of a CT."""
    first_left = strip_map(line, spacing=spacing, half_width=half_width).first_left
    columns = round(2 * half_width / spacing) + 1
    heights = np.arange(line.height[0], line.height[-1], -spacing)
    front = np.interp(-heights, -line.height, line.front)
    left = first_left + np.arange(columns) * spacing
    best = np.full((len(heights), columns), -1024.0)
    for depth in np.linspace(-6, 6, 7):
        local = np.stack(
            np.broadcast_arrays(left[None, :], front[:, None] + depth, heights[:, None]), axis=-1
        )
        best = np.maximum(best, ct.sample(local @ line.axes + line.origin))
    return Strip(windowed(best), line, spacing, first_left)


def strip_map(line: CentreLine, *, spacing: float = 1.0, half_width: float = 70.0) -> Strip:
    """The strip of `coronal_strip` without its picture."""
    first_left = float(line.left.mean()) - half_width
    return Strip(np.zeros((1, 1), np.uint16), line, spacing, first_left)


def windowed(
    values: npt.NDArray[np.floating], window: tuple[float, float] = WINDOW
) -> npt.NDArray[np.uint16]:
    """Hounsfield units as grey values 0 to 65535 of a window."""
    low, high = window
    grey = np.clip((values - low) / (high - low), 0, 1) * 65535
    out: npt.NDArray[np.uint16] = np.rint(grey).astype(np.uint16)
    return out
