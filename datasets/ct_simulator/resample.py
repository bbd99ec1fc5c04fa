"""The deformed patient as voxels on a grid of the patient's own axes (torch, for speed)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from endplate.datasets.ct_simulator.deform import Deformation
from endplate.datasets.ct_simulator.source import CtSource
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.volume import AIR

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
    indices = source.ct.to_indices(source.to_patient(deformation.backward(places)))
    # -1 to 1 from the centre of the first voxel to that of the last
    unit = 2 * indices / (np.array(source.ct.size) - 1) - 1
    field = torch.from_numpy(unit.reshape(*coarse.size, 3).astype(np.float32)).permute(3, 0, 1, 2)
    # the coarse grid may reach beyond the fine one, so it is sampled and not just enlarged
    along = [
        torch.from_numpy(
            (
                2
                * (grid.coordinates(a) - coarse.low[a])
                / (coarse.coordinates(a)[-1] - coarse.low[a])
                - 1
            ).astype(np.float32)
        )
        for a in range(3)
    ]
    out = np.empty(grid.size, np.float32)
    voxels = _voxels(source)
    block = max(1, 2_000_000 // (grid.size[1] * grid.size[2]))
    for first in range(0, grid.size[0], block):
        part = along[0][first : first + block]
        where = torch.stack(torch.meshgrid(part, along[1], along[2], indexing="ij"), dim=-1)
        fine = functional.grid_sample(field[None], where.flip(-1)[None], align_corners=True)
        here = functional.grid_sample(voxels, fine[0].permute(1, 2, 3, 0)[None], align_corners=True)
        out[first : first + block] = here[0, 0].numpy() + AIR
    return out


@lru_cache(maxsize=3)
def _voxels(source: CtSource) -> torch.Tensor:
    """(1, 1, slices, rows, columns) Hounsfield units above air."""
    return torch.from_numpy(source.ct.voxels.astype(np.float32) - AIR)[None, None]
