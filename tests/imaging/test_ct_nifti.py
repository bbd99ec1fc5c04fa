"""NIfTI volumes: orientation, scaling, types, damage."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from endplate.errors import UnreadableImage
from endplate.imaging.ct.nifti import is_nifti, read_nifti


def nifti_bytes(values: np.ndarray, code: int, affine: np.ndarray, **fields: float) -> bytes:
    """A NIfTI-1 file of (k, j, i) values with an sform."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *values.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<h", head, 70, code)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 0, 0, 0, 0)
    slope, inter = fields.get("slope", 1.0), fields.get("inter", 0.0)
    struct.pack_into("<3f", head, 108, 352, slope, inter)
    struct.pack_into("<2h", head, 252, 0, int(fields.get("sform", 1)))
    struct.pack_into("<12f", head, 280, *affine[:3].ravel())
    head[344:348] = b"n+1\0"
    return bytes(head) + values.tobytes()


AFFINE = np.array([[-0.7, 0, 0, 30.0], [0, 0.8, 0, -20.0], [0, 0, 2.5, 5.0], [0, 0, 0, 1]])


@pytest.mark.parametrize(("code", "kind"), [(4, "<i2"), (16, "<f4"), (64, "<f8"), (8, "<i4")])
def test_values_and_orientation(tmp_path: Path, code: int, kind: str) -> None:
    values = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(kind)
    path = tmp_path / "v.nii.gz"
    path.write_bytes(gzip.compress(nifti_bytes(values, code, AFFINE, slope=2, inter=-10)))
    volume = read_nifti(path)
    np.testing.assert_array_equal(volume.voxels, 2 * values - 10)
    # RAS (30, -20, 5) is LPS (-30, 20, 5)
    np.testing.assert_allclose(volume.affine[:3, 3], [-30, 20, 5], atol=1e-5)
    np.testing.assert_allclose(np.diag(volume.affine)[:3], [0.7, -0.8, 2.5], atol=1e-6)
    assert is_nifti(path)


def test_damage_is_told(tmp_path: Path) -> None:
    values = np.zeros((4, 5, 6), "<i2")
    whole = nifti_bytes(values, 4, AFFINE)
    cases = {
        "truncated": (whole[:-20], "truncated"),
        "lost": (nifti_bytes(values, 4, AFFINE, sform=0), "neither sform nor qform"),
        "flat": (nifti_bytes(values, 4, 0 * AFFINE), "voxels of 0"),
        "complex": (nifti_bytes(values, 32, AFFINE), "data type 32"),
    }
    for name, (data, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UnreadableImage, match=message):
            read_nifti(path)


def test_labels_must_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "ct.nii"
    path.write_bytes(nifti_bytes(np.full((2, 3, 4), -5, "<i2"), 4, AFFINE))
    with pytest.raises(UnreadableImage, match="is this the CT itself"):
        read_nifti(path, labels=True)
