"""Readings as plain values and back."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import Vertebra
from endplate.study.identity import without_identity
from endplate.study.reading import Naming, Reading
from endplate.study.serialise import reading_from_dict, reading_to_dict


def plain(reading: Reading) -> dict[str, Any]:
    """The values after a way through JSON text, which refuses NaN."""
    values: dict[str, Any] = json.loads(json.dumps(reading_to_dict(reading), allow_nan=False))
    return values


def test_round_trip(reading: Reading) -> None:
    back = reading_from_dict(plain(reading))
    for name in ("id", "parent", "created", "reader", "source", "calibration", "quality"):
        assert getattr(back, name) == getattr(reading, name), name
    for a, b in zip(back.vertebrae, reading.vertebrae, strict=True):
        assert (a.level, a.level_probability, a.cement) == (b.level, b.level_probability, b.cement)
        np.testing.assert_allclose(a.points, b.points, atol=5e-4)
        if b.covariance is not None:
            assert a.covariance is not None
            np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-7)
    for m, n in zip(back.measurements, reading.measurements, strict=True):
        for name in ("name", "level", "between", "unit", "flags"):
            assert getattr(m, name) == getattr(n, name)
        found, expected = ([x.value, x.se, *x.interval90] for x in (m, n))
        np.testing.assert_allclose(found, expected, atol=5e-5)
    assert plain(back) == plain(reading), "writing what was read changes nothing"


NAMING = Naming(
    0.91,
    2.5,
    {-2: 0.0, -1: 0.06, 0: 0.91, 1: 0.02, 2: 0.0},
    {"T12": {"T12": 0.93, "T11": 0.07}, "L1": {"L1": 0.94, "T12": 0.06}},
)


def test_naming_goes_there_and_back(reading: Reading) -> None:
    values = plain(replace(reading, naming=NAMING))
    assert values["naming"]["shifts"]["-1"] == 0.06
    assert reading_from_dict(values).naming == NAMING
    sure = replace(NAMING, margin=math.inf)
    assert plain(replace(reading, naming=sure))["naming"]["margin"] is None
    assert reading_from_dict(plain(replace(reading, naming=sure))).naming == sure
    assert "naming" not in plain(reading)
    assert reading_from_dict(plain(reading)).naming is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": 1.2}, "naming: probability is 1.2; expected a number from 0 to 1"),
        ({"shifts": {"3": 0.5}}, "'3'; expected one of -2, -1, 0"),
        ({"levels": {"L9": {}}}, "'L9'; expected the name of a level"),
        ({"levels": {"L1": {"L9": 1}}}, "'L9'; expected the name of a level"),
        ({"levels": {"L1": {"L2": "x"}}}, "L2 is 'x'"),
    ],
)
def test_broken_namings_are_refused(reading: Reading, change: dict[str, Any], message: str) -> None:
    values = plain(replace(reading, naming=NAMING))
    values["naming"].update(change)
    with pytest.raises(InputError, match=message):
        reading_from_dict(values)


def test_missing_is_null(reading: Reading) -> None:
    values = plain(reading)
    sacrum = values["vertebrae"][-1]
    assert sacrum["points"]["inferior_anterior"] is None
    assert sacrum["confidence"] is None
    assert sacrum["covariance"] is None
    assert sacrum["covariance_full"] is None
    undefined = values["measurements"][-1]
    assert (undefined["value"], undefined["se"], undefined["interval90"]) == (None, None, None)
    uncalibrated = replace(reading, calibration=UNCALIBRATED)
    assert plain(uncalibrated)["calibration"]["spacing_mm"] is None


def test_covariance_of_partly_seen_body_keeps_its_gaps() -> None:
    points = np.arange(12.0).reshape(6, 2)
    points[1] = np.nan
    covariance = np.eye(12)
    covariance[2:4] = covariance[:, 2:4] = np.nan
    body = Vertebra("L2", points, covariance)
    partly = replace(reading_from_dict(MINIMAL), vertebrae=(body,))
    written = plain(partly)["vertebrae"][0]
    assert written["covariance"]["superior_middle"] is None
    assert written["covariance"]["superior_anterior"] == [[1.0, 0.0], [0.0, 1.0]]
    assert written["covariance_full"][2] == [None] * 12


MINIMAL: dict[str, Any] = {
    "schema": "endplate/reading/1",
    "id": "x",
    "parent": "w",
    "created": "2026-01-02T03:04:05Z",
    "reader": {"kind": "person"},
    "source": {"path": "a.png", "rows": 10, "columns": 20},
    "calibration": {"spacing_mm": None, "source": "none"},
    "quality": {"status": "accepted", "reasons": []},
    "vertebrae": [
        {
            "level": "L1",
            "points": {"superior_anterior": [1, 2], "superior_posterior": None},
            "covariance": {"superior_anterior": [[2, 1], [1, 3]]},
        }
    ],
    "measurements": [],
}


def test_what_others_write_may_leave_out_what_is_unknown() -> None:
    back = reading_from_dict(MINIMAL)
    assert back.parent == "w"
    assert back.source.view == "other"
    (body,) = back.vertebrae
    assert body.has("superior_anterior")
    assert not body.has("superior_posterior")
    assert math.isnan(body.confidence)
    assert body.covariance is not None
    np.testing.assert_array_equal(body.covariance[:2, :2], [[2, 1], [1, 3]])
    assert np.isnan(body.covariance[2:, 2:]).all()


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "schema": (lambda d: d.update(schema="other/2"), "f.json: schema is 'other/2'"),
    "no id": (lambda d: d.pop("id"), "f.json: id is missing"),
    "rows": (lambda d: d["source"].update(rows=-1), "f.json: source: rows is -1"),
    "spacing": (lambda d: d["calibration"].update(source="user"), "'user' does not go with"),
    "status": (lambda d: d["quality"].update(status="fine"), "quality: status is 'fine'"),
    "level": (lambda d: d["vertebrae"][0].update(level="L9"), "place 0: level is 'L9'"),
    "point": (
        lambda d: d["vertebrae"][0]["points"].update(superior_middle=[1]),
        r"superior_middle is \[1\]; expected 2 numbers",
    ),
    "point name": (lambda d: d["vertebrae"][0]["points"].update(nose=[1, 2]), "points is 'nose'"),
    "infinite": (
        lambda d: d["vertebrae"][0]["points"].update(superior_middle=[1, math.inf]),
        "superior_middle is inf",
    ),
    "covariance": (
        lambda d: d["vertebrae"][0].update(covariance_full=[[1]]),
        "covariance_full is '1 rows'",
    ),
    "measurement": (lambda d: d.update(measurements=[{"name": 1}]), "name is 1"),
    "no list": (lambda d: d.update(vertebrae={}), "vertebrae is {}; expected a list"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_readings_are_refused(case: str) -> None:
    change, message = BROKEN[case]
    values = json.loads(json.dumps(MINIMAL))
    change(values)
    with pytest.raises(InputError, match=message):
        reading_from_dict(values, "f.json")


def test_identity_is_taken_out(reading: Reading) -> None:
    source = without_identity(reading).source
    assert source.path == "film.dcm"
    assert (source.patient_id, source.study_uid, source.instance_uid) == ("", "", "")
    assert source.sha256 == reading.source.sha256
    windows = replace(reading, source=replace(reading.source, path="C:\\Doe^John\\film.dcm"))
    assert without_identity(windows).source.path == "film.dcm"
