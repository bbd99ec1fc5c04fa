"""CT among the films of a subject: compared in degrees and percent, flagged, never in mm."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.measure import measure
from endplate.infer.commands.follow_request import FollowUpRequest, follow_up
from endplate.study.cohort import RADIOLOGICAL
from endplate.study.reading import Reading

OPERATION = date(2024, 1, 12)
REQUEST = FollowUpRequest({"P1": OPERATION}, {"P1": "L1"}, estimate="films")


def as_ct(reading: Reading) -> Reading:
    """The same bodies read on a CT of a patient who lay."""
    scale = reading.calibration.scale_xy
    step = float(np.mean(scale))
    calibration = Calibration((step, step), "ct")
    source = replace(reading.source, modality="CT", position="supine")
    return replace(
        reading,
        source=source,
        calibration=calibration,
        measurements=measure(reading.vertebrae, calibration),
    )


def bare(reading: Reading, zoom: float) -> Reading:
    """The same film without a spacing, enlarged."""
    vertebrae = tuple(
        replace(
            v,
            points=v.points * zoom,
            covariance=None if v.covariance is None else v.covariance * zoom**2,
        )
        for v in reading.vertebrae
    )
    return replace(
        reading,
        calibration=UNCALIBRATED,
        vertebrae=vertebrae,
        measurements=measure(vertebrae, UNCALIBRATED),
    )


@pytest.mark.parametrize("estimate", ["films", "joint"])
def test_no_millimetre_of_a_bare_film_is_compared_with_one_of_a_ct(visits, estimate) -> None:
    """A film without a spacing may be of any size: nothing that is compared changes with it."""
    request = replace(REQUEST, estimate=estimate)
    results = []
    for zoom in (1.0, 3.0):
        films = [as_ct(visits[0]), as_ct(visits[1]), bare(visits[2], zoom)]
        (result,) = follow_up(films, request)
        results.append(result)
        last = result.visits[2]
        assert {"uncalibrated", "ct_against_film", "positions_differ"} <= set(last.flags)
        assert all(last.value(f"{h}_mm") is None for h in ("Ha", "Hm", "Hp"))
        assert result.visits[1].value("Ha_mm") is not None
    one, other = (r.visits[2].changes for r in results)
    assert len(one) == len(other) > 10
    for a, b in zip(one, other, strict=True):
        assert a.name == b.name
        assert a.unit != "mm"
        assert not a.name.endswith("_mm")
        assert a.value == pytest.approx(b.value, abs=0.2, nan_ok=True), a.name
    for name in ("loss_of_correction_vertebral_kyphosis_deg",):
        (change,) = (m for m in one if m.name == name)
        assert "positions_differ" in change.flags


def test_each_film_unlike_the_first_after_the_operation_is_flagged(visits) -> None:
    (result,) = follow_up([as_ct(visits[0]), visits[1], visits[2]], REQUEST)
    flags = [set(v.flags) for v in result.visits]
    assert {"ct_against_film", "positions_differ"} <= flags[0]
    assert not flags[1] & {"ct_against_film", "positions_differ"}
    unknown = as_ct(visits[2])
    unknown = replace(unknown, source=replace(unknown.source, position=None))
    (result,) = follow_up([visits[0], visits[1], unknown], REQUEST)
    assert "ct_against_film" in result.visits[2].flags
    (loss,) = (
        m for m in result.visits[2].changes if m.name == "loss_of_correction_vertebral_kyphosis_deg"
    )
    assert "position_unknown" in loss.flags


def test_a_cohort_compares_no_millimetres() -> None:
    assert not [name for name in RADIOLOGICAL if name.endswith("_mm")]
