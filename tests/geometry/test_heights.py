"""Predicted heights, losses and grades."""

import math

import numpy as np
import pytest

from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.discs import meyerding_grade
from endplate.geometry.heights import genant_grade, genant_shape
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.geometry.physiology import DEFAULT, Physiology, PhysiologyRow

MM = Calibration((1.0, 1.0), "user")


def _get(measured, name, level):
    (found,) = [m for m in measured if m.name == name and m.level == level]
    return found


def _row(level: str) -> PhysiologyRow:
    row = DEFAULT.row(level)
    assert row is not None
    return row


def test_one_neighbour_is_scaled_by_the_table(make_spine):
    spine = make_spine("L1", "L2")
    for calibration in (MM, UNCALIBRATED):
        loss = _get(measure(spine, calibration), "loss_ant_pct", "L1")
        ratio = _row("L1").ha_mm / _row("L2").ha_mm
        assert loss.value == pytest.approx(100 * (1 - 1 / ratio))
        assert loss.between == ("ant(L1)", "ant(L2)")
        assert loss.flags == ("predicted_from_one_neighbour", "level_above_missing")


def test_the_table_alone_needs_true_millimetres(make_spine):
    spine = make_spine("L1")
    measured = measure(spine, MM)
    loss = _get(measured, "loss_post_pct", "L1")
    assert loss.value == pytest.approx(100 * (1 - 25 / _row("L1").hp_mm))
    assert loss.between == ("post(L1)", "table(L1)")
    assert "predicted_from_table" in loss.flags
    assert _get(measured, "Hp_pred_mm", "L1").value == _row("L1").hp_mm
    for calibration in (
        UNCALIBRATED,
        Calibration((1.0, 1.0), "detector"),
        Calibration((1.0, 1.0), "unknown"),
    ):
        loss = _get(measure(spine, calibration), "loss_post_pct", "L1")
        assert math.isnan(loss.value)
        assert "no_reference_height" in loss.flags


def test_a_level_outside_the_table_needs_both_neighbours(make_spine):
    loss = _get(measure(make_spine("T13", "L1"), MM), "loss_ant_pct", "T13")
    assert math.isnan(loss.value)
    assert "no_reference_height" in loss.flags


def test_another_table(make_spine):
    table = Physiology(
        (
            PhysiologyRow("L1", ha_mm=20.0, vertebral_kyphosis_deg=4.0, regional_kyphosis_deg=2.0),
            PhysiologyRow("L2", ha_mm=25.0),
        ),
        "made up",
    )
    measured = measure(make_spine("L1", "L2"), MM, physiology=table)
    assert _get(measured, "Ha_pred_mm", "L1").value == pytest.approx(20.0)
    assert _get(measured, "TVK_deg", "L1").value == pytest.approx(-4.0)
    assert math.isnan(_get(measured, "TVK_deg", "L2").value)


def test_loss_of_a_wedge(make_spine):
    measured = measure(make_spine("T12", "L1", "L2", wedge="L1"), MM)
    for name, value in (
        ("loss_ant_pct", 32.0),
        ("loss_mid_pct", 16.0),
        ("loss_post_pct", 0.0),
        ("max_height_loss_pct", 32.0),
        ("area_loss_pct", 16.0),
        ("Hp_Hp_pred", 1.0),
        ("area_mm2", 21.0 * 35.0),
    ):
        assert _get(measured, name, "L1").value == pytest.approx(value)
    grade = _get(measured, "genant_grade_from_max_loss", "L1")
    assert grade.value == 2.0
    assert grade.flags == ("shape_wedge",)
    assert grade.interval90 == (2.0, 2.0)
    assert math.isnan(grade.se)


def test_greatest_loss_needs_all_three(make_spine):
    spine = make_spine("T12", "L1", "L2", wedge="L1")
    points = spine[1].points.copy()
    points[3] = np.nan
    points[4] = np.nan
    spine[1] = Vertebra("L1", points, spine[1].covariance)
    measured = measure(spine, MM)
    assert _get(measured, "loss_ant_pct", "L1").value == pytest.approx(32.0)
    assert math.isnan(_get(measured, "max_height_loss_pct", "L1").value)
    assert math.isnan(_get(measured, "genant_grade_from_max_loss", "L1").value)


def test_genant_limits():
    losses = (-5.0, 19.99, 20.0, 24.99, 25.0, 40.0, 40.01, math.nan)
    grades = [genant_grade(x) for x in losses]
    assert grades[:-1] == [0, 0, 1, 1, 2, 2, 3]
    assert math.isnan(grades[-1])


@pytest.mark.parametrize(
    ("losses", "shape"),
    [
        ((30.0, 15.0, 2.0), "wedge"),
        ((10.0, 30.0, 5.0), "biconcave"),
        ((30.0, 30.0, 25.0), "crush"),
        ((10.0, 12.0, 21.0), "crush"),
        ((19.0, 10.0, 0.0), ""),
        ((30.0, math.nan, 0.0), ""),
    ],
)
def test_genant_shapes(losses, shape):
    assert genant_shape(*losses) == shape


def test_meyerding_limits():
    slips = (0.0, 4.9, 5.0, 25.0, 25.1, 50.0, 75.0, 100.0, 100.1, -30.0, math.nan)
    grades = [meyerding_grade(x) for x in slips]
    assert grades[:-1] == [0, 0, 1, 1, 2, 2, 3, 4, 5, 2]
    assert math.isnan(grades[-1])


@pytest.mark.parametrize(("forward", "flags"), [(7.0, ()), (-7.0, ("retrolisthesis",))])
def test_translation_of_the_level_above(make_spine, forward, flags):
    upper, lower = make_spine("L4", "L5")
    slipped = Vertebra("L4", upper.points - [forward, 0.0], upper.covariance)
    measured = measure([slipped, lower], MM)
    slip = _get(measured, "translation_above_pct", "L5")
    assert slip.value == pytest.approx(100 * forward / 35)
    assert _get(measured, "translation_above_mm", "L5").value == pytest.approx(forward)
    grade = _get(measured, "meyerding_grade", "L5")
    assert grade.value == 1.0
    assert grade.flags == flags


def test_disc_heights(make_spine):
    measured = measure(make_spine("L4", "L5"), MM)
    for name in ("disc_above_ant_mm", "disc_above_post_mm", "disc_above_mean_mm"):
        assert _get(measured, name, "L5").value == pytest.approx(8.0)
    assert _get(measured, "disc_above_farfan", "L5").value == pytest.approx(16 / 35)
