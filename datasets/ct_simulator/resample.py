"""The deformed patient as voxels on a grid of the patient's own axes."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.ct_simulator.deform import Deformation
from endplate.datasets.ct_simulator.source import CtSource
from endplate.geometry.landmarks import FloatArray

__all__ = ["Grid", "deformed_voxels"]

#: Grid on which the deformation is worked out before it is interpolated: left, front, up; mm.
_COARSE: Final = (8.0, 3.0, 2.0)


@dataclass(frozen=True, eq=False)
class Grid:
    """Box of the patient's own axes: least left, front, up; step; number of places each way."""

    low: FloatArray
    step: FloatArray
    size: tuple[int, int, int]

    @classmethod
    def over(cls, low: FloatArray, high: FloatArray, step: FloatArray) -> "Grid":
        """The grid that reaches from `low` to `high` or just beyond."""
        counts = np.ceil((high - low) / step).astype(int) + 1
        return cls(low, step, (int(counts[0]), int(counts[1]), int(counts[2])))

    def coordinates(self, axis: int) -> FloatArray:
        """Places along one axis, mm."""
        out: FloatArray = self.low[axis] + self.step[axis] * np.arange(self.size[axis])
        return out


def deformed_voxels(
    source: CtSource, deformation: Deformation, grid: Grid
) -> npt.NDArray[np.float32]:
    """(left, front, up) Hounsfield units of the deformed patient on a grid."""
    high = np.array([grid.coordinates(a)[-1] for a in range(3)])
    coarse = Grid.over(grid.low, high, np.maximum(grid.step, _COARSE))
    axes = np.meshgrid(*(coarse.coordinates(a) for a in range(3)), indexing="ij")
    places = np.stack(axes, axis=-1).reshape(-1, 3)
    moved = source.to_patient(deformation.backward(places)).reshape(*coarse.size, 3)
    moved = moved.astype(np.float32)
    # place of each column (up) and row (front) of the grid among those of the coarse one
    front, up = (((grid.coordinates(a) - coarse.low[a]) / coarse.step[a]) for a in (1, 2))
    columns, rows = np.meshgrid(up.astype(np.float32), front.astype(np.float32))
    out = np.empty(grid.size, np.float32)
    for k, left in enumerate(grid.coordinates(0)):
        at = min((left - coarse.low[0]) / coarse.step[0], coarse.size[0] - 1.001)
        i, part = int(at), np.float32(at - int(at))
        layer = moved[i] * (1 - part) + moved[i + 1] * part
        fine = cv2.remap(layer, columns, rows, cv2.INTER_LINEAR)
        out[k] = source.ct.sample(fine)
    return out
