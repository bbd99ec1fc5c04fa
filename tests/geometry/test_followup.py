"""Correction, loss of correction, gain and restoration."""

import math

import numpy as np
import pytest

from endplate.errors import GeometryError, UnknownName
from endplate.geometry.followup import (
    Film,
    FollowUpSettings,
    angle_followup,
    followup,
    height_followup,
)
from endplate.geometry.measure import measure
from endplate.geometry.measurement import Measurement


def _angle(value, se=1.0, **changes):
    given = {"name": "vertebral_kyphosis_deg", "level": "L1", "between": ("sup(L1)", "inf(L1)")}
    return Measurement(**(given | changes), value=value, unit="deg", se=se)


def _loss(value, se=2.0):
    return Measurement("loss_ant_pct", "L1", ("ant(L1)",), value, "%", se)


def _by_name(measured):
    return {m.name: m for m in measured}


def test_identity_of_gain_correction_and_loss():
    got = _by_name(angle_followup(_angle(13.3), _angle(6.0), _angle(8.3)))
    c, loss, gain = (
        got[f"{x}_vertebral_kyphosis_deg"]
        for x in ("correction", "loss_of_correction", "final_gain")
    )
    assert (c.value, loss.value, gain.value) == pytest.approx((7.3, 2.3, 5.0))
    assert c.se == loss.se == gain.se == pytest.approx(math.sqrt(2))
    assert loss.interval90[0] == pytest.approx(2.3 - 1.6448536 * math.sqrt(2), abs=1e-6)
    assert got["loss_of_correction_pct_vertebral_kyphosis"].value == pytest.approx(230 / 7.3)
    assert c.level == "L1"
    assert c.between == ("sup(L1)", "inf(L1)")


def test_shared_part_cancels_in_differences():
    settings = FollowUpSettings(shared_se_deg=0.8)
    got = _by_name(angle_followup(_angle(13.3), _angle(6.0), _angle(8.3), settings))
    assert got["correction_vertebral_kyphosis_deg"].se == pytest.approx(math.sqrt(2 * (1 - 0.64)))
    settings = FollowUpSettings(shared_se_deg=5.0)
    got = _by_name(angle_followup(_angle(13.3), _angle(6.0), None, settings))
    assert got["correction_vertebral_kyphosis_deg"].se == pytest.approx(0.0, abs=1e-9)


def test_standard_errors_of_ratios_are_those_of_monte_carlo():
    rng = np.random.default_rng(3)
    n = 100_000
    shared = 0.3 * rng.normal(size=n)
    films = [
        k + shared + math.sqrt(se**2 - 0.09) * rng.normal(size=n)
        for k, se in ((20, 0.4), (5, 0.5), (9, 0.6))
    ]
    settings = FollowUpSettings(shared_se_deg=0.3, shared_se_pct=0.3)
    angle = _by_name(angle_followup(_angle(20, 0.4), _angle(5, 0.5), _angle(9, 0.6), settings))
    percent = 100 * (films[2] - films[1]) / (films[0] - films[1])
    se = angle["loss_of_correction_pct_vertebral_kyphosis"].se
    assert se == pytest.approx(percent.std(), rel=0.03)
    height = _by_name(height_followup("ant", _loss(20, 0.4), _loss(5, 0.5), None, settings))
    restored = 100 * (1 - films[1] / films[0])
    assert height["height_restoration_pct_ant"].se == pytest.approx(restored.std(), rel=0.03)


def test_percentage_of_a_small_correction_is_undefined():
    got = _by_name(angle_followup(_angle(10.0), _angle(5.01), _angle(6.0)))
    found = got["loss_of_correction_pct_vertebral_kyphosis"]
    assert math.isnan(found.value)
    assert math.isnan(found.se)
    assert "undefined_small_correction" in found.flags
    got = _by_name(angle_followup(_angle(10.0), _angle(5.0), _angle(6.0)))
    assert got["loss_of_correction_pct_vertebral_kyphosis"].value == pytest.approx(20.0)


def test_restoration_of_a_small_loss_is_undefined():
    got = _by_name(height_followup("ant", _loss(4.99), _loss(1.0), _loss(2.0)))
    assert math.isnan(got["height_restoration_pct_ant"].value)
    assert "undefined_small_loss" in got["height_restoration_pct_ant"].flags
    assert got["height_gain_pct_of_reference_ant"].value == pytest.approx(3.99)


def test_thresholds_and_probabilities():
    got = _by_name(angle_followup(None, _angle(6.0), _angle(12.0)))
    loss = got["loss_of_correction_vertebral_kyphosis_deg"]
    assert {"over_5_deg", "over_mdc95"} <= set(loss.flags)
    assert "over_10_deg" not in loss.flags
    bound = got["mdc95_vertebral_kyphosis_deg"]
    assert bound.value == pytest.approx(1.96 * math.sqrt(2), abs=1e-3)
    over5, over10 = (
        got[f"probability_loss_over_{x}_deg_vertebral_kyphosis"].value for x in (5, 10)
    )
    assert over5 == pytest.approx(0.5 * math.erfc(-1 / 2), abs=1e-9)
    assert over10 < 0.01
    small = _by_name(angle_followup(None, _angle(6.0), _angle(8.0)))
    assert "over_mdc95" not in small["loss_of_correction_vertebral_kyphosis_deg"].flags


def test_height_loss_over_the_threshold_is_flagged():
    for late, flagged in ((14.0, False), (16.0, True)):
        got = _by_name(height_followup("ant", None, _loss(5.0), _loss(late)))
        flags = got["height_loss_post_to_fu_pct_of_reference_ant"].flags
        assert ("over_10_pct" in flags) == flagged


def test_films_that_do_not_compare_are_flagged():
    def flags(positions, **changes):
        got = angle_followup(_angle(13.0), _angle(6.0, **changes), None, positions=positions)
        return got[0].flags

    assert flags(("supine", "supine", None)) == ()
    assert flags(("supine", "standing", None)) == ("positions_differ",)
    assert flags((None, "standing", None)) == ("position_unknown",)
    assert "landmarks_differ" in flags((None,) * 3, between=("sup(T11)", "inf(L1)"))
    assert "detector_plane" in flags((None,) * 3, flags=("detector_plane",))


def test_different_measures_are_refused():
    with pytest.raises(GeometryError, match="different measures"):
        angle_followup(_angle(13.0), _angle(6.0, name="regional_kyphosis_deg"))
    with pytest.raises(GeometryError, match="different measures"):
        angle_followup(_angle(13.0), _angle(6.0, level="L2"))


def test_missing_films_and_values():
    assert angle_followup(None, None, None) == ()
    assert angle_followup(_angle(13.0), None, None) == ()
    got = _by_name(angle_followup(_angle(math.nan), _angle(6.0), _angle(7.0)))
    assert math.isnan(got["correction_vertebral_kyphosis_deg"].value)
    found = got["loss_of_correction_pct_vertebral_kyphosis"]
    assert math.isnan(found.value)
    assert "undefined_small_correction" not in found.flags
    assert got["loss_of_correction_vertebral_kyphosis_deg"].value == pytest.approx(1.0)
    got = _by_name(angle_followup(None, _angle(6.0, math.nan), _angle(7.0)))
    loss = got["loss_of_correction_vertebral_kyphosis_deg"]
    assert loss.value == pytest.approx(1.0)
    assert math.isnan(loss.se)
    assert math.isnan(got["probability_loss_over_5_deg_vertebral_kyphosis"].value)


def test_films_of_different_magnification_compare(examples):
    # 6 to 7 to 8 are one patient on films of other spacing, tilt and magnification.
    films = []
    for number in ("6", "7", "8"):
        example = examples[number]
        films.append(Film(measure(example.vertebrae, example.calibration), "standing"))
    pre, post, last = films
    got = _by_name(followup("L1", pre, post, last))
    assert got["height_restoration_pct_ant"].value == pytest.approx(65.867, abs=1e-3)
    assert not any(m.name.endswith("_mm") for m in got.values())
    art, regional = (got[f"correction_{x}_deg"] for x in ("ART", "regional_kyphosis"))
    assert art.value == pytest.approx(regional.value)
    assert got["correction_vertebral_kyphosis_deg"].flags == ()
    two = _by_name(followup("L1", pre, post))
    assert "correction_vertebral_kyphosis_deg" in two
    assert "final_gain_vertebral_kyphosis_deg" not in two
    assert followup("T5", pre, post, last) == ()
    with pytest.raises(UnknownName):
        followup("L9", pre, post, last)


def test_settings_refuse_nonsense():
    with pytest.raises(GeometryError, match="min_correction_deg"):
        FollowUpSettings(min_correction_deg=-1.0)
