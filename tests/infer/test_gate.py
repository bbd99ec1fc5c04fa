"""Every reason of the quality gate can be reached, and none comes up without its cause."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from endplate.geometry.landmarks import Vertebra
from endplate.infer.filmlook import FilmLook
from endplate.infer.find import Found
from endplate.infer.gate import REASON_CODES, column_tilt, judge_quality, may_lean
from endplate.models.calibration import Calibrations
from endplate.models.decode import Candidate, FilmScores
from endplate.models.gatelimits import GateLimits
from endplate.study.reading import Quality, Reason

from ..spine import body, column

SIZE = (800, 400)
LEVELS = ("T11", "T12", "L1", "L2", "L3", "S1")
BASE = {"lateral": 0.97, "frontal": 0.01, "other": 0.02, "facing_right": 0.02}
CALIBRATIONS = Calibrations.uncalibrated()
SOUND = FilmLook(
    blank=False,
    turned=0.0,
    burnt=0.0,
    white=0.0,
    noise=0.05,
    sharpness=0.6,
    levels=120.0,
    blocks=1.1,
    rim=0.4,
)


def spine(depth: float = 80.0, sd: float = 1.0) -> list[Vertebra]:
    bodies = column(LEVELS, top=(200.0, 100.0), depth=depth)
    return [Vertebra(level, points, np.eye(12) * sd**2) for level, points in bodies.items()]


def judge(
    vertebrae: Sequence[Vertebra] | None = None,
    probability: float = 0.95,
    index: str | None = None,
    turned: int = 0,
    inverted: bool = False,
    look: FilmLook | None = None,
    **scores: float,
) -> Quality:
    values = {**BASE, "inverted": 0.01, "hardware": 0.01, **scores}
    found = Found(FilmScores(**values), None, turned, inverted, np.array([0.0, 1.0]))
    chosen = spine() if vertebrae is None else vertebrae
    return judge_quality(found, chosen, probability, SIZE, CALIBRATIONS, index, look=look or SOUND)


def with_body(points: np.ndarray, level: str = "L1") -> list[Vertebra]:
    return [Vertebra(level, points) if v.level == level else v for v in spine()]


def leaning(degrees: float) -> list[Vertebra]:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([200.0, 400.0])
    return [Vertebra(v.level, (v.points - middle) @ turn.T + middle) for v in spine()]


def crossed() -> np.ndarray:
    points = body((200, 260), 80, 60)
    points[[0, 2]] = points[[2, 0]]
    return points


CASES = {
    "blank_image": lambda: judge(look=replace(SOUND, blank=True)),
    "tilted": lambda: judge(leaning(24)),
    "overexposed": lambda: judge(look=replace(SOUND, burnt=0.5)),
    "underexposed": lambda: judge(look=replace(SOUND, white=0.5)),
    "low_contrast": lambda: judge(look=replace(SOUND, levels=6.0)),
    "noisy": lambda: judge(look=replace(SOUND, noise=0.9)),
    "blurred": lambda: judge(look=replace(SOUND, sharpness=0.01)),
    "compressed": lambda: judge(look=replace(SOUND, blocks=6.0)),
    "not_a_spine": lambda: judge(lateral=0.1, other=0.88),
    "not_lateral": lambda: judge(lateral=0.1, frontal=0.88),
    "too_few_vertebrae": lambda: judge(spine()[:1]),
    "resolution_too_low": lambda: judge(spine(depth=15.0)),
    "few_vertebrae": lambda: judge(spine()[:3]),
    "index_level_missing": lambda: judge(index="T4"),
    "level_uncertain": lambda: judge(probability=0.4),
    "point_uncertain": lambda: judge(spine(sd=12.0)),
    "implausible_shape": lambda: judge(with_body(body((200, 260), 80, 10))),
    "cut_by_border": lambda: judge(with_body(body((30, 260), 80, 60))),
    "low_resolution": lambda: judge(spine(depth=40.0)),
    "facing_unclear": lambda: judge(facing_right=0.5),
    "image_turned": lambda: judge(turned=3),
    "hardware": lambda: judge(hardware=0.9),
    "contrast_inverted": lambda: judge(inverted=True),
}


def test_a_good_film_is_accepted():
    assert judge() == Quality("accepted")
    assert judge(index="L1") == Quality("accepted")


def test_every_code_has_a_case():
    assert set(CASES) == set(REASON_CODES)


@pytest.mark.parametrize("code", CASES)
def test_each_reason_comes_alone_from_its_cause(code):
    quality = CASES[code]()
    assert [reason.code for reason in quality.reasons] == [code]
    rejects = REASON_CODES[code] == "rejects"
    assert quality.status == ("rejected" if rejects else "flagged")
    assert len(quality.reasons[0].message) > 15


def test_rejected_films_are_not_flagged_besides():
    quality = judge([], probability=0.1, turned=2, hardware=1.0)
    assert quality.status == "rejected"
    assert [r.code for r in quality.reasons] == ["not_a_spine"]


def test_reasons_add_up():
    quality = judge(spine()[:3], probability=0.2, hardware=0.9, index="L5")
    codes = {r.code for r in quality.reasons}
    assert codes == {"few_vertebrae", "level_uncertain", "index_level_missing", "hardware"}


@pytest.mark.parametrize(
    "points",
    [
        crossed(),
        body((200, 260), 80, 150),
        body((200, 260), 80, 60)[[0, 1, 2, 5, 4, 3]],
    ],
)
def test_shapes_that_no_body_has(points):
    codes = [r.code for r in judge(with_body(points)).reasons]
    assert codes == ["implausible_shape"]


def test_a_fractured_body_is_believable():
    wedged = body((200, 260), 80, 45, wedge=25)
    assert judge(with_body(wedged)).status == "accepted"


def test_messages_name_the_levels():
    (reason,) = CASES["cut_by_border"]().reasons
    assert "L1" in reason.message
    (reason,) = CASES["index_level_missing"]().reasons
    assert reason.message == "T4 was not found; found: T11, T12, L1, L2, L3, S1"


def test_unknown_errors_raise_no_doubt():
    bare = [Vertebra(v.level, v.points) for v in spine()]
    assert judge(bare).status == "accepted"
    blank = [Vertebra(v.level, v.points, np.full((12, 12), np.nan)) for v in spine()]
    assert judge(blank).status == "accepted"


def test_the_limits_are_those_of_the_calibration():
    strict = Calibrations(
        CALIBRATIONS.naming, CALIBRATIONS.points, lateral=0.99, level_probability=0.99
    )
    found = Found(
        FilmScores(0.97, 0.01, 0.02, 0.02, 0.0, 0.0), None, 0, False, np.array([0.0, 1.0])
    )
    assert judge_quality(found, spine(), 1.0, SIZE, strict, None).status == "rejected"


def test_a_picture_turned_in_its_frame_is_said_to_be_so_once():
    quality = judge(leaning(24), look=replace(SOUND, turned=-20.0))
    (reason,) = quality.reasons
    assert reason.code == "tilted"


def test_a_body_marked_with_metal_is_enough_for_the_flag():
    bodies = [replace(v, hardware=v.level == "L2") for v in spine()]
    assert [r.code for r in judge(bodies).reasons] == ["hardware"]


def test_the_lean_of_the_column_has_a_side_and_needs_two_bodies():
    down = np.array([0.0, 1.0])
    upright = column_tilt(spine(), down)
    right, left = (column_tilt(leaning(a), down) - upright for a in (-20, 20))
    assert right == pytest.approx(-left, abs=0.1)
    assert abs(left) == pytest.approx(20.0, abs=0.1)
    assert column_tilt(spine()[:1], down) == 0.0


def evident(view: float, limit: float) -> Quality:
    """Verdict with fitted weights on a column of six bodies."""
    bodies = spine()
    candidates = tuple(
        Candidate(v.centre, v.points, 0.9, np.zeros(1), v.level == "S1") for v in bodies
    )
    names = tuple(v.level for v in bodies)
    named = SimpleNamespace(levels=names, candidates=candidates)
    p = 1 / (1 + np.exp(-view))
    scores = FilmScores(p, (1 - p) / 3, 2 * (1 - p) / 3, 0.02, 0.0, 0.0)
    found = Found(scores, named, 0, False, np.array([0.0, 1.0]), candidates)  # type: ignore[arg-type]
    gate = GateLimits({"view": 1.0, "confidence": 1.0, "rim": 4.0}, {"rim": 0.4}, -1.0, limit)
    calibrations = replace(CALIBRATIONS, gate=gate, lateral=0.99)
    look = SOUND if view > -2 else replace(SOUND, rim=-0.9)
    return judge_quality(found, bodies, 1.0, SIZE, calibrations, None, look=look)


def test_a_good_column_makes_up_for_an_unsure_view():
    assert evident(0.0, 0.0).status != "rejected"
    assert evident(0.0, 9.0).status == "rejected"


def test_the_weakest_point_is_told():
    (reason,) = evident(-2.1, 3.0).reasons
    assert reason.code == "not_a_spine"
    assert "bright lines" in reason.message


@pytest.mark.parametrize(
    ("n", "told"),
    [(0, "no bodies were found: fewer than 4"), (1, "; 1 body was found"), (3, "; 3 bodies were")],
)
def test_an_image_cut_too_closely_is_told_that_little_was_found(n, told):
    (reason,) = judge(spine()[:n], lateral=0.1, other=0.88).reasons
    assert reason.code == "not_a_spine"
    assert told in reason.message


def test_nothing_is_said_of_the_number_where_there_are_enough():
    (reason,) = judge(lateral=0.1, other=0.88).reasons
    assert "fewer" not in reason.message


@pytest.mark.parametrize(
    ("codes", "frontal", "again"),
    [
        (("not_a_spine",), 0.1, True),
        (("not_lateral",), 0.4, True),
        (("not_lateral",), 0.8, False),
        (("blank_image",), 0.1, False),
        (("resolution_too_low",), 0.1, False),
        ((), 0.1, False),
    ],
)
def test_what_may_be_a_patient_who_leans(codes, frontal, again):
    scores = FilmScores(**{**BASE, "inverted": 0.0, "hardware": 0.0, "frontal": frontal})
    found = Found(scores, None, 0, False, np.array([0.0, 1.0]))
    reasons = tuple(Reason(code, code) for code in codes)
    quality = Quality("rejected" if codes else "accepted", reasons)
    assert may_lean(found, quality) == again


def test_the_lean_of_the_patient_is_no_lean_of_the_film():
    angle = np.radians(25)
    down = np.array([-np.sin(angle), np.cos(angle)])
    scores = FilmScores(**{**BASE, "inverted": 0.0, "hardware": 0.0})
    found = Found(scores, None, 0, False, down, lean=25.0)
    np.testing.assert_allclose(found.upright, [0, 1], atol=1e-12)
    own = column_tilt(spine(), found.upright)
    assert column_tilt(leaning(25), found.upright) == pytest.approx(own + 25)
    assert column_tilt(leaning(25), found.downward) == pytest.approx(own)
