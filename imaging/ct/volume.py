"""A volume with its place in the patient, and interpolation in it."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.errors import UnreadableImage
from endplate.geometry.landmarks import FloatArray

__all__ = ["AIR", "MAX_VOXELS", "Provenance", "Volume", "VoxelArray"]

VoxelArray = npt.NDArray[np.int16]
#: Hounsfield value of what lies outside a volume.
AIR: Final = -1024
#: 1,500 slices of 512 x 512 are 0.4 thousand million voxels, 0.8 GB.
MAX_VOXELS: Final = 700_000_000
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a volume comes from. Texts are ``""`` and numbers None if not recorded.

    Parameters
    ----------
    path, sha256 : str
        What was read: a folder or a file, and the SHA-256 of the bytes of all its files.
    position : str or None
        ``"supine"``, ``"prone"``, ``"decubitus"``, from PatientPosition.
    slice_thickness_mm, slice_spacing_mm : float or None
        As the header says, and as measured between slices.
    kernel, description : str
        Reconstruction kernel and series description.
    """

    path: str
    sha256: str
    modality: str = ""
    study_uid: str = ""
    series_uid: str = ""
    patient_id: str = ""
    study_date: str = ""
    position: str | None = None
    slice_thickness_mm: float | None = None
    slice_spacing_mm: float | None = None
    kernel: str = ""
    description: str = ""


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a regular, possibly sheared, grid in patient coordinates.

    Parameters
    ----------
    voxels : (slices, rows, columns) int16 array
        Hounsfield units, or the numbers of a label volume. Made read-only.
    affine : (4, 4) array
        Maps (column, row, slice, 1), counted from 0 at the centre of the first voxel, to
        (x, y, z, 1) in mm, LPS: towards the patient's left, back and head. A tilted gantry
        makes its axes oblique to each other.
    provenance : Provenance
    notes : tuple of str
        Sentences on what was corrected or left out.

    Raises
    ------
    UnreadableImage
        If the affine is singular or voxels are smaller than 0.05 or larger than 20 mm.
    """

    voxels: VoxelArray
    affine: FloatArray
    provenance: Provenance
    notes: tuple[str, ...] = ()
    inverse: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.int16:
            raise UnreadableImage(
                f"{self.provenance.path}: voxels of shape {self.voxels.shape},"
                f" {self.voxels.dtype}; expected three dimensions of int16"
            )
        object.__setattr__(self, "voxels", np.ascontiguousarray(self.voxels))
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise UnreadableImage(f"{self.provenance.path}: the orientation is not usable")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        shape = abs(float(np.linalg.det(affine[:3, :3] / np.maximum(spacing, 1e-9))))
        if not ((spacing > 0.05) & (spacing < 20)).all() or shape < 0.3:
            found = " x ".join(f"{v:.3g}" for v in spacing)
            raise UnreadableImage(
                f"{self.provenance.path}: voxels of {found} mm; expected 0.05 to 20 mm each way"
            )
        affine.flags.writeable = False
        self.voxels.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "inverse", np.linalg.inv(affine))

    @property
    def spacing(self) -> FloatArray:
        """(3,) mm between neighbouring columns, rows and slices (along the oblique axes)."""
        out: FloatArray = np.linalg.norm(self.affine[:3, :3], axis=0)
        return out

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of columns, rows and slices: the order of the affine."""
        k, j, i = self.voxels.shape
        return i, j, k

    def to_patient(self, indices: FloatArray) -> FloatArray:
        """(..., 3) column, row, slice to (..., 3) LPS mm."""
        out: FloatArray = indices @ self.affine[:3, :3].T + self.affine[:3, 3]
        return out

    def to_indices(self, points: FloatArray) -> FloatArray:
        """(..., 3) LPS mm to (..., 3) column, row, slice."""
        out: FloatArray = points @ self.inverse[:3, :3].T + self.inverse[:3, 3]
        return out

    def sample(self, points: FloatArray, outside: float = AIR) -> npt.NDArray[np.float32]:
        """Trilinear interpolation.

        Parameters
        ----------
        points : (..., 3) array
            LPS mm.
        outside : float
            Value beyond the outermost voxel centres.

        Returns
        -------
        (...) float32 array
        """
        flat = points.reshape(-1, 3)
        out = np.empty(len(flat), dtype=np.float32)
        for start in range(0, len(flat), _CHUNK):
            part = self.to_indices(flat[start : start + _CHUNK])
            out[start : start + _CHUNK] = trilinear(self.voxels, part, outside)
        return out.reshape(points.shape[:-1])

    def crop(self, low: FloatArray, high: FloatArray) -> "Volume":
        """The part between two corners (column, row, slice; `high` exclusive).

        Corners beyond the volume are moved to its border.
        """
        a = np.clip(np.floor(low).astype(int), 0, np.array(self.size) - 1)
        b = np.clip(np.ceil(high).astype(int), a + 1, np.array(self.size))
        affine = self.affine.copy()
        affine[:3, 3] = self.to_patient(a.astype(float))
        part = np.ascontiguousarray(self.voxels[a[2] : b[2], a[1] : b[1], a[0] : b[0]])
        return replace(self, voxels=part, affine=affine)


def trilinear(
    voxels: npt.NDArray[np.int16], indices: FloatArray, outside: float
) -> npt.NDArray[np.float32]:
    """Interpolate (slices, rows, columns) voxels at (N, 3) column, row, slice."""
    nk, nj, ni = voxels.shape
    flat = voxels.reshape(-1)
    out = np.zeros(len(indices), dtype=np.float32)
    inside = np.ones(len(indices), dtype=bool)
    bases, parts = [], []
    for axis, size in enumerate((ni, nj, nk)):
        at = indices[:, axis]
        inside &= (at >= -1e-6) & (at <= size - 1 + 1e-6)
        at = np.clip(at, 0, size - 1)
        base = np.minimum(at.astype(np.int64), max(size - 2, 0))
        bases.append(base)
        parts.append((at - base).astype(np.float32))
    first = (bases[2] * nj + bases[1]) * ni + bases[0]
    steps = [int(n > 1) * d for n, d in ((ni, 1), (nj, ni), (nk, ni * nj))]
    for corner in range(8):
        bits = (corner & 1, corner >> 1 & 1, corner >> 2)
        offset = sum(b * d for b, d in zip(bits, steps, strict=True))
        u, v, w = (f if b else 1 - f for b, f in zip(bits, parts, strict=True))
        weight = u * v * w
        out += weight * flat.take(first + offset)
    out[~inside] = outside
    return out
