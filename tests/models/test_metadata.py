"""What a network says of itself, and the numbers fitted after training, survive being written."""

import json
from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.models.calibration import USUAL_SPREAD, Calibrations, PointErrors, blur_of
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
        NamingConfig(lumbar=0.25, irregular=3.0),
        PointErrors(rng.uniform(0.01, 0.05, 12), 0.5, correlation),
        0.6,
        0.85,
        0.07,
        {"vertebral_kyphosis_deg": 1.1},
        {"fitted_on": "nothing"},
    )


def test_calibrations_round_trip():
    before = calibrations()
    after = Calibrations.from_json(before.to_json(), "calibration.json")
    assert after.naming == before.naming
    np.testing.assert_allclose(after.points.floor, before.points.floor, atol=1e-5)
    np.testing.assert_allclose(after.points.correlation, before.points.correlation, atol=1e-4)
    assert after.points.power == before.points.power
    assert after.measures == before.measures
    assert (after.lateral, after.level_probability, after.point_sd) == (0.6, 0.85, 0.07)
    assert after.provenance == {"fitted_on": "nothing"}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "endplate/calibration/9"},
        {"naming": {"temprature": 1.0}},
        {"points": {"floor": [1.0], "power": 1.0, "correlation": []}},
        {"measures": [1.0]},
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


def test_blurred_maps_have_greater_errors():
    errors = PointErrors(np.full(12, 0.03), 2.0, np.eye(12))
    usual = np.full((6, 2), USUAL_SPREAD**2)
    np.testing.assert_allclose(errors.covariance(usual), np.diag(np.full(12, 0.03**2)), atol=1e-12)
    # maps twice as wide: four times the deviation
    np.testing.assert_allclose(np.sqrt(np.diag(errors.covariance(4 * usual))), 0.12, rtol=1e-9)
    one = usual.copy()
    one[2, 1] *= 4
    sd = np.sqrt(np.diag(errors.covariance(one)))
    # half its own width, half that of all twelve
    assert sd[5] == pytest.approx(0.03 * 2 ** (1 + 1 / 12), rel=1e-6)
    assert sd[0] == pytest.approx(0.03 * 2 ** (1 / 12), rel=1e-6)
    # missing points say nothing of the others, and nothing grows without bound
    one[3:] = 0.0
    assert np.isfinite(errors.covariance(one)).all()
    assert np.diag(errors.covariance(1e4 * usual)).max() == pytest.approx(0.25**2)
    np.testing.assert_allclose(blur_of(np.zeros((6, 2))), 1.0)


def test_covariances_are_positive_definite():
    covariance = calibrations().points.covariance(np.full((6, 2), 0.001))
    np.testing.assert_allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_uncalibrated_numbers_are_usable():
    rough = Calibrations.uncalibrated()
    assert (rough.points.floor > 0).all()
    assert Calibrations.from_json(rough.to_json(), "x").naming == rough.naming
