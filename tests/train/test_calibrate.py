"""The fitted error model covers what it says, on errors of a known model."""

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.infer.refine import Refined
from endplate.models.calibration import USUAL_SPREAD, PointErrors
from endplate.train.calibrate import (
    Residual,
    fit_lateral,
    fit_point_sd,
    fit_points,
    kyphosis_scores,
    residual_of,
)

from ..spine import body


def true_model() -> PointErrors:
    """Corners 3 % across and 2 % along the endplate, middles less; neighbours go together."""
    floor = np.tile([0.02, 0.03], 6)
    floor[[2, 3, 8, 9]] *= 0.7
    correlation = np.eye(12)
    for a, b in ((1, 3), (3, 5), (7, 9), (9, 11)):
        correlation[a, b] = correlation[b, a] = 0.5
    return PointErrors(floor, 2.0, correlation)


def simulate(count: int, seed: int, model: PointErrors, missing: float = 0.0) -> list[Residual]:
    """Errors drawn from a model, with heat maps of different sharpness."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        spread = (USUAL_SPREAD * np.exp(rng.normal(0.0, 0.3, (6, 2)))) ** 2
        error = rng.multivariate_normal(np.zeros(12), model.covariance(spread))
        error[np.repeat(rng.random(6) < missing, 2)] = np.nan
        out.append(Residual(error, spread, i % 5, f"s{i // 6}"))
    return out


def coverage(residuals: list[Residual], errors: PointErrors) -> float:
    inside = [
        np.abs(r.error) <= 1.6449 * np.sqrt(np.diag(errors.covariance(r.spread))) for r in residuals
    ]
    return float(np.mean(inside))


@pytest.fixture(scope="module")
def fitted() -> PointErrors:
    return fit_points(simulate(600, 0, true_model()))


def test_ninety_percent_of_new_errors_lie_within_the_interval(fitted):
    fresh = simulate(2000, 1, true_model())
    assert coverage(fresh, fitted) == pytest.approx(0.90, abs=0.012)
    # of sharp maps and of blurred ones alike
    sharp = [r for r in fresh if r.spread.mean() < 0.0016]
    blurred = [r for r in fresh if r.spread.mean() > 0.0022]
    assert coverage(sharp, fitted) == pytest.approx(0.90, abs=0.03)
    assert coverage(blurred, fitted) == pytest.approx(0.90, abs=0.03)


def test_the_model_comes_back(fitted):
    model = true_model()
    assert fitted.power in (1.5, 2.0, 2.5)
    np.testing.assert_allclose(fitted.floor, model.floor, rtol=0.15)
    # shrunk by a tenth, on purpose
    assert fitted.correlation[1, 3] == pytest.approx(0.45, abs=0.1)
    assert abs(fitted.correlation[0, 7]) < 0.15


def test_intervals_of_kyphosis_hold_too(fitted):
    scores = kyphosis_scores(simulate(1500, 2, true_model()), fitted)
    assert np.mean(np.abs(scores) <= 1.6449) == pytest.approx(0.90, abs=0.03)


def test_the_correlation_is_one_of_a_covariance(fitted):
    for errors in (fitted, fit_points(simulate(25, 3, true_model(), missing=0.5))):
        np.testing.assert_allclose(errors.correlation, errors.correlation.T)
        np.testing.assert_allclose(np.diag(errors.correlation), 1.0)
        assert np.linalg.eigvalsh(errors.correlation).min() > 0


def test_errors_without_any_use_for_the_heat_maps():
    # constant errors whatever the maps say: the gain must be small
    model = PointErrors(np.full(12, 0.03), 0.0, np.eye(12))
    errors = fit_points(simulate(500, 4, model))
    assert errors.power <= 0.5
    assert coverage(simulate(1000, 5, model), errors) == pytest.approx(0.9, abs=0.015)


def test_missing_points_are_left_out():
    whole = fit_points(simulate(600, 6, true_model()))
    holes = fit_points(simulate(600, 6, true_model(), missing=0.2))
    np.testing.assert_allclose(holes.floor, whole.floor, rtol=0.15)
    never = simulate(60, 7, true_model())
    for r in never:
        r.error[[2, 3, 8, 9]] = np.nan
    errors = fit_points(never)
    assert np.isfinite(errors.floor).all()


def test_a_few_wild_errors_do_not_widen_everything():
    residuals = simulate(600, 8, true_model())
    for r in residuals[:12]:
        r.error[:] = 0.6
    np.testing.assert_allclose(fit_points(residuals).floor, true_model().floor, rtol=0.35)


def test_one_body_in_ten_is_flagged(fitted):
    residuals = simulate(600, 9, true_model())
    limit = fit_point_sd([r.spread for r in residuals], fitted)
    worst = [np.sqrt(np.diag(fitted.covariance(r.spread)).max()) for r in residuals]
    assert np.mean(np.array(worst) > limit) == pytest.approx(0.1, abs=0.005)


def test_too_few_bodies_are_refused():
    with pytest.raises(InputError, match="only 19 bodies to calibrate on; at least 20"):
        fit_points(simulate(19, 0, true_model()))


@pytest.mark.parametrize("tilt", [0.0, 40.0, -75.0])
@pytest.mark.parametrize("facing", ["left", "right"])
def test_residuals_are_in_the_frame_of_the_body(tilt, facing):
    truth = body((200, 300), 80, 60, tilt=tilt, facing=facing)
    angle = np.deg2rad(tilt)
    backward = np.array([np.cos(angle), np.sin(angle)]) * (1 if facing == "left" else -1)
    downward = np.array([-np.sin(angle), np.cos(angle)])
    axes = np.column_stack([backward, downward])
    points: FloatArray = truth + 4.0 * backward - 2.0 * downward
    blank = np.zeros((12, 12))
    refined = Refined(points, blank, np.zeros((6, 2)), np.ones(6), 80.0, axes, np.full(2, np.nan))
    residual = residual_of(refined, Vertebra("L1", truth), 3, "s")
    np.testing.assert_allclose(residual.error.reshape(6, 2), [[0.05, -0.025]] * 6, atol=1e-9)
    assert (residual.fold, residual.subject) == (3, "s")


def test_the_score_of_kyphosis_is_zero_for_shifted_bodies():
    shifted = Residual(np.tile([0.1, 0.2], 6), np.zeros((6, 2)), 0, "s")
    tilted = np.zeros(12)
    tilted[1] = 0.06
    errors = PointErrors(np.full(12, 0.03), 0.0, np.eye(12))
    scores = kyphosis_scores([shifted, Residual(tilted, np.zeros((6, 2)), 0, "s")], errors)
    np.testing.assert_allclose(scores, [0.0, 1.0], atol=1e-9)
    holes = tilted.copy()
    holes[5] = np.nan
    assert kyphosis_scores([Residual(holes, np.zeros((6, 2)), 0, "s")], errors).size == 0


def test_the_threshold_of_the_view_lies_between_both_kinds():
    assert fit_lateral([0.9, 0.99, 0.8], [0.1, 0.3], 0.5) == pytest.approx(0.55)
    # the lowest of fifty lateral films is forgiven
    assert fit_lateral([0.01] + [0.9] * 59, [0.2], 0.5) == pytest.approx(0.55)
    # whatever the films, the threshold stays sensible
    assert fit_lateral([0.99] * 9, [0.99], 0.5) == 0.95
    assert fit_lateral([0.1] * 9, [0.1], 0.5) == 0.3
    assert fit_lateral([], [0.2], 0.4) == fit_lateral([0.9], [], 0.4) == 0.4
