"""The factor of each measure makes its intervals hold, neither more nor less."""

from dataclasses import replace

import numpy as np
import pytest

from endplate.geometry.landmarks import Vertebra
from endplate.infer.pipeline import FilmResult as Found
from endplate.infer.refine import Refined
from endplate.models.calibration import USUAL_SPREAD, PointErrors
from endplate.train.accuracy import MEASURES, Truth
from endplate.train.calibrate_measures import MeasureScore, fit_measures, scores_of

from ..spine import column

LEVELS = ("T11", "T12", "L1", "L2", "L3", "S1")


def scores(count: int, sd: float, seed: int = 0, bodies: int = 4) -> list[MeasureScore]:
    """Scores of deviation `sd` where 1 is stated, half of the variance shared by a subject."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        shared = rng.normal(0, sd * 0.5**0.5)
        own = shared + rng.normal(0, sd * 0.5**0.5, bodies)
        out += [MeasureScore("a", float(x), f"s{i}") for x in own]
    return out


@pytest.mark.parametrize("sd", [0.7, 1.0, 1.4])
def test_new_intervals_hold(sd):
    covered = []
    for seed in range(30):
        factor = fit_measures(scores(35, sd, seed))["a"]
        fresh = np.array([s.score for s in scores(200, sd, 1000 + seed)])
        covered.append(np.mean(np.abs(fresh) <= 1.6449 * factor))
    # the quantile of few films scatters, but to both sides
    assert np.mean(covered) == pytest.approx(0.90, abs=0.012)
    assert 0.01 < np.std(covered) < 0.05


def test_too_little_is_left_alone():
    assert fit_measures(scores(9, 1.0)) == {}
    assert fit_measures(scores(20, 1.0, bodies=1)) == {}
    # whatever the errors, no interval shrinks or grows beyond measure
    assert fit_measures(scores(40, 20.0))["a"] == 2.0
    assert fit_measures(scores(40, 0.01))["a"] == 0.5


def test_scores_of_a_film_are_errors_over_the_stated_error():
    rng = np.random.default_rng(0)
    bodies = column(LEVELS)
    errors = PointErrors(np.full(12, 0.02), 1.0, np.eye(12))
    true = {level: Vertebra(level, points) for level, points in bodies.items()}
    truth = Truth("film", "group", tuple(true.values()), true)
    gathered = []
    for i in range(40):
        read, refined = [], []
        for level, points in bodies.items():
            depth = float(np.hypot(*(points[0] - points[2])))
            moved = points + rng.normal(0, 0.02 * depth, (6, 2))
            spread = np.full((6, 2), USUAL_SPREAD**2)
            blank = np.zeros((12, 12))
            refined.append(Refined(moved, blank, spread, np.ones(6), depth, np.eye(2), np.zeros(2)))
            read.append(Vertebra(level, moved))
        found = Found(None, tuple(read), tuple(refined), 1.0)  # type: ignore[arg-type]
        gathered += scores_of(found, replace(truth, name=f"{i}"), errors)
    assert {s.name for s in gathered} <= set(MEASURES)
    kyphosis = np.array([s.score for s in gathered if s.name == "vertebral_kyphosis_deg"])
    assert len(kyphosis) == 40 * 5
    assert kyphosis.std() == pytest.approx(1.0, abs=0.15)
    assert fit_measures(gathered)["vertebral_kyphosis_deg"] == pytest.approx(1.0, abs=0.2)
