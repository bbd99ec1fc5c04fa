"""DICOM SEG: segments called after levels, on the grid of their frames."""

from pathlib import Path

import numpy as np
import pytest

from endplate.errors import UnreadableImage
from endplate.imaging.ct.labels import read_labels

from .ct_factory import ct_slice, ramp, save, write_seg


def test_binary_segments(tmp_path: Path) -> None:
    masks = {}
    for n, label in enumerate(("vertebrae_T12", "L1 vertebra", "spleen")):
        mask = np.zeros((9, 21, 13), dtype=bool)
        mask[1 + n : 5 + n, 2 + n : 9, 3:8] = True
        masks[label] = mask
    masks["spleen"][0] = True
    affine = np.array([[0.8, 0, 0, -5], [0, 0.9, 0, 7], [0, 0, 2.0, 30], [0, 0, 0, 1.0]])
    write_seg(tmp_path / "seg.dcm", masks, affine)
    labels = read_labels(tmp_path / "seg.dcm")
    assert labels.scheme == "named"
    assert list(labels.numbers) == ["T12", "L1"]
    (number,) = labels.numbers["L1"]
    held = np.argwhere(labels.volume.voxels == number)[:, ::-1].astype(float)
    wanted = np.argwhere(masks["L1 vertebra"])[:, ::-1].astype(float)
    np.testing.assert_allclose(
        labels.volume.to_patient(held), wanted @ affine[:3, :3].T + affine[:3, 3], atol=1e-6
    )


OTHERS = ("L4/L5 disc", "L4 disk", "L1 pedicle screw", "Left rib T12", "L5 nerve root", "T12 - L2")


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_called_after_a_level_is_no_vertebra_for_that(tmp_path: Path, other: str) -> None:
    body = np.zeros((9, 21, 13), dtype=bool)
    body[1:5, 2:9, 3:8] = True
    beside = np.zeros_like(body)
    beside[5:8, 2:9, 3:8] = True
    masks = {"L4 vertebra": body, other: beside}
    write_seg(tmp_path / "seg.dcm", masks, np.diag([0.8, 0.9, 2.0, 1.0]))
    labels = read_labels(tmp_path / "seg.dcm")
    assert list(labels.numbers) == ["L4"]
    assert (labels.volume.voxels > 0).sum() == body.sum()


def test_what_is_no_segmentation_is_refused(tmp_path: Path) -> None:
    save(ct_slice(ramp()[0], 0), tmp_path / "ct.dcm")
    with pytest.raises(UnreadableImage, match="neither NIfTI nor DICOM SEG"):
        read_labels(tmp_path / "ct.dcm")
