"""The films of a subject measured together."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from endplate.datasets.simulator.cohort_plan import plan_cohort
from endplate.errors import GeometryError, UnknownName
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure, measurement_gradients
from endplate.infer.commands.follow_request import FollowUpRequest, follow_up
from endplate.infer.commands.series import landmark_readings
from endplate.study.body_shape import MODES, depth_of, fit_pose, rotation, shape_modes
from endplate.study.joint_estimate import JointEstimateSettings, estimate_jointly

LOSS = "loss_of_correction_vertebral_kyphosis_deg"
JOINT = FollowUpRequest({"P1": date(2024, 1, 12)}, {"P1": "L1"}, estimate="joint")
OPERATED = [False, True, True]


@pytest.fixture(scope="module")
def cohort():
    """Planned kyphosis, operations, levels and noisy landmarks of a few made-up subjects."""
    plan = plan_cohort(12, 977)
    planned = {(s.subject, v.name): v.kyphosis_deg for s in plan for v in s.visits}
    operations = {s.subject: s.operation for s in plan}
    levels = {s.subject: s.level for s in plan}
    return planned, operations, levels, landmark_readings(plan, 0.5, 977)


def losses(cohort, estimate, readings=None):
    """Error, standard error and truth of every loss of correction."""
    planned, operations, levels, own = cohort
    request = FollowUpRequest(operations, levels, estimate=estimate, joint_naming=False)
    out = []
    for result in follow_up(readings or own, request):
        for visit in result.visits:
            loss = visit.change(LOSS)
            if loss is not None and math.isfinite(loss.value):
                truth = planned[result.subject, visit.visit.name] - planned[result.subject, "post"]
                out.append((loss.value - truth, loss.se, truth))
    return np.array(out).T


def test_less_error_with_honest_intervals(cohort):
    alone, alone_se, _ = losses(cohort, "films")
    error, se, truth = losses(cohort, "joint")
    assert len(error) == len(alone) >= 30
    assert np.sqrt((error**2).mean()) < 0.8 * np.sqrt((alone**2).mean())
    assert se.mean() < 0.92 * alone_se.mean()
    assert 0.8 <= (np.abs(error) < 1.645 * se).mean() <= 1.0
    # What was lost is neither smoothed away nor made up.
    assert np.polyfit(truth, truth + error, 1)[0] == pytest.approx(1.0, abs=0.3)
    alarms = (truth + error > 1.96 * se)[np.abs(truth) <= 0.5]
    assert alarms.mean() <= 0.1


def test_points_on_the_cement_are_given_up(cohort):
    planned, operations, levels, readings = cohort
    subject = next(s for s in operations if (s, "12 months") in planned and _films(cohort, s) == 5)
    readings = [r for r in readings if r.source.patient_id == subject]
    film = readings[2]
    body = next(v for v in film.vertebrae if v.level == levels[subject])
    # All six points drawn together into the middle of the body.
    small = body.centre + 0.35 * (body.points - body.centre)
    changed = tuple(replace(v, points=small) if v is body else v for v in film.vertebrae)
    spoilt = [replace(film, vertebrae=changed) if r is film else r for r in readings]
    request = FollowUpRequest(operations, levels, estimate="joint", joint_naming=False)
    (before,) = follow_up(readings, request)
    (after,) = follow_up(spoilt, request)
    misread = [i for i, v in enumerate(after.visits) if "points_misread" in v.flags]
    assert misread == [2]
    assert not any("points_misread" in v.flags for v in before.visits)
    good, bad = before.visits[4].change(LOSS), after.visits[4].change(LOSS)
    assert good is not None
    assert bad is not None
    assert bad.value == pytest.approx(good.value, abs=1.0)
    # The visit itself is now a guess, and says so by its error.
    spoilt_loss, whole_loss = after.visits[2].change(LOSS), before.visits[2].change(LOSS)
    assert spoilt_loss is not None
    assert whole_loss is not None
    assert spoilt_loss.se > 1.2 * whole_loss.se


def _films(cohort, subject):
    return sum(r.source.patient_id == subject for r in cohort[3])


def by_person(readings):
    return [replace(r, reader=replace(r.reader, kind="person")) for r in readings]


def test_worked_examples_stay_close(visits, expected):
    (result,) = follow_up(by_person(visits), JOINT)
    assert result.estimate == "joint"
    assert result.noise is not None
    name = "vertebral_kyphosis_deg"
    for visit, number in zip(result.visits, "678", strict=True):
        together, own = visit.value(name), next(m for m in visit.own_values if m.name == name)
        assert own.value == pytest.approx(expected[number][name], abs=1e-3)
        assert together is not None
        assert together.value == pytest.approx(own.value, abs=0.5)
        assert together.se < own.se


def test_networks_show_a_part_of_a_change_of_wedge(visits):
    name = "correction_vertebral_kyphosis_deg"
    (theirs,), (ours,) = follow_up(by_person(visits), JOINT), follow_up(visits, JOINT)
    for person, network in zip(theirs.visits[1:], ours.visits[1:], strict=True):
        shown, whole = person.change(name), network.change(name)
        assert shown is not None
        assert whole is not None
        chosen = JointEstimateSettings()
        assert abs(whole.value) * chosen.wedge_shown == pytest.approx(abs(shown.value), abs=0.15)
        # how much was hidden differs from body to body: a great change is less sure
        doubt = chosen.wedge_shown_sd / chosen.wedge_shown * whole.value
        assert whole.se > math.hypot(0.9 * shown.se, doubt)
    # nothing moves where nothing changed
    first = [r.visits[0].value("regional_kyphosis_deg") for r in (theirs, ours)]
    assert first[0] is not None
    assert first[1] is not None
    assert first[0].value == pytest.approx(first[1].value, abs=0.05)


def test_the_frame_of_a_film_does_not_matter(visits):
    def moved(reading, transform):
        turn = np.kron(np.eye(6), transform)
        bodies = tuple(
            replace(
                v,
                points=v.points @ transform.T + [3000.0, 2000.0],
                covariance=turn @ v.covariance @ turn.T,
            )
            for v in reading.vertebrae
        )
        return replace(reading, vertebrae=bodies, measurements=measure(bodies, reading.calibration))

    (plain,) = follow_up(visits, JOINT)
    mirrored = rotation(0.4) @ np.diag([-1.25, 1.25])
    (other,) = follow_up([visits[0], moved(visits[1], mirrored), visits[2]], JOINT)
    loss, again = plain.visits[2].change(LOSS), other.visits[2].change(LOSS)
    assert loss is not None
    assert again is not None
    assert again.value == pytest.approx(loss.value, abs=0.02)
    assert again.se == pytest.approx(loss.se, rel=0.02)


def test_what_cannot_be_estimated_together(visits, changed):
    assert estimate_jointly(visits[:1], ["L1"], [False]) is None
    assert estimate_jointly(visits, [], OPERATED) is None
    bare = [changed(r, "L1", covariance=None) for r in visits]
    assert estimate_jointly(bare, ["L1"], OPERATED) is None
    (result,) = follow_up(bare, JOINT)
    assert result.estimate == "films"
    (result,) = follow_up(by_person(visits), replace(JOINT, estimate="auto"))
    assert result.estimate == "films"
    (result,) = follow_up(visits, replace(JOINT, estimate="auto"))
    assert result.estimate == "joint"
    scanned = replace(visits[2], source=replace(visits[2].source, modality="CT"))
    (result,) = follow_up([*visits[:2], scanned], JOINT)
    own = next(m for m in result.visits[2].own_values if m.name == "vertebral_kyphosis_deg")
    assert result.visits[2].value("vertebral_kyphosis_deg") == own
    with pytest.raises(UnknownName, match="film"):
        follow_up(visits, replace(JOINT, estimate="film"))
    with pytest.raises(GeometryError, match="tails"):
        JointEstimateSettings(tails=0.0)


def test_bodies_that_are_not_estimated_keep_their_points(visits):
    joint = estimate_jointly(visits, ["L1"], OPERATED)
    assert joint is not None
    levels = [v.level for v in visits[1].vertebrae]
    covariance = joint.covariance(1, 1)
    assert covariance.shape == (12 * len(levels), 12 * len(levels))
    assert np.linalg.eigvalsh(covariance).min() > -1e-6
    assert np.allclose(joint.covariance(0, 2), joint.covariance(2, 0).T)
    # Films share the shapes, and so a part of their errors.
    place = 12 * levels.index("T12")
    assert np.abs(joint.covariance(0, 2)[place : place + 12, place : place + 12]).max() > 0


def test_gradients_are_those_of_the_standard_errors(visits):
    film = visits[1]
    gradients = measurement_gradients(film.vertebrae, film.calibration, index_level="L1")
    measured = measure(film.vertebrae, film.calibration, index_level="L1")
    n = len(film.vertebrae)
    joint = np.zeros((12 * n, 12 * n))
    for i, body in enumerate(film.vertebrae):
        joint[12 * i : 12 * i + 12, 12 * i : 12 * i + 12] = body.covariance
    compared = 0
    for m in measured:
        if (m.name, m.level) in gradients and m.se > 0:
            slope = gradients[m.name, m.level]
            assert math.sqrt(slope @ joint @ slope) == pytest.approx(m.se, rel=1e-9), m.name
            compared += 1
    assert compared > 50
    assert measurement_gradients([], film.calibration) == {}


def test_modes_and_pose_of_a_body():
    body = np.array([[30.0, 0], [15, 1], [0, 0], [0, 24], [15, 23], [30, 24]])
    modes = shape_modes(body)
    assert modes.shape == (12, len(MODES))
    assert np.linalg.matrix_rank(modes) == len(MODES)
    wedged = body + (modes[:, 0] * math.radians(5)).reshape(6, 2)
    angle = next(
        m.value
        for m in measure([Vertebra("L1", wedged)], UNCALIBRATED)
        if m.name == "vertebral_kyphosis_deg"
    )
    assert abs(angle) == pytest.approx(5.0, abs=0.02)
    assert float(depth_of(body)) == pytest.approx(30.0)
    turned = body @ rotation(0.3).T + [5.0, -7.0]
    angle, place = fit_pose(body, turned)
    assert angle == pytest.approx(0.3)
    assert place == pytest.approx([5.0, -7.0])
