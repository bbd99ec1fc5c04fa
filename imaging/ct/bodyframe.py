"""Where a labelled vertebra's body is, and how it stands: centre, canal and axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.volume import Volume

__all__ = ["BodyFrame", "Mask", "body_centres", "find_frame", "tangents"]

#: Grid of the coarse look at a vertebra, mm.
_COARSE: Final = 2.5
#: Blur after which the thickest part of a vertebra stands out: the body. mm.
_BLUR: Final = 7.0
#: Half extents of the box around a body centre: lateral, to the back, to the front, up; mm.
_BOX: Final = (34.0, 62.0, 30.0, 26.0)
_GRID: Final = 1.25
#: Area of a canal seen from above, mm2.
_CANAL: Final = (60.0, 1100.0)


@dataclass(frozen=True, eq=False)
class Mask:
    """One label of a volume, cut to its bounding box with a margin.

    Parameters
    ----------
    volume : Volume
        256 times the share of the label.
    size_ml : float
        Volume of the label.
    """

    volume: Volume
    size_ml: float

    def sample(self, points: FloatArray) -> npt.NDArray[np.float32]:
        """Share of the label at LPS points, 0 to 1, interpolated."""
        out: npt.NDArray[np.float32] = self.volume.sample(points, outside=0.0) / 256.0
        return out

    @classmethod
    def of(cls, labels: Volume, numbers: Sequence[int]) -> "Mask | None":
        """The voxels of some labels, None if there are none.

        The edge is smoothed by half a voxel: planes oblique to the grid then lose their steps.
        """
        slices = np.array(
            [k for k, plane in enumerate(labels.voxels) if _are(plane, numbers).any()]
        )
        if len(slices) == 0:
            return None
        seen = _are(labels.voxels[slices[0] : slices[-1] + 1], numbers)
        rows, columns = (np.flatnonzero(seen.any(axis=ax)) for ax in ((0, 2), (0, 1)))
        low = np.array([columns[0], rows[0], slices[0]])
        high = np.array([columns[-1], rows[-1], slices[-1]])
        part = labels.crop((low - 3).astype(float), (high + 4).astype(float))
        smooth = _smooth(_are(part.voxels, numbers).astype(np.float32), (0.6, 0.6, 0.6))
        voxels = np.rint(smooth * 256).astype(np.int16)
        size = float(seen.sum()) * abs(float(np.linalg.det(labels.affine[:3, :3]))) / 1000
        return cls(Volume(voxels, part.affine, labels.provenance), size)


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """Axes of a vertebra.

    Parameters
    ----------
    centre : (3,) array
        Middle of the body, LPS mm.
    axes : (3, 3) array
        Rows: unit vectors to the left, to the front and up of this vertebra.
    symmetric : bool
        Whether the direction to the front was seen (canal or posterior parts), not assumed.
    """

    centre: FloatArray
    axes: FloatArray
    symmetric: bool

    def to_patient(self, local: FloatArray) -> FloatArray:
        """(..., 3) left, front, up in mm from the centre to LPS."""
        out: FloatArray = local @ self.axes + self.centre
        return out

    def to_local(self, points: FloatArray) -> FloatArray:
        """LPS to (..., 3) left, front, up in mm from the centre."""
        out: FloatArray = (points - self.centre) @ self.axes.T
        return out


def body_centres(masks: Mapping[str, Mask]) -> dict[str, FloatArray]:
    """Rough centre of each body: the middle of the thickest part of its vertebra."""
    return {level: _thickest(mask) for level, mask in masks.items()}


def tangents(centres: Sequence[FloatArray]) -> list[FloatArray]:
    """Unit vectors up along the column at centres ordered head to foot."""
    n = len(centres)
    if n == 1:
        return [np.array([0.0, 0.0, 1.0])]
    out = []
    for i in range(n):
        step = centres[max(i - 1, 0)] - centres[min(i + 1, n - 1)]
        out.append(step / np.linalg.norm(step))
    return out


def find_frame(mask: Mask, centre: FloatArray, up: FloatArray) -> BodyFrame:
    """Axes of a vertebra from its canal, or from its posterior parts if no canal is closed."""
    frame = BodyFrame(centre, upright_axes(up), False)
    for _ in range(3):
        seen, lateral, front = _from_above(mask, frame)
        aside = _aside(seen, lateral, front)
        back = _to_the_back(seen, lateral, front, aside)
        frame = BodyFrame(
            frame.to_patient(np.array([aside, 0.0, 0.0])), frame.axes, frame.symmetric
        )
        if back is None:
            return frame
        turned = frame.axes[0] * -back[0] + frame.axes[1] * -back[1]
        frame = BodyFrame(frame.centre, upright_axes(up, turned), True)
    return frame


def upright_axes(up: FloatArray, front: FloatArray | None = None) -> FloatArray:
    """(3, 3) rows left, front, up; `front` (by default the patient's) is made square to `up`."""
    u = up / np.linalg.norm(up)
    a = np.array([0.0, -1.0, 0.0]) if front is None else front
    a = a - (a @ u) * u
    a = a / np.linalg.norm(a)
    return np.stack([np.cross(u, a), a, u])


def _are(voxels: npt.NDArray[np.int16], numbers: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Whether voxels have one of a few numbers."""
    out: npt.NDArray[np.bool_] = voxels == numbers[0]
    for number in numbers[1:]:
        out |= voxels == number
    return out


def _smooth(values: npt.NDArray[np.float32], sigma: tuple[float, float, float]) -> FloatArray:
    """Gaussian blur of (slices, rows, columns); sigma in voxels in the same order."""
    out = np.empty_like(values)
    for k in range(len(values)):
        out[k] = cv2.GaussianBlur(
            values[k], (0, 0), sigmaX=sigma[2], sigmaY=sigma[1], borderType=cv2.BORDER_CONSTANT
        )
    flat = out.reshape(len(out), -1)
    blurred = cv2.GaussianBlur(
        flat, (1, _odd(sigma[0])), sigmaX=1e-3, sigmaY=sigma[0], borderType=cv2.BORDER_REPLICATE
    )
    result: FloatArray = blurred.reshape(values.shape)  # type: ignore[assignment]
    return result


def _odd(sigma: float) -> int:
    return 2 * max(1, int(np.ceil(3 * sigma))) + 1


def _thickest(mask: Mask) -> FloatArray:
    """Where the blurred label is greatest."""
    volume = mask.volume
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    spread = volume.to_patient(corners * (np.array(volume.size) - 1))
    low, high = spread.min(axis=0), spread.max(axis=0)
    counts = np.ceil((high - low) / _COARSE).astype(int) + 1
    axes = [low[d] + _COARSE * np.arange(counts[d]) for d in range(3)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    share = mask.sample(np.stack([x, y, z], axis=-1))
    blurred = _smooth(share, (_BLUR / _COARSE,) * 3)
    k, j, i = np.unravel_index(int(np.argmax(blurred)), blurred.shape)
    return np.array([axes[0][i], axes[1][j], axes[2][k]])


def _to_the_back(
    seen: npt.NDArray[np.bool_], lateral: FloatArray, front: FloatArray, aside: float
) -> FloatArray | None:
    """(2,) unit vector (left, front) from the body to its canal, None if nothing shows it."""
    where = _canal(seen, lateral, front)
    if where is None:
        far = (front < -22)[:, None] & (np.abs(lateral) < 25)[None, :] & seen
        if far.sum() < 60:
            return None
        f, s = np.nonzero(far)
        where = np.array([lateral[s].mean(), front[f].mean()])
    away = where - np.array([aside, 0.0])
    length = float(np.hypot(*away))
    return None if length < 5 else away / length


def _aside(seen: npt.NDArray[np.bool_], lateral: FloatArray, front: FloatArray) -> float:
    """How far left of the centre the middle of the body lies, by its front half; mm."""
    middles = []
    for row in seen[(front > -2) & (front < 9)]:
        wide = lateral[row & (np.abs(lateral) < 31)]
        if len(wide) > 8:
            middles.append((wide[0] + wide[-1]) / 2)
    return float(np.clip(np.median(middles), -8, 8)) if middles else 0.0


def _from_above(
    mask: Mask, frame: BodyFrame
) -> tuple[npt.NDArray[np.bool_], FloatArray, FloatArray]:
    """What of a vertebra is seen from above: (front, lateral) picture and its two axes."""
    side, back, ahead, high = _BOX
    lateral = np.arange(-side, side + 1e-6, _GRID)
    front = np.arange(-back, ahead + 1e-6, _GRID)
    up = np.arange(-high, high + 1e-6, 3.25)
    seen = np.zeros((len(front), len(lateral)), dtype=bool)
    for height in up:
        s, f = np.meshgrid(lateral, front)
        grid = np.stack([s, f, np.full_like(s, height)], axis=-1)
        seen |= mask.sample(frame.to_patient(grid)) > 0.5
    return seen, lateral, front


def _canal(
    seen: npt.NDArray[np.bool_], lateral: FloatArray, front: FloatArray
) -> FloatArray | None:
    """Middle (left, front) of the hole behind the body, None if there is none."""
    count, _, stats, centres = cv2.connectedComponentsWithStats(
        (~seen).astype(np.uint8), connectivity=4
    )
    best, area = None, 0.0
    for i in range(1, count):
        x, y, w, h, pixels = (int(v) for v in stats[i])
        border = x == 0 or y == 0 or x + w == seen.shape[1] or y + h == seen.shape[0]
        size = pixels * _GRID**2
        place = np.array([lateral[0], front[0]]) + np.array(centres[i]) * _GRID
        near = abs(place[0]) < 18 and -48 < place[1] < -8
        if not border and near and _CANAL[0] <= size <= _CANAL[1] and size > area:
            best, area = place, size
    return best
