"""Refining points: from the coarse ones of the detector to those on the film."""

import numpy as np
import pytest

from endplate.infer.refine import VIEWS, View, refine
from endplate.models.calibration import PointErrors, blur_of
from endplate.models.resample import ImagePyramid

from ..fakes import HEIGHT, DotRefiner
from ..spine import column, dotted_film

SHAPE = (700, 420)
LEVELS = ("T12", "L1", "L2", "L3", "S1")
ERRORS = PointErrors(np.full(12, 0.02), 1.0, np.eye(12))
DOWN = np.array([0.0, 1.0])


def bodies(facing: str = "left", levels: tuple[str, ...] = LEVELS):
    return column(levels, top=(210.0, 100.0), depth=100.0, height=HEIGHT, facing=facing)


def refined(true, *, jitter: float = 0.0, crop: int = 128, image=None, down=DOWN, views=VIEWS):
    film = dotted_film(true, SHAPE, sigma=2.5) if image is None else image
    rng = np.random.default_rng(1)
    coarse = [p + rng.uniform(-1, 1, 2) * jitter for p in true.values()]
    network = DotRefiner(crop)
    out = refine(ImagePyramid(film), coarse, network, ERRORS, [down] * len(coarse), views=views)  # type: ignore[arg-type]
    return out, network


@pytest.mark.parametrize("facing", ["left", "right"])
def test_points_move_from_coarse_to_exact(facing):
    true = bodies(facing)
    out, _ = refined(true, jitter=5.0)
    for one, points in zip(out, true.values(), strict=True):
        seen = ~np.isnan(points).any(axis=1)
        assert np.hypot(*(one.points - points)[seen].T).max() < 0.7
        np.testing.assert_array_equal(np.isnan(one.points).any(axis=1), ~seen)
        assert one.depth == pytest.approx(np.hypot(*(points[0] - points[2])), rel=0.01)


def test_a_mirrored_film_gives_mirrored_points():
    true = bodies()
    film = dotted_film(true, SHAPE, sigma=2.5)
    width = SHAPE[1]
    mirrored = {k: p * [-1, 1] + [width - 1, 0] for k, p in true.items()}
    one, _ = refined(true, image=film)
    other, _ = refined(mirrored, image=np.ascontiguousarray(film[:, ::-1]))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(b.points, a.points * [-1, 1] + [width - 1, 0], atol=0.03)
        np.testing.assert_allclose(b.spread, a.spread, rtol=0.05, atol=1e-6)
        flip = np.tile([-1.0, 1.0], 6)
        np.testing.assert_allclose(
            b.covariance, a.covariance * flip[:, None] * flip, rtol=0.05, atol=0.02
        )


class WrongWay(DotRefiner):
    """Sees dots in front as well as behind, and likes the wrong ones a little better."""

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        (out,) = super().run(images)
        return [np.maximum(out, out[:, [2, 1, 0, 5, 4, 3]] + 1)]


def test_a_prior_keeps_the_back_of_a_body_from_being_taken_for_its_front():
    true = bodies(levels=("L1",))
    film = ImagePyramid(dotted_film(true, SHAPE, sigma=2.5))
    rough = [p + np.array([4.0, -3.0]) for p in true.values()]

    def off(prior: float | None) -> float:
        (out,) = refine(
            [film] * 2,
            rough,
            WrongWay(),  # type: ignore[arg-type]
            ERRORS,
            [DOWN],
            prior=prior,
            twice=prior is not None,
        )
        return float(np.hypot(*(out.points - true["L1"]).T).max())

    assert off(None) > 50
    assert off(0.2) < 2


def test_all_bodies_and_views_go_through_the_network_in_batches():
    _, network = refined(bodies())
    assert network.batches == [(5, 1, 128, 128)] * len(VIEWS)


def test_covariances_are_those_of_the_calibration_in_pixels():
    out, _ = refined(bodies(levels=("L1",)))
    one = out[0]
    np.testing.assert_allclose(one.covariance, one.covariance.T)
    assert np.linalg.eigvalsh(one.covariance).min() > 0
    expected = (0.02 * blur_of(one.spread) * one.depth) ** 2
    np.testing.assert_allclose(np.diag(one.covariance), expected, rtol=1e-6)
    assert (one.mass > 0.9).all()


def test_covariances_turn_with_the_body():
    """Errors along the endplate stay along the endplate."""
    errors = PointErrors(np.tile([0.05, 0.01], 6), 0.0, np.eye(12))
    # the first body of this column is level, the third one is tilted
    true = column(("L1", "L2", "L3"), top=(210.0, 100.0), depth=100.0, height=HEIGHT)
    film = ImagePyramid(dotted_film(true, SHAPE, sigma=2.5))
    out = refine(film, list(true.values()), DotRefiner(), errors, [DOWN] * 3)  # type: ignore[arg-type]
    for one, points in zip(out, true.values(), strict=True):
        along = (points[2] - points[0]) / np.hypot(*(points[2] - points[0]))
        across = np.array([-along[1], along[0]])
        for k in range(6):
            block = one.covariance[2 * k : 2 * k + 2, 2 * k : 2 * k + 2]
            assert np.sqrt(along @ block @ along) == pytest.approx(0.05 * one.depth, rel=0.01)
            assert np.sqrt(across @ block @ across) == pytest.approx(0.01 * one.depth, rel=0.1)


def test_inferior_points_of_the_sacrum_stay_missing():
    out, _ = refined(bodies(levels=("L5", "S1")))
    sacrum = out[1]
    assert np.isnan(sacrum.points[3:]).all()
    assert np.isnan(sacrum.covariance[6:]).all()
    assert np.isnan(sacrum.covariance[:, 6:]).all()
    assert np.isfinite(sacrum.covariance[:6, :6]).all()


def test_views_that_disagree_widen_the_spread():
    true = bodies(levels=("L1",))
    one, _ = refined(true, views=(View(), View()))
    several, _ = refined(true, views=(View(20.0), View(-20.0)))
    assert several[0].spread.sum() > one[0].spread.sum()


def test_no_bodies_no_work():
    network = DotRefiner()
    film = ImagePyramid(np.zeros((50, 50), np.uint8))
    assert refine(film, [], network, ERRORS, []) == []  # type: ignore[arg-type]
    assert network.batches == []


def test_marks_are_averaged_and_unknown_to_networks_without_them():
    film, true = ImagePyramid(np.zeros((900, 600), np.uint8)), column(("L1", "L2"))
    coarse = list(true.values())
    network = DotRefiner(marks=(0.0, 3.0))
    told = refine(film, coarse, network, ERRORS, [DOWN] * 2)  # type: ignore[arg-type]
    np.testing.assert_allclose([r.marks for r in told], [[0.5, 1 / (1 + np.exp(-3))]] * 2)
    silent = refine(film, coarse, DotRefiner(), ERRORS, [DOWN] * 2)  # type: ignore[arg-type]
    assert np.isnan([r.marks for r in silent]).all()
