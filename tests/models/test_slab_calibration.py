"""Scales fitted on slabs: the widest is used, and a CT can be judged by the others."""

import json
from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.infer.pipeline import SLAB_CALIBRATION, FilmReader, weights_folder
from endplate.models.calibration import Calibrations, PointErrors
from endplate.models.slab_calibration import SlabCalibration, SlabScales

SHAPE = PointErrors(np.full(12, 0.02), 2.0, np.eye(12))
ONE, OTHER = SlabScales(0.7, 1.3, 0.9, 1.5), SlabScales(0.8, 0.9, 1.1)


def made(**scales: SlabScales) -> SlabCalibration:
    return SlabCalibration(SHAPE, scales, 0.05, {"command": "x"})


def test_the_greatest_scales_are_used() -> None:
    both = made(one=ONE, other=OTHER)
    assert both.chosen == SlabScales(0.8, 1.3, 1.1, 1.5)
    np.testing.assert_allclose(both.errors.floor, 0.016)
    assert both.errors.power == SHAPE.power
    assert (both.factor("deg"), both.factor("mm"), both.factor("ratio")) == (1.3, 1.1, 1.1)


def test_a_ct_is_judged_by_the_others() -> None:
    both = made(one=ONE, other=OTHER)
    assert both.without("one").chosen == OTHER
    assert both.without("a third").chosen == both.chosen
    with pytest.raises(InputError, match="one CT or more"):
        made(one=ONE).without("one")


def test_written_and_read_back() -> None:
    both = made(one=ONE, other=OTHER)
    again = SlabCalibration.from_json(both.to_json(), "file")
    assert again.scales == both.scales
    assert again.label == both.label
    assert again.label != made(one=ONE).label
    assert again.provenance == {"command": "x"}


@pytest.mark.parametrize(
    "change",
    [{"schema": "x"}, {"scales": {}}, {"scales": {"a": {"bones": 1}}}, {"shape": {"floor": [1]}}],
)
def test_other_files_are_refused(change: dict[str, object]) -> None:
    raw = {**json.loads(made(one=ONE).to_json()), **change}
    with pytest.raises(InputError, match="file: not a slab calibration"):
        SlabCalibration.from_json(json.dumps(raw), "file")


def test_the_package_brings_one_of_its_own() -> None:
    path = weights_folder() / SLAB_CALIBRATION
    shipped = SlabCalibration.from_json(path.read_text(), str(path))
    reader = FilmReader(threads=1)
    assert reader.slabs is not None
    assert reader.slabs.label == shipped.label
    held = shipped.provenance["scales_of_the_other_cts_hold"]
    assert set(held) == set(shipped.scales)
    other = FilmReader(threads=1, calibrations=Calibrations.uncalibrated(), slabs=made(one=ONE))
    assert other.slabs is not None
    assert other.slabs.chosen == ONE
    assert other.slab_naming == replace(other.calibrations.naming, trust=1.5)
