"""Which candidates are the column, and what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endplate.geometry.landmarks import FloatArray
from endplate.models.decode import CLASSES, Candidate
from endplate.models.frames import body_frame
from endplate.models.naming import NamedColumn, NamingConfig, name_column
from endplate.models.naming_evidence import gather
from endplate.models.naming_paths import best_paths, path_features
from endplate.models.normal_column import LOG_SIZES, STEPS, TILTS

from ..spine import body

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
# fixed here, so that fitting the defaults to films does not change what is tested
CONFIG = NamingConfig(
    body=1.0,
    bodies=0.85,
    sacrum=1.0,
    sacra=0.85,
    sacral=0.1,
    lowest=0.5,
    lumbar=0.5,
    lower_thoracic=0.5,
    thoracic=0.5,
    tilt=0.0,
    doubled=0.5,
    thoracic_spacing=1.0,
    lumbar_spacing=1.0,
    sacral_spacing=1.0,
    overlap=0.5,
    size=0.5,
    kink=1.0,
    angle=0.0,
    skipped=3.0,
    unseen=0.5,
    irregular=3.0,
    trust=1.0,
    highest="C7",
    keep=0.0,
)


def evidence(level: str | None, sharp: float = 1.5) -> FloatArray:
    """Log probabilities about a level, as uncertain as those of the detector; None: none."""
    if level is None:
        logits = np.zeros(len(CLASSES))
        logits[-1] = -9.0
    else:
        order = [c for c in CLASSES if c not in ("T13", "L6")]
        logits = np.full(len(CLASSES), -9.0)
        for i, name in enumerate(order):
            logits[CLASSES.index(name)] = -sharp * abs(i - order.index(level))
        logits[CLASSES.index("above C7")] = -9.0
        if level == "above C7":
            logits[-1] = 0.0
    logits -= np.log(np.exp(logits).sum())
    return logits


def candidate(points: FloatArray, level: str | None, score: float = 0.9) -> Candidate:
    sacrum = bool(np.isnan(points[3:]).any())
    return Candidate(body_frame(points)[0], points, score, evidence(level), sacrum)


def usual_column(levels: Sequence[str]) -> dict[str, FloatArray]:
    """Points by level of a column with usual steps, sizes and tilts, facing left."""
    out: dict[str, FloatArray] = {}
    place, size = np.array([150.0, 80.0]), 60.0
    for level, below in zip(levels, [*levels[1:], None], strict=True):
        row = CLASSES.index(level)
        tilt = float(-TILTS[row])
        points = body((place[0], place[1]), size, 0.72 * size, tilt=tilt)
        if level == "S1":
            points[3:] = np.nan
            points[:3] += place - points[[0, 2]].mean(axis=0)
        out[level] = points
        if below is not None:
            step = STEPS[0, CLASSES.index("L5") if below == "S1" else row]
            middle = np.deg2rad(0.5 * (tilt - TILTS[CLASSES.index(below)]))
            place = place + 1.15 * step * size * np.array([-np.sin(middle), np.cos(middle)])
            size *= float(np.exp(LOG_SIZES[0, row]))
    return out


def candidates(
    levels: Sequence[str], seen_as: Mapping[str, str | None] | None = None
) -> list[Candidate]:
    """A column of these levels; `seen_as` says what the detector takes some of them for."""
    seen_as = seen_as or {}
    geometry = usual_column(levels)
    return [
        candidate(points, seen_as.get(name, name))
        for name, points in zip(levels, geometry.values(), strict=True)
    ]


def named(found: Sequence[Candidate], **options: object) -> NamedColumn:
    result = name_column(found, CONFIG, **options)  # type: ignore[arg-type]
    assert result is not None
    return result


def test_a_regular_column_with_good_evidence():
    result = named(candidates(LEVELS))
    assert result.levels == LEVELS
    assert (result.probabilities > 0.9).all()
    assert result.margin > 2


@pytest.mark.parametrize("missing", ["T11", "L2", "L4"])
def test_a_missing_body_leaves_a_gap_in_the_names(missing):
    found = candidates(LEVELS)
    del found[LEVELS.index(missing)]
    assert named(found).levels == tuple(x for x in LEVELS if x != missing)


def test_two_missing_neighbours_leave_a_gap_of_two():
    found = [c for c, x in zip(candidates(LEVELS), LEVELS, strict=True) if x not in ("T12", "L1")]
    assert named(found).levels == tuple(x for x in LEVELS if x not in ("T12", "L1"))


def test_the_sacrum_overrules_evidence_that_is_shifted_by_one():
    # the five upper bodies of nine are taken for the level below
    shifted = dict(pairwise(LEVELS[:6]))
    result = named(candidates(LEVELS, shifted))
    assert result.levels == LEVELS
    # but the doubt shows
    assert result.margin < named(candidates(LEVELS)).margin


def test_without_the_sacrum_shifted_evidence_shifts_the_names():
    shifted = dict(pairwise(LEVELS[:-1]))
    found = candidates(LEVELS, shifted)[:-2]
    assert named(found).levels == LEVELS[1:-1]


def test_a_few_bodies_taken_for_their_neighbours_do_not_break_the_order():
    result = named(candidates(LEVELS, {"T10": "T11", "L3": "L2"}))
    assert result.levels == LEVELS


def test_the_sacrum_alone_names_the_rest():
    result = named(candidates(LEVELS, dict.fromkeys(LEVELS)))
    assert result.levels == LEVELS
    assert 0.5 < result.probabilities.min() < 0.995


def test_without_any_evidence_the_naming_is_a_guess_and_says_so():
    result = named(candidates(LEVELS[:-1], dict.fromkeys(LEVELS)))
    assert result.probabilities.max() < 0.5
    assert result.probability < 0.5
    assert result.margin < 0.5


@pytest.mark.parametrize(
    "extra",
    [
        body((420.0, 330.0), 60, 48),  # far aside
        body((160.0, 355.0), 25, 20),  # a small thing between two bodies
        body((150.0, 345.0), 62, 50, tilt=85),  # lying across
    ],
)
def test_an_extra_detection_is_dropped(extra):
    found = candidates(LEVELS)
    result = named([*found, candidate(extra, "L1", 0.45)])
    assert result.levels == LEVELS
    assert all(c.points is not extra for c in result.candidates)


def test_weak_candidates_beyond_the_column_are_left_out():
    found = candidates(("T10", "T11", "T12", "L1", "L2"))
    weak = candidate(body((150.0, -120.0), 60, 48), "T7", 0.16)
    assert named([weak, *found]).levels == ("T10", "T11", "T12", "L1", "L2")


@pytest.mark.parametrize(
    "levels",
    [
        ("T11", "T12", "T13", "L1", "L2", "L3", "L4", "L5", "S1"),
        ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "L6", "S1"),
        ("T9", "T10", "T11", "L1", "L2", "L3", "L4", "L5", "S1"),
        ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "S1"),
    ],
)
def test_irregular_counts_are_possible_with_strong_evidence(levels):
    found = []
    for name, c in zip(levels, candidates(levels, dict.fromkeys(levels)), strict=True):
        logits = np.full(len(CLASSES), -9.0)
        logits[CLASSES.index(name)] = 0.0
        # a weak sacrum would rather be left out than follow an L4
        found.append(Candidate(c.centre, c.points, 0.98, logits, c.sacrum))
    assert named(found).levels == levels


def test_irregular_counts_need_that_evidence():
    levels = ("T10", "T11", "T12", "T13", "L1", "L2", "L3", "L4", "L5", "S1")
    result = named(candidates(levels, dict.fromkeys(levels)))
    assert "T13" not in result.levels
    assert "L6" not in result.levels


def test_a_thirteenth_thoracic_body_is_as_rare_where_the_film_begins_with_it():
    levels = ("T12", "L1", "L2", "L3", "L4", "L5", "S1")
    found = candidates(levels)
    # neither the eye nor the place tells the two apart: the count of the spine does
    found[0].log_levels[CLASSES.index("T13")] = found[0].log_levels[CLASSES.index("T12")]
    result = named(found)
    table = result.level_probabilities[0]
    assert result.levels == levels
    odds = table[CLASSES.index("T13")] / table[CLASSES.index("T12")]
    assert odds == pytest.approx(np.exp(-CONFIG.irregular), rel=0.5)


def test_the_gain_of_a_naming_is_the_weighted_sum_of_its_features():
    levels = ("T13", "L1", "L2", "L3", "L4", "L5", "S1")
    found = candidates(levels, {"T13": "T12"})
    seen = gather(found, np.array([0.0, 1.0]), (900, 400))
    paths = best_paths(seen, CONFIG.weights)
    assert any(path.levels[0] == CLASSES.index("T13") for path in paths)
    for path in paths:
        assert path_features(seen, path) @ CONFIG.weights == pytest.approx(path.gain)


def test_the_column_starts_at_the_highest_level_that_is_read():
    levels = ("C7", "T1", "T2", "T3", "T4", "T5")
    result = name_column(candidates(levels), replace(CONFIG, highest="T2"))
    assert result is not None
    assert result.levels == ("T2", "T3", "T4", "T5")
    assert len(result.candidates) == len(result.probabilities) == 4
    assert all(len(names) == 4 for names, _ in result.alternatives)
    # nothing is left of a column that lies above
    assert name_column(candidates(levels[:2]), replace(CONFIG, highest="T4")) is None


def test_high_bodies_are_left_out_where_their_names_are_less_sure():
    # one or two bodies are missed above T10, and the bodies beyond look like no level
    levels = ("T4", "T5", "T6", "T7", "T8", "T9", *LEVELS[1:])
    found = candidates(levels, dict.fromkeys(levels[:6]))
    del found[levels.index("T9")]
    found[:5] = transformed(found[:5], np.eye(2), np.array([0.0, -22.0]))
    config = replace(CONFIG, skipped=1.0)
    whole = name_column(found, config)
    assert whole is not None
    assert whole.levels[-9:] == LEVELS[1:]
    assert whole.probabilities[0] < 0.95 * whole.probabilities[-1]
    part = name_column(found, replace(config, keep=0.95))
    assert part is not None
    assert part.levels == LEVELS[1:]
    assert part.probability > whole.probability


def test_shifts_are_probabilities_of_all_names_moving():
    result = named(candidates(LEVELS[:-1], dict(pairwise(LEVELS[:-1]))))
    assert result.levels == LEVELS[1:-1] or result.levels == LEVELS[:-1]
    assert set(result.shifts) == {-2, -1, 0, 1, 2}
    assert 0.9 < sum(result.shifts.values()) <= 1 + 1e-9
    assert max(result.shifts, key=lambda s: result.shifts[s]) == 0
    # without shifts of single bodies, both say the same
    assert result.probability == pytest.approx(result.shifts[0], abs=0.1)
    np.testing.assert_allclose(result.level_probabilities.sum(axis=1), 1.0)
    best = result.level_probabilities.argmax(axis=1)
    assert tuple(CLASSES[i] for i in best) == result.levels


def test_a_film_that_goes_on_below_should_show_the_sacrum():
    found = candidates(LEVELS[:-1], dict.fromkeys(LEVELS))
    lowest = max(float(c.points[:, 1].max()) for c in found)
    cut = name_column(found, CONFIG, shape=(int(lowest) + 10, 400))
    shown = name_column(found, CONFIG, shape=(int(lowest) + 600, 400))
    assert cut is not None
    assert shown is not None
    low = CLASSES.index("L5")
    assert shown.level_probabilities[-1, low] > cut.level_probabilities[-1, low] + 0.05


def test_less_trust_makes_probabilities_more_modest():
    sure = named(candidates(LEVELS))
    modest = name_column(candidates(LEVELS), replace(CONFIG, trust=4.0))
    assert modest is not None
    assert modest.levels == sure.levels
    assert modest.margin == pytest.approx(sure.margin)
    assert (modest.probabilities < sure.probabilities)[:-1].all()


def test_bodies_above_c7_do_not_take_the_names_below():
    levels = ("C7", "T1", "T2", "T3")
    above = [candidate(body((150.0, 20.0 - 58 * i), 58, 46), "above C7") for i in (1, 0)]
    result = named([*above, *candidates(levels)])
    assert tuple(x for x in result.levels if x != "above C7") == levels


@pytest.mark.parametrize("shift", [-1, 1])
def test_an_anchor_of_the_user_forces_the_names(shift):
    found = candidates(LEVELS[:-1])
    wanted = LEVELS[LEVELS.index("L1") + shift]
    result = named(found, anchors={LEVELS.index("L1"): wanted})
    # all names move with it
    regular = [c for c in CLASSES if c not in ("T13", "L6")]
    moved = [regular[regular.index(x) + shift] for x in LEVELS[:-1]]
    if shift < 0:
        assert list(result.levels) == moved
    assert result.levels[LEVELS.index("L1")] == wanted
    assert result.probabilities[LEVELS.index("L1")] == pytest.approx(1.0)


def test_an_anchor_brings_in_a_body_that_would_be_left_out():
    found = candidates(LEVELS)
    weak = Candidate(found[0].centre, found[0].points, 0.01, evidence("L5"), False)
    assert "T9" not in named([weak, *found[1:]]).levels
    assert named([weak, *found[1:]], anchors={0: "T9"}).levels == LEVELS


def test_probabilities_and_margin_describe_the_same_namings():
    blurred = [
        Candidate(c.centre, c.points, c.score, c.log_levels * 0.4, c.sacrum)
        for c in candidates(LEVELS[:-1])
    ]
    result = named(blurred)
    others = [p for _, p in result.alternatives]
    assert others == sorted(others, reverse=True)
    # all bodies stand or fall together here: the first naming has what the others leave
    first = others[0] * np.exp(result.margin)
    assert first + sum(others) <= 1 + 1e-9
    assert result.probabilities.min() >= first - 1e-9
    assert ((result.probabilities > 0) & (result.probabilities <= 1 + 1e-9)).all()
    assert len({result.levels, *(names for names, _ in result.alternatives)}) == 1 + len(others)


def test_no_candidates_no_column():
    assert name_column([], CONFIG) is None


def test_one_body_is_named_by_its_own_evidence():
    assert named(candidates(("L2",))).levels == ("L2",)


def transformed(
    found: Sequence[Candidate], linear: FloatArray, shift: FloatArray
) -> list[Candidate]:
    return [
        Candidate(
            c.centre @ linear.T + shift,
            c.points @ linear.T + shift,
            c.score,
            c.log_levels,
            c.sacrum,
        )
        for c in found
    ]


@pytest.fixture(scope="module")
def reference() -> NamedColumn:
    return named(unsure())


def unsure() -> list[Candidate]:
    """A column with doubts: an extra detection, a gap, and a body taken for its neighbour."""
    found = candidates(LEVELS[:-1], {"L1": "L2", "T10": "T11"})
    del found[3]
    return [*found, candidate(body((330.0, 300.0), 60, 48), "L1", 0.5)]


@settings(deadline=None, max_examples=12)
@given(st.permutations(range(len(LEVELS) - 1)))
def test_the_order_of_the_candidates_does_not_matter(reference, order):
    found = unsure()
    result = named([found[i] for i in order])
    assert result.levels == reference.levels
    np.testing.assert_allclose(result.probabilities, reference.probabilities)
    assert result.margin == pytest.approx(reference.margin)


@settings(deadline=None, max_examples=12)
@given(
    st.booleans(),
    st.floats(0.2, 8.0),
    st.floats(-3000, 3000),
    st.floats(-3000, 3000),
)
def test_mirrored_scaled_and_shifted_films_have_the_same_names(reference, mirror, scale, dx, dy):
    linear = scale * np.diag([-1.0 if mirror else 1.0, 1.0])
    result = named(transformed(unsure(), linear, np.array([dx, dy])))
    assert result.levels == reference.levels
    np.testing.assert_allclose(result.probabilities, reference.probabilities, atol=1e-6)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_films_that_lie_have_the_same_names_once_told_which_way_is_down(reference, quarters):
    turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarters)
    found = transformed(unsure(), turn, np.zeros(2))
    result = named(found, downward=turn @ np.array([0.0, 1.0]))
    assert result.levels == reference.levels
    np.testing.assert_allclose(result.probabilities, reference.probabilities, atol=1e-6)


def test_what_nothing_shows_is_never_ruled_out():
    found = candidates(LEVELS)
    seeing = name_column(found, replace(CONFIG, blind=0.0))
    modest = name_column(found, replace(CONFIG, blind=0.1))
    assert seeing is not None
    assert modest is not None
    assert modest.levels == seeing.levels
    assert modest.margin == seeing.margin
    assert modest.probability == pytest.approx(0.9 * seeing.probability)
    assert modest.shifts[1] >= 0.04
    assert modest.shifts[-1] >= 0.04
    np.testing.assert_allclose(modest.level_probabilities.sum(axis=1), 1.0)
    assert (modest.probabilities <= 0.91).all()
    # what the user says is so
    given = name_column(found, replace(CONFIG, blind=0.1), anchors={0: found_level(seeing)})
    assert given is not None
    assert given.probability > 0.99


def found_level(column: NamedColumn) -> str:
    return column.levels[0]
