"""What is given, what is absent, what is NaN, and how it is flagged."""

import math

import numpy as np
import pytest

from endplate.errors import GeometryError, UnknownName
from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.catalogue import CATALOGUE, describe
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import HEADLINE, headline_measurements, measure, worst_level
from endplate.geometry.settings import MeasureSettings

MM = Calibration((1.0, 1.0), "user")
WHOLE = ("T1", "T2", "T4", "T5", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")


def _get(measured, name, level=None):
    (found,) = [m for m in measured if m.name == name and level in (None, m.level)]
    return found


def _without(vertebra, *rows, cement=False):
    points = vertebra.points.copy()
    points[list(rows)] = np.nan
    return Vertebra(vertebra.level, points, vertebra.covariance, cement=cement)


def test_every_measure_is_described_and_every_description_measured(make_spine):
    measured = measure(make_spine(*WHOLE), MM)
    assert {m.name for m in measured} == set(CATALOGUE)
    assert all(m.unit == describe(m.name).unit for m in measured)
    with pytest.raises(UnknownName, match="Cobb"):
        describe("Cobb")


def test_order_is_levels_then_curves_and_each_measure_comes_once(make_spine):
    measured = measure(make_spine(*WHOLE), MM)
    keys = [(m.name, m.level) for m in measured]
    assert len(set(keys)) == len(keys)
    levels = [m.level for m in measured if m.name == "vertebral_kyphosis_deg"]
    assert tuple(levels) == WHOLE[:-1]
    assert measured[-1].name == "sacral_slope_deg"


def test_no_millimetres_without_spacing(make_spine):
    spine = make_spine(*WHOLE)
    names = {m.name for m in measure(spine, UNCALIBRATED)}
    assert {x for x in CATALOGUE if CATALOGUE[x].unit not in ("mm", "mm2")} == names


@pytest.mark.parametrize(
    ("source", "flag"), [("detector", "detector_plane"), ("unknown", "calibration_unknown")]
)
def test_doubtful_millimetres_are_flagged(make_spine, source, flag):
    measured = measure(make_spine("T12", "L1", "L2"), Calibration((1.0, 1.0), source))
    for m in measured:
        assert (flag in m.flags) == (m.unit in ("mm", "mm2"))


def test_nothing_to_measure():
    assert measure((), MM) == ()
    unseen = [Vertebra(x, np.full((6, 2), np.nan)) for x in ("T12", "L1", "L2")]
    measured = measure(unseen, UNCALIBRATED)
    tables = ("farcy_baseline_deg", "ar_physio_deg", "vk_physio_deg")
    assert all(math.isnan(m.value) and m.flags for m in measured if m.name not in tables)
    assert "facing_unknown" in _get(measured, "vertebral_kyphosis_deg", "L1").flags


def test_ends_of_the_film_have_flagged_nan_for_what_needs_a_neighbour(make_spine):
    measured = measure(make_spine("T12", "L1", "L2"), MM)
    top, bottom = (_get(measured, "regional_kyphosis_deg", x) for x in ("T12", "L2"))
    assert math.isnan(top.value)
    assert top.flags == ("level_above_missing",)
    assert math.isnan(top.se)
    assert math.isnan(top.interval90[0])
    assert math.isnan(bottom.value)
    assert bottom.flags == ("level_below_missing",)
    assert top.between == ("sup(T11)", "inf(L1)")


def test_a_gap_is_a_missing_neighbour(make_spine):
    spine = [v for v in make_spine("T11", "T12", "L1", "L2") if v.level != "T12"]
    measured = measure(spine, MM)
    assert _get(measured, "gardner_mono_above_deg", "L1").flags == ("level_above_missing",)
    assert math.isnan(_get(measured, "disc_above_angle_deg", "L1").value)
    loss = _get(measured, "loss_ant_pct", "L1")
    assert loss.between == ("ant(L1)", "ant(L2)")
    assert "predicted_from_one_neighbour" in loss.flags


def test_unseen_points_make_nan_only_where_they_are_needed(make_spine):
    spine = make_spine("T12", "L1", "L2")
    spine[1] = _without(spine[1], 5)
    measured = measure(spine, MM)
    lost = _get(measured, "vertebral_kyphosis_deg", "L1")
    assert math.isnan(lost.value)
    assert lost.flags == ("points_missing",)
    for name in ("regional_kyphosis_deg", "Hp_mm", "depth_sup_mm", "loss_post_pct"):
        found = _get(measured, name, "L1")
        assert math.isfinite(found.value)
        assert math.isfinite(found.se)


def test_a_missing_middle_point_is_replaced_and_flagged(make_spine):
    spine = make_spine("T12", "L1", "L2")
    spine[1] = _without(spine[1], 1)
    measured = measure(spine, MM)
    for level in ("T12", "L1"):
        assert ("middle_from_corners" in _get(measured, "Hm_mm", level).flags) == (level == "L1")
        assert "middle_from_corners" in _get(measured, "loss_mid_pct", level).flags
    assert _get(measured, "Hm_mm", "L1").value == pytest.approx(25.0)


def test_extra_levels_are_neighbours_by_order(make_spine):
    measured = measure(make_spine("T11", "T12", "T13", "L1", "L2"), MM)
    assert _get(measured, "regional_kyphosis_deg", "L1").between == ("sup(T13)", "inf(L2)")
    assert _get(measured, "regional_kyphosis_deg", "T12").between == ("sup(T11)", "inf(T13)")
    extra = _get(measured, "ART_deg", "T13")
    assert math.isnan(extra.value)
    assert extra.flags == ("no_physiological_value",)
    assert math.isfinite(_get(measured, "loss_ant_pct", "T13").value)
    measured = measure(make_spine("L5", "L6", "S1"), MM)
    assert _get(measured, "adjacent_endplates_deg", "L6").between == ("inf(L5)", "sup(S1)")
    measured = measure(make_spine("L5", "S1"), MM)
    assert _get(measured, "disc_above_angle_deg", "S1").value == pytest.approx(0.0)


def test_the_sacrum_has_a_superior_endplate_only(make_spine):
    measured = measure(make_spine("L4", "L5", "S1"), MM)
    sacral = {m.name for m in measured if m.level == "S1"}
    assert "disc_above_angle_deg" in sacral
    assert "sacral_slope_deg" in sacral
    assert not sacral & {"vertebral_kyphosis_deg", "Ha_mm", "loss_ant_pct", "ar_physio_deg"}
    above = {m.name for m in measured if m.level == "L5"}
    assert "adjacent_endplates_deg" in above
    assert "regional_kyphosis_deg" not in above
    assert _get(measured, "loss_ant_pct", "L5").flags == ("predicted_from_one_neighbour",)


def test_curves_need_both_ends(make_spine):
    names = {m.name for m in measure(make_spine("T10", "T11", "T12", "L1", "L2"), MM)}
    assert "thoracolumbar_T10_L2_deg" in names
    assert "lordosis_L1_S1_deg" not in names
    spine = make_spine("T10", "T11", "T12", "L1", "L2")
    spine[0] = _without(spine[0], 0)
    curve = _get(measure(spine, MM), "thoracolumbar_T10_L2_deg")
    assert math.isnan(curve.value)
    assert curve.flags == ("points_missing",)


def test_sacral_slope_falls_forward_positive_and_says_what_it_assumes(make_spine):
    spine = make_spine("L4", "L5", "S1")
    points = spine[2].points.copy()
    points[0, 1] += 20.0
    slope = _get(measure([*spine[:2], Vertebra("S1", points)], MM), "sacral_slope_deg")
    assert slope.value == pytest.approx(math.degrees(math.atan2(20, 35)))
    assert slope.flags == ("assumes_vertical_image",)


def test_index_level_flags_its_neighbours_and_leaves_nothing_out(make_spine):
    spine = make_spine("T11", "T12", "L1", "L2", "L3", wedge="L1")
    plain, indexed = measure(spine, MM), measure(spine, MM, index_level="L1")
    assert [(m.name, m.level) for m in plain] == [(m.name, m.level) for m in indexed]
    regional = _get(indexed, "regional_kyphosis_deg", "L2")
    assert regional.value == _get(plain, "regional_kyphosis_deg", "L2").value
    assert regional.flags == ("level_above_fractured",)
    loss = _get(indexed, "loss_ant_pct", "L2")
    assert set(loss.flags) == {"predicted_from_one_neighbour", "level_above_fractured"}
    assert loss.between == ("ant(L2)", "ant(L3)")
    assert _get(indexed, "regional_kyphosis_deg", "L1").flags == ()


@pytest.mark.parametrize("how", ["cement", "fractured"])
def test_rules_for_a_neighbour_that_is_not_intact(make_spine, how):
    spine = make_spine("T11", "T12", "L1", "L2")
    if how == "cement":
        spine[1] = _without(spine[1], cement=True)
    fractured = ("T12",) if how == "fractured" else ()
    state = "level_above_" + {"cement": "cemented"}.get(how, how)

    def regional(rule):
        settings = MeasureSettings(neighbours=rule, fractured=fractured)
        return measure(spine, MM, index_level="L1", settings=settings)

    kept = _get(regional("keep"), "regional_kyphosis_deg", "L1")
    assert kept.between == ("sup(T12)", "inf(L2)")
    assert kept.flags == (state,)
    missing = _get(regional("missing"), "regional_kyphosis_deg", "L1")
    assert math.isnan(missing.value)
    assert missing.flags == (state, "level_above_left_out")
    stepped = _get(regional("next_intact"), "regional_kyphosis_deg", "L1")
    assert stepped.between == ("sup(T11)", "inf(L2)")
    assert stepped.flags == ("level_above_stepped",)
    assert math.isfinite(stepped.value)
    disc = _get(regional("missing"), "disc_above_angle_deg", "L1")
    assert math.isfinite(disc.value)
    for rule in ("keep", "missing"):
        assert _get(regional(rule), "loss_ant_pct", "L1").between == ("ant(L1)", "ant(L2)")
    loss = _get(regional("next_intact"), "loss_ant_pct", "L1")
    assert loss.between == ("ant(L1)", "ant(T11)", "ant(L2)")


def test_stepping_over_a_level_that_is_not_on_the_film(make_spine):
    spine = [v for v in make_spine("T11", "T12", "L1", "L2") if v.level != "T12"]
    settings = MeasureSettings(neighbours="next_intact")
    found = _get(measure(spine, MM, settings=settings), "regional_kyphosis_deg", "L1")
    assert found.between == ("sup(T11)", "inf(L2)")
    assert found.flags == ("level_above_stepped",)
    alone = _get(measure(spine[1:], MM, settings=settings), "regional_kyphosis_deg", "L1")
    assert math.isnan(alone.value)
    assert alone.flags == ("level_above_missing",)


def test_farcy_zones_are_a_setting(make_spine):
    spine = make_spine("T10", "T11", "T12", "L1", "L2")
    baseline = {m.level: m.value for m in measure(spine, MM) if m.name == "farcy_baseline_deg"}
    assert baseline == {"T10": 5.0, "T11": 5.0, "T12": 0.0, "L1": 0.0, "L2": -10.0}
    settings = MeasureSettings(thoracolumbar_levels=("T11", "T12", "L1", "L2"))
    index = _get(measure(spine, MM, settings=settings), "farcy_sagittal_index_deg", "L2")
    assert index.value == pytest.approx(0.0)


def test_swapped_corners_are_flagged(make_spine):
    spine = make_spine("T11", "T12", "L1", "L2")
    spine[2] = Vertebra("L1", spine[2].points[[2, 1, 0, 5, 4, 3]], spine[2].covariance)
    measured = measure(spine, MM)
    assert "corners_swapped" in _get(measured, "vertebral_kyphosis_deg", "L1").flags
    assert "corners_swapped" not in _get(measured, "vertebral_kyphosis_deg", "T12").flags


def test_facing_is_found_without_a_complete_body(make_spine):
    spine = make_spine("T12", "L1", "L2", wedge="L1")
    whole = _get(measure(spine, MM), "gardner_mono_above_deg", "L1").value
    partial = [_without(spine[0], 3, 4, 5), _without(spine[1], 0, 1, 2), _without(spine[2], 5)]
    assert _get(measure(partial, MM), "gardner_mono_above_deg", "L1").value == pytest.approx(whole)
    single = measure([_without(spine[0], 3, 4, 5)], MM)
    assert "facing_unknown" in _get(single, "vertebral_kyphosis_deg").flags


def test_two_points_on_each_other_are_as_good_as_missing(make_spine):
    spine = make_spine("T12", "L1", "L2")
    points = spine[1].points.copy()
    points[2] = points[0]
    found = measure([spine[0], Vertebra("L1", points, spine[1].covariance), spine[2]], MM)
    assert math.isnan(_get(found, "vertebral_kyphosis_deg", "L1").value)
    assert _get(found, "depth_sup_mm", "L1").value == 0.0
    assert math.isnan(_get(found, "depth_sup_mm", "L1").se)


def test_levels_out_of_order_or_twice_are_refused(make_spine):
    spine = make_spine("T12", "L1", "L2")
    with pytest.raises(GeometryError, match="L1 then T12"):
        measure([spine[1], spine[0]], MM)
    with pytest.raises(GeometryError, match="L1 then L1"):
        measure([spine[1], spine[1]], MM)
    with pytest.raises(UnknownName, match="L9"):
        measure(spine, MM, index_level="L9")


def test_settings_refuse_nonsense():
    with pytest.raises(UnknownName, match="next_intact"):
        MeasureSettings(neighbours="guess")  # type: ignore[arg-type]
    with pytest.raises(UnknownName):
        MeasureSettings(fractured=("L9",))
    with pytest.raises(GeometryError, match="slip_pct"):
        MeasureSettings(slip_pct=-1.0)


def test_headline(make_spine):
    spine = make_spine("T10", "T11", "T12", "L1", "L2", "L3", wedge="L1")
    measured = measure(spine, MM, index_level="L1")
    headline = headline_measurements(measured, "L1")
    assert [m.name for m in headline] == [*HEADLINE, "thoracolumbar_T10_L2_deg"]
    assert {m.level for m in headline[:-1]} == {"L1"}
    assert worst_level(measured) == "L1"
    assert headline_measurements(measured) == headline
    intact = measure(make_spine("T10", "T11", "T12", "L1", "L2"), MM)
    assert worst_level(intact) is None
    assert [m.name for m in headline_measurements(intact)] == ["thoracolumbar_T10_L2_deg"]
    assert headline_measurements(intact, "L5")[0].name == "thoracolumbar_T10_L2_deg"
    with pytest.raises(UnknownName):
        headline_measurements(intact, "L9")


def test_input_is_left_alone(make_spine):
    spine = make_spine("T12", "L1", "L2")
    before = [v.points.copy() for v in spine]
    measure(spine, MM)
    for v, points in zip(spine, before, strict=True):
        np.testing.assert_array_equal(v.points, points)
