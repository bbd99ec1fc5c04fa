"""Films of one subject named together, with what each film says of its own names."""

import math
from dataclasses import replace

import numpy as np
import pytest

from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.study.joint_naming import name_jointly, shift_level
from endplate.study.reading import Naming


def renamed(reading, shift):
    """The reading with all levels miscounted."""
    vertebrae = tuple(replace(v, level=shift_level(v.level, shift)) for v in reading.vertebrae)
    return replace(
        reading, vertebrae=vertebrae, measurements=measure(vertebrae, reading.calibration)
    )


def sure(reading, **shifts):
    """The reading with the probabilities of its shifts, such as ``up=0.3``."""
    table = dict.fromkeys((-2, -1, 1, 2), 0.0)
    table |= {{"up": -1, "down": 1}[way]: p for way, p in shifts.items()}
    table[0] = 1.0 - sum(table.values())
    return replace(reading, naming=Naming(table[0], 1.0, dict(sorted(table.items())), {}))


def with_sacrum(reading):
    """A body more at the lower end, of which the superior endplate alone is seen."""
    last = reading.vertebrae[-1]
    points = last.points + np.array([0.0, 1.3 * last.depth_px])
    points[3:] = np.nan
    vertebrae = (*reading.vertebrae, Vertebra("S1", points))
    return replace(reading, vertebrae=vertebrae)


def test_a_film_that_doubts_follows_the_others(visits):
    wrong = sure(renamed(visits[1], 1), up=0.45)
    named = name_jointly([sure(visits[0]), wrong, sure(visits[2])])
    assert named.shifts == (0, -1, 0)
    new = named.readings[1].naming
    assert new is not None
    assert new.shifts[0] == new.probability == pytest.approx(named.posteriors[1][-1])
    assert new.probability > 0.9
    assert sum(named.posteriors[0].values()) == pytest.approx(1.0)
    assert sum(named.off.values()) == pytest.approx(1.0)
    assert named.off[0] == pytest.approx(
        np.mean([p[s] for p, s in zip(named.posteriors, named.shifts, strict=True)])
    )
    assert named.readings[1].vertebrae[0].level_probability == new.probability


def test_a_sure_film_pulls_doubting_ones(visits):
    doubting = [sure(renamed(v, 1), up=0.45) for v in visits[:2]]
    named = name_jointly([*doubting, sure(visits[2], up=0.002)])
    assert named.shifts == (-1, -1, 0)


def test_likeness_does_not_move_a_film_that_is_sure(visits):
    named = name_jointly([sure(visits[0]), sure(visits[1]), sure(renamed(visits[2], 1), down=0.3)])
    # the last film may be off, but only downwards, where it fits no better
    assert named.shifts[2] != 1


def test_what_is_no_sacrum_is_left_out_where_names_move_up(visits):
    wrong = sure(with_sacrum(renamed(visits[1], 1)), up=0.45)
    named = name_jointly([sure(visits[0]), wrong, sure(visits[2])])
    assert named.shifts == (0, -1, 0)
    levels = [v.level for v in named.readings[1].vertebrae]
    assert levels == [v.level for v in visits[1].vertebrae]


def test_a_body_that_is_the_sacrum_keeps_its_superior_endplate(visits):
    def low(reading):
        return renamed(
            reading, 5 - max(int(v.level[1]) for v in reading.vertebrae if "L" in v.level)
        )

    films = [low(v) for v in visits]
    assert films[0].vertebrae[-1].level == "L5"
    # all three are one too high, and one of them knows
    known = renamed_with_sacrum(films[2])
    named = name_jointly([sure(films[0], down=0.45), sure(films[1], down=0.45), sure(known)])
    assert named.shifts == (1, 1, 0)
    lowest = named.readings[0].vertebrae[-1]
    assert lowest.level == "S1"
    assert np.isnan(lowest.points[3:]).all()
    np.testing.assert_array_equal(lowest.points[:3], films[0].vertebrae[-1].points[:3])
    assert lowest.covariance is None or np.isnan(lowest.covariance[6:]).all()


def renamed_with_sacrum(reading):
    """All names one down; the lowest body becomes the sacrum."""
    bodies = [replace(v, level=shift_level(v.level, 1)) for v in reading.vertebrae[:-1]]
    points = reading.vertebrae[-1].points.copy()
    points[3:] = np.nan
    vertebrae = (*bodies, Vertebra("S1", points))
    return replace(
        reading, vertebrae=vertebrae, measurements=measure(vertebrae, reading.calibration)
    )


def test_one_film_keeps_its_own_odds(visits):
    named = name_jointly([sure(visits[0], up=0.2)])
    assert named.shifts == (0,)
    assert named.margin == math.inf
    assert named.posteriors[0][-1] == pytest.approx(0.2, abs=0.01)


def test_the_injured_level_that_is_known_settles_films_that_all_doubt(visits):
    wrong = [sure(renamed(v, 1), up=0.3) for v in visits]
    assert name_jointly(wrong).shifts == (0, 0, 0)
    operated = [False, True, True]
    named = name_jointly(wrong, index_level="L1", operated=operated)
    assert named.shifts == (-1, -1, -1)
    assert "injured level, L1" in named.readings[0].quality.reasons[-1].message
    # the same for one film alone, and nothing moves where the names are right
    assert name_jointly(wrong[:1], index_level="L1").shifts == (-1,)
    right = [sure(v, up=0.3) for v in visits]
    assert name_jointly(right, index_level="L1", operated=operated).shifts == (0, 0, 0)


def test_films_that_are_sure_stand_against_the_level_that_was_given(visits):
    films = [sure(v, up=0.01, down=0.01) for v in visits]
    assert name_jointly(films, index_level="T12", operated=[False, True, True]).shifts == (0, 0, 0)
