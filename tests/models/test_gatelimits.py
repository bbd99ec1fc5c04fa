"""Limits of the gate: the score, what is weakest, and JSON."""

import json
from dataclasses import replace

import pytest

from endplate.errors import InputError
from endplate.models.calibration import Calibrations
from endplate.models.gatelimits import GateLimits

GATE = GateLimits({"view": 0.5, "rim": 2.0}, {"view": 4.0, "rim": 0.3}, -1.0, 0.25, tilt=15.5)


def test_the_score_is_linear():
    assert GATE.score({"view": 2.0, "rim": 0.5, "bodies": 9.0}) == pytest.approx(1.0)
    assert GateLimits(bias=0.7).score({}) == 0.7


def test_the_weakest_feature_is_the_one_that_costs_most_odds():
    assert GATE.weakest({"view": 3.0, "rim": -0.6}) == "rim"
    assert GATE.weakest({"view": -3.0, "rim": 0.3}) == "view"
    assert GATE.weakest({"view": 4.0, "rim": 0.3}) == ""


def test_json_there_and_back():
    one = replace(Calibrations.uncalibrated(), gate=GATE)
    assert Calibrations.from_json(one.to_json(), "here").gate == GATE


def test_a_calibration_from_before_the_gate_has_the_built_in_limits():
    text = Calibrations.uncalibrated().to_json()
    raw = json.loads(text)
    del raw["gate"]
    assert Calibrations.from_json(json.dumps(raw), "here").gate == GateLimits()


@pytest.mark.parametrize("gate", [{"tilt": "steep"}, {"unknown": 1.0}, [1]])
def test_a_broken_gate_is_refused(gate):
    raw = json.loads(Calibrations.uncalibrated().to_json())
    raw["gate"] = gate
    with pytest.raises(InputError, match="not a calibration"):
        Calibrations.from_json(json.dumps(raw), "calibration.json")
