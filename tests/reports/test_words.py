"""Wording of measures, numbers and calibrations."""

import math
from dataclasses import replace

import pytest

from endplate.geometry.calibration import CALIBRATION_SOURCES, UNCALIBRATED, Calibration
from endplate.geometry.measurement import Measurement
from endplate.reports import words
from endplate.study.reading import Reading


def made(value: float, unit: str, half: float = math.nan) -> Measurement:
    interval = (value - half, value + half)
    return Measurement("vertebral_kyphosis_deg", "L1", ("sup(L1)",), value, unit, half, interval)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (13.25, "deg", "13.2°"),
        (-3.04, "deg", "−3.0°"),
        (-0.01, "deg", "0.0°"),
        (18.46, "mm", "18.5 mm"),
        (0.823, "ratio", "0.82"),
        (24.6, "%", "25 %"),
        (2.0, "grade", "2"),
        (812.4, "mm2", "812 mm²"),
        (math.nan, "deg", "–"),
        (math.inf, "mm", "–"),
    ],
)
def test_values(value: float, unit: str, expected: str) -> None:
    assert words.value_text(made(value, unit)) == expected


def test_intervals() -> None:
    angle = made(13.3, "deg", 1.8)
    assert words.interval_text(angle) == "11.5 to 15.1°"
    assert words.plus_minus(angle) == "± 1.8°"
    assert words.interval_text(made(13.3, "deg")) == ""
    assert words.plus_minus(made(2.0, "grade", 0.5)) == "", "a grade has no interval to show"


def test_labels() -> None:
    assert words.label(made(1.0, "deg")) == "Vertebral kyphosis"
    unknown = replace(made(1.0, "deg"), name="some_new_measure")
    assert words.label(unknown) == "some new measure"


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (("sup(T12)", "inf(L2)"), "sup(T12) – inf(L2)"),
        (("sup(S1)",), "sup(S1)"),
        ((), ""),
        (("ant(L1)", "ant(T12)", "ant(L2)", "mid(L1)"), "L1 against T12, L2"),
        (("ant(L1)", "mid(L1)", "post(L1)"), "L1"),
    ],
)
def test_pairs(between: tuple[str, ...], expected: str) -> None:
    assert words.pair_text(replace(made(1.0, "deg"), between=between)) == expected


def test_every_calibration_has_words() -> None:
    for source in CALIBRATION_SOURCES:
        spacing = None if source == "none" else (0.15, 0.15)
        assert words.calibration_text(Calibration(spacing, source))
    assert words.length_unit(Calibration((0.1, 0.1), "detector")) == "mm (detector)"
    assert words.length_unit(Calibration((0.1, 0.1), "user")) == "mm"
    divided = Calibration((0.1, 0.2), "magnification", 1.15)
    assert words.calibration_text(divided) == (
        "0.1 x 0.2 mm (row x column) per pixel,"
        " detector spacing divided by the stated magnification 1.15"
    )


def test_what_is_printed_is_one_line_of_printable_text() -> None:
    assert words.printable("a\x1b[31mb\nc\u202e") == "a\ufffd[31mb\ufffdc\ufffd"
    assert words.printable("Müller 脊椎 film.dcm") == "Müller 脊椎 film.dcm"


def test_columns_in_millimetres_need_a_calibration(reading: Reading) -> None:
    bare = words.level_columns(UNCALIBRATED)
    assert not any(name.endswith("_mm") for _, name in bare)
    columns = words.level_columns(reading.calibration)
    cells = words.level_cells(reading, "L1", columns)
    assert dict(zip((head for head, _ in columns), cells, strict=True)) == {
        "VK": "14.2°",
        "RK": "12.5°",
        "Ha/Hp": "",
        "Hm/Hp": "",
        "loss ant": "",
        "mid": "",
        "post": "",
        "Ha": "18.5",
        "Hm": "",
        "Hp": "",
    }
