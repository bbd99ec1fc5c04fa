"""What a network says of itself, and the numbers fitted after training, survive being written."""

import json
from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.models.calibration import Calibrations, PointErrors
from endplate.models.metadata import ModelMetadata
from endplate.models.naming import NamingConfig

METADATA = ModelMetadata(
    task="refiner", stride=2, multiple=32, version="1.2.3", config_sha256="ab", crop=64, extent=1.7
)


def test_metadata_round_trip():
    full = replace(METADATA, training={"steps": 10, "data_sha256": {"a.json": "cd"}})
    assert ModelMetadata.from_json(full.to_json(), "file") == full


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"points": 3, "levels": []}', "1"])
def test_unreadable_metadata_is_refused_with_one_sentence(text):
    with pytest.raises(InputError, match=r"net\.onnx: metadata 'endplate' is not readable"):
        ModelMetadata.from_json(text, "net.onnx")


def test_unknown_fields_are_refused():
    raw = json.loads(METADATA.to_json()) | {"surprise": 1}
    with pytest.raises(InputError, match="not readable"):
        ModelMetadata.from_json(json.dumps(raw), "net.onnx")


@pytest.mark.parametrize("field", ["points", "levels"])
def test_networks_of_other_points_or_levels_are_refused(field):
    raw = json.loads(METADATA.to_json())
    raw[field] = raw[field][:-1]
    with pytest.raises(InputError, match="other points or levels"):
        ModelMetadata.from_json(json.dumps(raw), "net.onnx")


def calibrations() -> Calibrations:
    rng = np.random.default_rng(0)
    mixing = rng.normal(0, 1, (12, 12))
    covariance = mixing @ mixing.T
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / sd[:, None] / sd[None, :]
    return Calibrations(
        NamingConfig(temperature=2.5, irregular=3.0),
        PointErrors(rng.uniform(0.01, 0.05, 12), 0.5, correlation),
        0.6,
        0.85,
        0.07,
        {"fitted_on": "nothing"},
    )


def test_calibrations_round_trip():
    before = calibrations()
    after = Calibrations.from_json(before.to_json(), "calibration.json")
    assert after.naming == before.naming
    np.testing.assert_allclose(after.points.floor, before.points.floor, atol=1e-5)
    np.testing.assert_allclose(after.points.correlation, before.points.correlation, atol=1e-4)
    assert after.points.gain == before.points.gain
    assert (after.lateral, after.level_probability, after.point_sd) == (0.6, 0.85, 0.07)
    assert after.provenance == {"fitted_on": "nothing"}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "endplate/calibration/9"},
        {"naming": {"temprature": 1.0}},
        {"points": {"floor": [1.0], "gain": 1.0, "correlation": []}},
        {"points": None},
        {"lateral": "often"},
    ],
)
def test_other_files_are_no_calibrations(change):
    raw = json.loads(calibrations().to_json()) | change
    with pytest.raises(InputError, match=r"calibration\.json: not a calibration file"):
        Calibrations.from_json(json.dumps(raw), "calibration.json")
    with pytest.raises(InputError, match="not a calibration file"):
        Calibrations.from_json("nonsense", "calibration.json")


def test_covariances_of_points_add_floor_and_spread():
    errors = PointErrors(np.full(12, 0.03), 0.5, np.eye(12))
    spread = np.zeros((6, 2))
    spread[2, 1] = 0.002
    covariance = errors.covariance(spread)
    expected = np.full(12, 0.0009)
    expected[5] += 0.001
    np.testing.assert_allclose(covariance, np.diag(expected), atol=1e-12)


def test_covariances_are_positive_definite():
    covariance = calibrations().points.covariance(np.full((6, 2), 0.001))
    np.testing.assert_allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_uncalibrated_numbers_are_usable():
    rough = Calibrations.uncalibrated()
    assert (rough.points.floor > 0).all()
    assert Calibrations.from_json(rough.to_json(), "x").naming == rough.naming
