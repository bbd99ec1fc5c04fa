"""Standard errors: against finite differences, Monte Carlo and closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import GeometryError
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.geometry.uncertainty import (
    Z90,
    angle_se_deg,
    height_se,
    interval90,
    loss_se_pct,
    mdc95,
    probability_above,
    ratio_se,
    rescaled,
)

#: Grades jump, and have no standard error.
GRADES = ("genant_grade_from_max_loss", "meyerding_grade")


def _moved(vertebrae, by):
    return [Vertebra(v.level, v.points + step) for v, step in zip(vertebrae, by, strict=True)]


def _values(vertebrae, calibration):
    measured = measure(vertebrae, calibration)
    return np.array([m.value for m in measured if m.name not in GRADES])


def _errors(measured):
    kept = [m for m in measured if m.name not in GRADES]
    return kept, np.array([m.se for m in kept])


def _get(measured, name, level):
    return next(m for m in measured if m.name == name and m.level == level)


@pytest.mark.parametrize("number", ["6", "12"])
def test_jacobian_is_that_of_finite_differences(examples, number):
    # With a joint covariance of rank one, v v^T, the standard error is |J v|.
    example = examples[number]
    spine, calibration = example.vertebrae, example.calibration
    rng = np.random.default_rng(1)
    for _ in range(4):
        way = rng.normal(size=(len(spine), 6, 2))
        way[np.isnan([v.points for v in spine])] = 0.0
        flat = way.ravel()
        kept, se = _errors(measure(spine, calibration, covariance=np.outer(flat, flat)))
        ends = [_values(_moved(spine, s * 1e-4 * way), calibration) for s in (1, -1)]
        slope = np.abs(ends[0] - ends[1]) / 2e-4
        seen = ~np.isnan([m.value for m in kept])
        np.testing.assert_allclose(se[seen], slope[seen], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("correlated", [False, True])
def test_standard_errors_are_those_of_monte_carlo(examples, correlated):
    example = examples["6"]
    rng = np.random.default_rng(2)
    roots = []
    for _ in example.vertebrae:
        root = np.diag(rng.uniform(0.4, 1.6, 12))
        roots.append(root @ (np.eye(12) + 0.5 * rng.normal(size=(12, 12))) if correlated else root)
    spine = [
        Vertebra(v.level, v.points, root @ root.T)
        for v, root in zip(example.vertebrae, roots, strict=True)
    ]
    kept, se = _errors(measure(spine, example.calibration))
    draws = []
    for _ in range(800):
        by = [(root @ rng.normal(size=12)).reshape(6, 2) for root in roots]
        draws.append(_values(_moved(spine, by), example.calibration))
    spread = np.std(draws, axis=0, ddof=1)
    # The greatest of three losses that nearly tie is not normal; its parts are tested.
    use = [i for i, m in enumerate(kept) if m.value == m.value and m.name != "max_height_loss_pct"]
    np.testing.assert_allclose(spread[use], se[use], rtol=0.12, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.25, 0.5, 1.0])
def test_closed_forms(examples, sigma):
    example = examples["6"]
    variance = (sigma / np.asarray(example.calibration.scale_xy)) ** 2
    spine = [Vertebra(v.level, v.points, np.diag(np.tile(variance, 6))) for v in example.vertebrae]
    measured = measure(spine, example.calibration)
    by_name = {m.name: m for m in measured if m.level == "L1"}
    value = {k: m.value for k, m in by_name.items()}
    depths = value["depth_sup_mm"], value["depth_inf_mm"]
    assert by_name["vertebral_kyphosis_deg"].se == pytest.approx(angle_se_deg(sigma, *depths))
    outer = (
        _get(measured, "depth_sup_mm", "T12").value,
        _get(measured, "depth_inf_mm", "L2").value,
    )
    assert by_name["regional_kyphosis_deg"].se == pytest.approx(angle_se_deg(sigma, *outer))
    assert by_name["Ha_mm"].se == pytest.approx(height_se(sigma))
    ratio = ratio_se(sigma, value["Ha_mm"], value["Hp_mm"])
    assert by_name["Ha_Hp"].se == pytest.approx(ratio)
    loss = loss_se_pct(sigma, value["Ha_mm"], value["Ha_pred_mm"])
    assert by_name["loss_ant_pct"].se == pytest.approx(loss)


def test_printed_reference_figures():
    # L1 of worked example 6: depths 34.1 and 35.3 mm, Ha/Hp .686, loss 29.4 %.
    assert angle_se_deg(0.5, 34.1, 35.3) == pytest.approx(1.65, abs=0.005)
    assert ratio_se(0.5, 17.5, 25.5) == pytest.approx(0.034, abs=5e-4)
    assert loss_se_pct(0.5, 17.5, 24.79) == pytest.approx(3.2, abs=0.05)
    assert mdc95(angle_se_deg(0.5, 34.1, 35.3)) == pytest.approx(4.6, abs=0.05)


def test_common_translation_of_a_body_moves_no_angle_of_it(examples):
    example = examples["6"]
    together = np.kron(np.ones((6, 6)), np.eye(2)).astype(np.float64) * 9.0
    spine = [Vertebra(v.level, v.points, together) for v in example.vertebrae]
    measured = measure(spine, example.calibration)
    assert _get(measured, "vertebral_kyphosis_deg", "L1").se == pytest.approx(0.0, abs=1e-6)
    assert _get(measured, "loss_ant_pct", "L1").se == pytest.approx(0.0, abs=1e-6)
    assert _get(measured, "translation_above_pct", "L1").se > 0.5


def test_joint_covariance_of_independent_vertebrae_changes_nothing(examples):
    example = examples["6"]
    spine = example.vertebrae
    joint = np.zeros((12 * len(spine),) * 2)
    for i, v in enumerate(spine):
        joint[12 * i : 12 * i + 12, 12 * i : 12 * i + 12] = v.covariance
    alone = [m.se for m in measure(spine, example.calibration)]
    bare = [Vertebra(v.level, v.points) for v in spine]
    both = [m.se for m in measure(bare, example.calibration, covariance=joint)]
    np.testing.assert_allclose(both, alone)
    with pytest.raises(GeometryError, match="joint covariance"):
        measure(spine, example.calibration, covariance=joint[:12, :12])


def test_unknown_covariance_makes_nan_only_where_it_counts(make_spine):
    spine = make_spine("T12", "L1", "L2")
    spine[0] = Vertebra("T12", spine[0].points)
    covariance = spine[1].covariance.copy()
    covariance[2:4, :] = covariance[:, 2:4] = np.nan  # the superior middle point
    spine[1] = Vertebra("L1", spine[1].points, covariance)
    measured = measure(spine, Calibration((1.0, 1.0), "user"))
    assert math.isfinite(_get(measured, "vertebral_kyphosis_deg", "L1").se)
    for name in ("regional_kyphosis_deg", "Hm_mm", "loss_ant_pct"):
        found = _get(measured, name, "L1")
        assert math.isfinite(found.value)
        assert math.isnan(found.se)
        assert math.isnan(found.interval90[1])


def test_no_covariance_at_all(make_spine):
    spine = make_spine("T12", "L1", "L2", sigma=None)
    measured = measure(spine, Calibration((1.0, 1.0), "user"))
    tables = ("farcy_baseline_deg", "ar_physio_deg", "vk_physio_deg")
    for m in measured:
        assert m.se == 0.0 if m.name in tables and m.value == m.value else math.isnan(m.se)


def test_values_do_not_depend_on_the_covariance(examples):
    example = examples["12"]
    bare = [Vertebra(v.level, v.points) for v in example.vertebrae]
    first, second = (measure(x, example.calibration) for x in (example.vertebrae, bare))
    np.testing.assert_array_equal([m.value for m in first], [m.value for m in second])


def test_interval_and_probability():
    assert interval90(10.0, 2.0) == pytest.approx((10 - 2 * Z90, 10 + 2 * Z90))
    assert probability_above(5.0, 2.0, 5.0) == pytest.approx(0.5)
    assert probability_above(5.0 + 1.959964 * 2, 2.0, 5.0) == pytest.approx(0.975, abs=1e-6)
    assert probability_above(6.0, 0.0, 5.0) == 1.0
    assert math.isnan(probability_above(6.0, math.nan, 5.0))


def test_a_rescaled_measurement_keeps_its_value(make_spine):
    spine = make_spine("T12", "L1", "L2", sigma=1.0)
    before = _get(measure(spine, Calibration((1.0, 1.0), "user")), "regional_kyphosis_deg", "L1")
    after = rescaled(before, 1.2)
    assert (after.value, after.flags, after.between) == (before.value, before.flags, before.between)
    assert after.se == pytest.approx(1.2 * before.se)
    assert after.interval90 == pytest.approx(interval90(before.value, 1.2 * before.se))
    assert rescaled(before, 1.0) is before
    unknown = replace(before, se=math.nan, interval90=(1.0, 2.0))
    assert rescaled(unknown, 1.2) is unknown
