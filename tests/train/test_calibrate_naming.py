"""The weights of the naming are those under which films are named as annotated."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from endplate.geometry.landmarks import Vertebra
from endplate.models.decode import CLASSES, Candidate
from endplate.models.frames import body_frame
from endplate.models.naming import NamingConfig, name_column
from endplate.train.accuracy import Truth
from endplate.train.calibrate_naming import NamingCase, fit_naming

from ..spine import column

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
DOWN = np.array([0.0, 1.0])


def case(shifted: int, *, doubtful: bool = False) -> NamingCase:
    """A film whose `shifted` upper bodies are taken for the level below; the sacrum is clear."""
    bodies = column(LEVELS)
    seen_as = dict(pairwise(LEVELS[: shifted + 1])) if shifted else {}
    order = [c for c in CLASSES if c not in ("T13", "L6")]
    candidates = []
    for level, points in bodies.items():
        logits = np.full(len(CLASSES), -9.0)
        for i, name in enumerate(order):
            distance = abs(i - order.index(seen_as.get(level, level)))
            logits[CLASSES.index(name)] = -1.5 * distance
        logits -= np.log(np.exp(logits).sum())
        candidates.append(
            Candidate(body_frame(points)[0], points, 0.9, logits, bool(np.isnan(points[3, 0])))
        )
    vertebrae = tuple(Vertebra(level, points) for level, points in bodies.items())
    truth = Truth("f", "g", vertebrae, {}, levels_doubtful=doubtful)
    return NamingCase(tuple(candidates), DOWN, truth, 0)


def names(one: NamingCase, config: NamingConfig) -> tuple[str, ...]:
    found = name_column(one.candidates, config, downward=DOWN)
    assert found is not None
    return found.levels


@pytest.fixture(autouse=True)
def small_grid(monkeypatch):
    grid = {"temperature": (0.5, 8.0), "threshold": (0.3,), "thoracic": (1.0,)}
    monkeypatch.setattr("endplate.train.calibrate_naming._GRID", grid)


def test_weights_that_name_films_right_are_chosen():
    start = NamingConfig(temperature=0.5)
    hard = case(7)
    assert names(hard, start) != LEVELS
    fitted = fit_naming([hard, case(0)], start)
    assert fitted.temperature == 8.0
    assert names(hard, fitted) == LEVELS
    # what was not searched stays
    assert (fitted.irregular, fitted.spacing_sd) == (start.irregular, start.spacing_sd)


def test_films_of_doubtful_levels_do_not_vote_on_names():
    doubtful = case(7, doubtful=True)
    start = NamingConfig(temperature=0.5)
    with_it = fit_naming([case(0), replace(doubtful)], start)
    without = fit_naming([case(0)], start)
    assert names(case(0), with_it) == names(case(0), without) == LEVELS
