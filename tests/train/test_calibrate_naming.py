"""The weights of the naming are those under which what is annotated is likely."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from endplate.geometry.landmarks import Vertebra
from endplate.models.decode import CLASSES, Candidate
from endplate.models.frames import body_frame
from endplate.models.naming import NamingConfig, name_column
from endplate.train.accuracy import Truth
from endplate.train.calibrate_naming import NamingCase, fit_naming, naming_score

from ..spine import column

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
DOWN = np.array([0.0, 1.0])
#: Believes what bodies look like too much.
START = NamingConfig(lowest=1.0, lumbar=1.0, lower_thoracic=1.0, thoracic=1.0)


def case(shifted: int, *, doubtful: bool = False, fold: int = 0) -> NamingCase:
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
    return NamingCase(tuple(candidates), DOWN, truth, fold)


def names(one: NamingCase, config: NamingConfig) -> tuple[str, ...]:
    found = name_column(one.candidates, config, downward=DOWN)
    assert found is not None
    return found.levels


def test_weights_that_name_films_right_are_found():
    hard = [case(7, fold=i % 2) for i in range(8)]
    assert names(hard[0], START) != LEVELS
    fitted = fit_naming(hard, START).config
    assert names(hard[0], fitted)[-6:] == LEVELS[-6:]
    assert fitted.lumbar < START.lumbar
    # the prior holds what the films say nothing about
    assert fitted.irregular == pytest.approx(START.irregular, abs=0.3)
    assert (fitted.highest, fitted.keep) == (START.highest, START.keep)


def test_films_of_doubtful_levels_do_not_vote_on_names():
    clear = [case(0, fold=i % 2) for i in range(4)]
    doubtful = [case(7, doubtful=True, fold=i % 2) for i in range(4)]
    with_them = fit_naming([*clear, *doubtful], START).config
    without = fit_naming(clear, START).config
    assert with_them.lumbar == pytest.approx(without.lumbar, abs=0.05)
    assert names(clear[0], with_them) == names(clear[0], without) == LEVELS


def test_names_that_are_sure_and_wrong_leave_a_doubt_about_all():
    # half of the films are named by bodies that all look like the level below
    right = [case(0, fold=i % 2) for i in range(6)]
    wrong = [
        replace(
            one,
            truth=replace(
                one.truth,
                vertebrae=tuple(
                    Vertebra(new, v.points)
                    for new, v in zip(LEVELS[:-2], one.truth.vertebrae[1:-1], strict=True)
                ),
            ),
            candidates=one.candidates[1:-1],
        )
        for one in right
    ]
    sharp = replace(START, lowest=3.0, lumbar=3.0, lower_thoracic=3.0, thoracic=3.0)
    sure = fit_naming([*right, *right], sharp)
    unsure = fit_naming([*right, *wrong], sharp)
    assert unsure.config.blind > 2 * sure.config.blind
    # where the evidence shows no doubt no flag is raised, however often that misleads
    (best,) = {naming_score(one, unsure.config).probability for one in right}
    assert unsure.uncertain_below < best < 1 - unsure.config.blind + 1e-9


def test_the_score_of_a_film_tells_surprise():
    good = naming_score(case(0), START)
    assert good.right
    assert good.found == len(LEVELS)
    assert good.surprise == pytest.approx(-np.log(min(good.probability, 0.99)))
    missed = replace(case(0), candidates=case(0).candidates[:1])
    moved = replace(
        missed, candidates=tuple(replace(c, centre=c.centre + 500) for c in missed.candidates)
    )
    assert naming_score(moved, START).right is None
