"""Ribs beside a vertebra, on drawn volumes."""

import numpy as np
import pytest

from endplate.imaging.ct.ribs import REACH, lateral_reach
from endplate.imaging.ct.volume import Provenance, Volume

CENTRE = np.zeros(3)
#: Rows left, front, up of a patient who lies straight.
AXES = np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0]])


def drawn(reach: tuple[float, float], half_width: float = 90.0, gap: bool = False) -> Volume:
    """A vertebra at the origin with bars of bone to the left and right, in 2 mm voxels."""
    x = np.arange(-half_width, half_width + 1, 2.0)
    y = np.arange(-50, 61, 2.0)
    z = np.arange(-40, 41, 2.0)
    k, j, i = np.meshgrid(z, y, x, indexing="ij")
    bone = (np.hypot(i, j) < 16) & (np.abs(k) < 12)
    beside = (np.abs(j - 14) < 4) & (np.abs(k) < 4)
    for side, far in zip((1, -1), reach, strict=True):
        bar = beside & (side * i > 0) & (side * i < far)
        if gap:
            bar &= np.abs(np.abs(i) - 40) > 4
        bone |= bar
    # a filled vessel before the spine reaches far to the left and tells nothing
    bone |= (np.abs(j + 20) < 6) & (i > 0) & (np.abs(k) < 12)
    values = np.where(bone, 300, 40).astype(np.int16)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = x[0], y[0], z[0]
    return Volume(values, affine, Provenance("drawn", ""))


def test_ribs_and_transverse_processes() -> None:
    left, right = lateral_reach(drawn((88.0, 42.0)), CENTRE, AXES)
    assert left == pytest.approx(REACH, abs=1.6)
    assert right == pytest.approx(42.0, abs=3.0)


def test_bone_that_does_not_hang_together_is_not_followed() -> None:
    reach = lateral_reach(drawn((88.0, 88.0), gap=True), CENTRE, AXES)
    assert np.all(reach < 40)


def test_a_turned_patient_makes_no_difference() -> None:
    turn = np.radians(20)
    left = np.array([np.cos(turn), np.sin(turn), 0])
    front = np.array([np.sin(turn), -np.cos(turn), 0])
    volume = drawn((88.0, 42.0))
    affine = volume.affine.copy()
    affine[:3] = np.array([left, -front, [0, 0, 1.0]]).T @ affine[:3]
    turned = Volume(volume.voxels, affine, volume.provenance)
    straight = lateral_reach(volume, CENTRE, AXES)
    axes = np.array([left, front, [0, 0, 1.0]])
    np.testing.assert_allclose(lateral_reach(turned, CENTRE, axes), straight, atol=3.1)


def test_what_the_volume_does_not_show_is_not_known() -> None:
    assert np.isnan(lateral_reach(drawn((40.0, 40.0), half_width=52.0), CENTRE, AXES)).all()
