"""Cone-beam projection of solids that are stacks of flat slabs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray

__all__ = ["Camera", "Map", "Slabs", "Tube", "as_map", "render_slabs", "render_tubes"]

Map = npt.NDArray[np.float32]

#: Raster of the thickness maps before they are reduced to the output pixel, in mm.
_FINE_MM: Final[float] = 0.2
_SHIFT: Final[int] = 4


@dataclass(frozen=True, eq=False)
class Camera:
    """Point source and flat detector.

    The source lies at ``z = -source_mm`` over ``centre``, the detector is parallel to the x-y
    plane. Pixels are given for the plane z = 0, in which one pixel measures `pixel_mm`.

    Parameters
    ----------
    source_mm : float
        Distance from the source to the plane z = 0.
    detector_mm : float
        Distance from the plane z = 0 to the detector.
    central : (2,) array
        x, y in mm where the central ray meets the plane z = 0.
    centre : (2,) array
        x, y in mm that fall on the middle of the image.
    roll : float
        Turn of the detector in its plane, radians.
    pixel_mm : float
        Pixel in the plane z = 0.
    shape : (rows, columns)
        Of the image.
    """

    source_mm: float
    detector_mm: float
    central: FloatArray
    centre: FloatArray
    roll: float
    pixel_mm: float
    shape: tuple[int, int]

    @property
    def magnification(self) -> float:
        """Detector size over object size in the plane z = 0."""
        return (self.source_mm + self.detector_mm) / self.source_mm

    def project(self, points: FloatArray) -> FloatArray:
        """(..., 2) column and row, in pixels, of (..., 3) points of the subject."""
        k = self.source_mm / (self.source_mm + points[..., 2:3])
        flat = self.central + (points[..., :2] - self.central) * k - self.centre
        c, s = np.cos(self.roll), np.sin(self.roll)
        x = c * flat[..., 0] - s * flat[..., 1]
        y = s * flat[..., 0] + c * flat[..., 1]
        rows, columns = self.shape
        out: FloatArray = np.stack(
            [x / self.pixel_mm + (columns - 1) / 2, y / self.pixel_mm + (rows - 1) / 2], axis=-1
        )
        return out

    def ray_slope(self, point: FloatArray) -> float:
        """dy/dz of the ray through a point of the subject."""
        return float((point[1] - self.central[1]) / (self.source_mm + point[2]))

    def plane_grid(self, step: int) -> tuple[Map, Map]:
        """x, y in mm in the plane z = 0 of every `step`-th pixel (block centres)."""
        rows, columns = self.shape
        r = (np.arange(-(-rows // step)) + 0.5) * step - 0.5 - (rows - 1) / 2
        c = (np.arange(-(-columns // step)) + 0.5) * step - 0.5 - (columns - 1) / 2
        u, v = np.meshgrid(c * self.pixel_mm, r * self.pixel_mm)
        co, si = np.cos(self.roll), np.sin(self.roll)
        x = co * u + si * v + self.centre[0]
        y = -si * u + co * v + self.centre[1]
        return x.astype(np.float32), y.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Slabs:
    """Flat polygons that stand for slices of a solid.

    Parameters
    ----------
    outer : (K, P, 3) array
        Outline of each slice, mm in the subject's frame.
    inner : (K, P, 3) array or None
        Outline without the shell; None: all of it is shell.
    chord : (K,) array
        Length of the ray within each slice, mm.
    shell, core : float
        Attenuation per mm of the shell and of what it holds, above that of soft tissue.
    """

    outer: FloatArray
    inner: FloatArray | None
    chord: FloatArray
    shell: float
    core: float


@dataclass(frozen=True, eq=False)
class Tube:
    """A curved rod such as a rib: centre line (N, 3), radius and attenuation over its middle."""

    line: FloatArray
    radius: float
    shell: float
    core: float


def as_map(image: object) -> Map:
    """`image` as a float32 array, which is what OpenCV returns for one but does not promise."""
    return np.asarray(image, dtype=np.float32)


def _fixed(points: FloatArray) -> npt.NDArray[np.int32]:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


def fine_factor(pixel_mm: float) -> int:
    """Raster points per output pixel along one axis."""
    return max(1, round(pixel_mm / _FINE_MM))


def render_slabs(camera: Camera, parts: Sequence[Slabs], out: Map) -> None:
    """Add the attenuation of `parts`, which should lie close together, to `out` in place."""
    if not parts:
        return
    fine = fine_factor(camera.pixel_mm)
    outer = [camera.project(p.outer) for p in parts]
    inner = [None if p.inner is None else camera.project(p.inner) for p in parts]
    everything = np.concatenate([o.reshape(-1, 2) for o in outer])
    x0, y0 = np.floor(everything.min(axis=0)).astype(int) - 2
    x1, y1 = np.ceil(everything.max(axis=0)).astype(int) + 3
    rows, columns = out.shape
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, columns), min(y1, rows)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    size = ((y1 - y0) * fine, (x1 - x0) * fine)
    total = np.zeros(size, np.float32)
    mask = np.zeros(size, np.float32)
    origin = np.array([x0, y0])
    for part, o, i in zip(parts, outer, inner, strict=True):
        of = _fixed((o - origin + 0.5) * fine - 0.5)
        inf = None if i is None else _fixed((i - origin + 0.5) * fine - 0.5)
        for k in range(len(of)):
            mask[:] = 0
            cv2.fillPoly(mask, [of[k]], float(part.chord[k] * part.shell), 8, _SHIFT)
            if inf is not None:
                cv2.fillPoly(mask, [inf[k]], float(part.chord[k] * part.core), 8, _SHIFT)
            cv2.add(total, mask, dst=total)
    if fine > 1:
        total = cv2.resize(total, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    out[y0:y1, x0:x1] += total


def render_tubes(camera: Camera, tubes: Sequence[Tube], out: Map) -> None:
    """Add curved rods to `out` in place; each crosses itself at most once in strength."""
    rows, columns = out.shape
    for tube in tubes:
        line = camera.project(tube.line)
        scale = tube.radius / camera.pixel_mm
        pad = scale + 2
        x0, y0 = np.floor(line.min(axis=0) - pad).astype(int)
        x1, y1 = np.ceil(line.max(axis=0) + pad).astype(int) + 1
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, columns), min(y1, rows)
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        mask = np.zeros((y1 - y0, x1 - x0), np.float32)
        fixed = [_fixed(line - [x0, y0])]
        wide = max(1, round(2 * scale))
        narrow = round(1.3 * scale)
        chord = 1.6 * tube.radius
        cv2.polylines(mask, fixed, False, chord * tube.shell, wide, 8, _SHIFT)
        if narrow >= 1 and narrow < wide:
            cv2.polylines(mask, fixed, False, chord * tube.core, narrow, 8, _SHIFT)
        out[y0:y1, x0:x1] += cv2.GaussianBlur(mask, (0, 0), 0.5 + 0.25 / camera.pixel_mm)
