"""The treated level, told from the films of a subject."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from endplate.datasets.simulator.cohort_plan import plan_cohort
from endplate.errors import UnknownName
from endplate.infer.commands.follow_request import FollowUpRequest, follow_up
from endplate.infer.commands.series import landmark_readings
from endplate.reports.followup_words import index_text, sentences
from endplate.study.index_level import DOUBTFUL_BELOW, find_index_level
from endplate.study.reading import Reading


def straight(reading, changed):
    """The film with the fracture of L1 taken away: half of T12's shape, half of L2's."""
    bodies = {v.level: v for v in reading.vertebrae}
    middle = (bodies["T12"].points + bodies["L2"].points) / 2
    return changed(reading, "L1", points=middle)


def test_a_given_level_is_taken(visits):
    found = find_index_level(visits, "L1")
    assert (found.level, found.why, found.probability, found.second) == ("L1", "given", 1.0, "")
    assert not found.doubtful
    with pytest.raises(UnknownName, match="L9"):
        find_index_level(visits, "L9")


def test_films_that_contradict_the_given_level_raise_a_doubt(visits):
    found = find_index_level(visits, "T12")
    assert (found.level, found.why, found.second) == ("T12", "given", "L1")
    assert found.probability < 0.1
    assert found.doubtful
    # nothing is known of a level that no film shows
    assert not find_index_level(visits, "T4").doubtful


def test_the_broken_body_is_found(visits):
    found = find_index_level(visits, operated=[False, True, True])
    assert found.level == "L1"
    assert found.why == "greatest height loss"
    assert found.probability > DOUBTFUL_BELOW


def test_names_that_may_be_off_together_make_the_level_doubtful(visits):
    operated = [False, True, True]
    sure = find_index_level(visits, operated=operated, off={0: 0.99, -1: 0.01})
    assert sure.probability == pytest.approx(0.99 * find_index_level(visits).probability, abs=0.02)
    assert not sure.doubtful
    found = find_index_level(visits, operated=operated, off={0: 0.6, -1: 0.35, 1: 0.05})
    assert (found.level, found.second) == ("L1", "T12")
    assert 0.55 < found.probability < 0.62
    assert found.doubtful
    # who gives the level knows it
    assert find_index_level(visits, "L1", operated, {0: 0.6, -1: 0.4}).probability == 1.0


def test_cement_on_the_films_after_the_operation(visits, changed):
    intact = [straight(r, changed) for r in visits]
    marked = [intact[0], *(changed(r, "T12", cement=True) for r in intact[1:])]
    found = find_index_level(marked, operated=[False, True, True])
    assert (found.level, found.why) == ("T12", "holds cement")
    assert not found.doubtful


def test_between_the_screws(visits, changed):
    intact = [straight(r, changed) for r in visits]
    fixed = [intact[0]]
    for film in intact[1:]:
        fixed.append(changed(changed(film, "T11", hardware=True), "L1", hardware=True))
    found = find_index_level(fixed, operated=[False, True, True])
    assert (found.level, found.why) == ("T12", "between the screws")


def test_one_false_mark_does_not_outvote_the_fracture(visits, changed):
    films = [
        visits[0],
        changed(visits[1], "T12", cement=True),
        changed(visits[2], "L1", cement=True),
    ]
    found = find_index_level(films, operated=[False, True, True])
    assert found.level == "L1"
    # On half of the films only: cement alone would leave it open.
    alone = find_index_level(films[1:], operated=[True, True])
    assert alone.probability < found.probability


def test_evidence_against_each_other_is_doubtful(visits, changed):
    films = [visits[0], *(changed(r, "T12", cement=True) for r in visits[1:])]
    found = find_index_level(films, operated=[False, True, True])
    assert found.doubtful
    assert {found.level, found.second} == {"L1", "T12"}


def test_nothing_to_tell_it_by(visits, changed):
    assert find_index_level([]).level == ""
    found = find_index_level([straight(visits[0], changed)])
    assert found.level == ""
    assert math.isnan(found.probability)
    assert found.second == ""


def test_the_report_says_how_sure_it_is(visits, changed):
    request = FollowUpRequest({"P1": date(2024, 1, 12)}, {}, estimate="films")
    (result,) = follow_up(visits, request)
    assert result.index_level == "L1"
    assert "greatest height loss" in index_text(result)
    assert "uncertain" not in " ".join(sentences(result))
    doubtful = [visits[0], *(changed(r, "T12", cement=True) for r in visits[1:])]
    (result,) = follow_up(doubtful, request)
    assert sentences(result)[0].startswith("The treated level is uncertain")
    assert sentences(result, "fr")[0].startswith("Le niveau traité est incertain")
    assert replace(result.index, probability=0.95).doubtful is False


def test_marks_that_are_missed_or_wrong():
    """Simulated subjects: one mark in six is missed, one body in twenty wrongly marked."""
    plan = plan_cohort(8, 31)
    rng = np.random.default_rng(31)
    films: dict[str, list[Reading]] = {s.subject: [] for s in plan}
    for reading in landmark_readings(plan, 0.5, 31):
        bodies = tuple(
            replace(
                v,
                cement=bool(rng.random() < (0.83 if v.cement else 0.05)),
                hardware=bool(rng.random() < (0.83 if v.hardware else 0.05)),
            )
            for v in reading.vertebrae
        )
        films[reading.source.patient_id].append(replace(reading, vertebrae=bodies))
    found = []
    for subject in plan:
        own = films[subject.subject]
        seen = [v.name for v in subject.visits if v.seen]
        told = find_index_level(own, operated=[n != "pre" for n in seen])
        found.append((told.level == subject.level, told.doubtful or not told.level))
    assert sum(right for right, _ in found) >= 7
    assert all(right or doubtful for right, doubtful in found)
