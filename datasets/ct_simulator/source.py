"""A CT to simulate from: its voxels, and where its bodies are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.curve import centre_line
from endplate.imaging.ct.labels import read_labels
from endplate.imaging.ct.read import read_ct
from endplate.imaging.ct.spine import read_spine
from endplate.imaging.ct.volume import Volume

__all__ = ["CtSource", "SourceBody", "load_source"]


@dataclass(frozen=True, eq=False)
class SourceBody:
    """A body of the CT, in the patient's own axes: left, front and up, mm.

    Parameters
    ----------
    points : (6, 3) array
        The six points; NaN where S1 has none.
    centre : (3,) array
    axes : (3, 3) array
        Rows: left, front and up of this body.
    depth, height : float
        mm.
    """

    points: FloatArray
    centre: FloatArray
    axes: FloatArray
    depth: float
    height: float


@dataclass(frozen=True, eq=False)
class CtSource:
    """One CT.

    Parameters
    ----------
    name : str
        Subject of everything made of it.
    ct : Volume
    origin, axes : (3,), (3, 3) array
        LPS mm and rows left, front, up of the patient's own axes.
    bodies : mapping of str to SourceBody
        Head to foot.
    bounds : (2, 3) array
        Least and greatest left, front, up of the volume.
    """

    name: str
    ct: Volume
    origin: FloatArray
    axes: FloatArray
    bodies: Mapping[str, SourceBody]
    bounds: FloatArray

    def to_patient(self, local: FloatArray) -> FloatArray:
        """(..., 3) left, front, up to LPS mm."""
        out: FloatArray = local @ self.axes + self.origin
        return out


def load_source(name: str, ct: str | Path, labels: str | Path) -> CtSource:
    """Read a CT and its segmentation.

    Raises
    ------
    InputError
        If the segmentation shows fewer than two whole bodies.
    """
    volume = read_ct(ct)
    found = read_spine(read_labels(labels), volume).bodies
    if len([k for k in found if k != "S1"]) < 2:
        raise InputError(f"{labels}: fewer than two whole bodies; a simulation needs more")
    own = [b for k, b in found.items() if k != "S1"]
    line = centre_line([b.frame.centre for b in own], [b.frame.axes[1] for b in own])
    bodies = {}
    for level, body in found.items():
        points = (body.points_mm - line.origin) @ line.axes.T
        corners = points[[0, 2, 3, 5]]
        rows = body.frame.axes @ line.axes.T
        depth = float(np.linalg.norm(points[0] - points[2]))
        middle = corners[~np.isnan(corners).any(axis=1)].mean(axis=0)
        height = float(
            np.nanmean(
                [np.linalg.norm(points[0] - points[5]), np.linalg.norm(points[2] - points[3])]
            )
            if level != "S1"
            else 0.8 * depth
        )
        if level == "S1":
            middle = middle - rows[2] * height / 2
        bodies[level] = SourceBody(points, middle, rows, depth, height)
    i, j, k = volume.size
    grid = np.array([[x, y, z] for x in (0, i - 1) for y in (0, j - 1) for z in (0, k - 1)])
    reach = (volume.to_patient(grid.astype(float)) - line.origin) @ line.axes.T
    bounds = np.stack([reach.min(axis=0), reach.max(axis=0)])
    return CtSource(name, volume, line.origin, line.axes, bodies, bounds)
