"""Every reason of the quality gate can be reached, and none comes up without its cause."""

from collections.abc import Sequence

import numpy as np
import pytest

from endplate.geometry.landmarks import Vertebra
from endplate.infer.find import Found
from endplate.infer.gate import REASON_CODES, judge_quality
from endplate.models.calibration import Calibrations
from endplate.models.decode import FilmScores
from endplate.study.reading import Quality

from ..spine import body, column

SIZE = (800, 400)
LEVELS = ("T11", "T12", "L1", "L2", "L3", "S1")
BASE = {"lateral": 0.97, "frontal": 0.01, "other": 0.02, "facing_right": 0.02}
CALIBRATIONS = Calibrations.uncalibrated()


def spine(depth: float = 80.0, sd: float = 1.0) -> list[Vertebra]:
    bodies = column(LEVELS, top=(200.0, 100.0), depth=depth)
    return [Vertebra(level, points, np.eye(12) * sd**2) for level, points in bodies.items()]


def judge(
    vertebrae: Sequence[Vertebra] | None = None,
    probability: float = 0.95,
    index: str | None = None,
    turned: int = 0,
    inverted: bool = False,
    **scores: float,
) -> Quality:
    values = {**BASE, "inverted": 0.01, "hardware": 0.01, **scores}
    found = Found(FilmScores(**values), None, turned, inverted, np.array([0.0, 1.0]))
    chosen = spine() if vertebrae is None else vertebrae
    return judge_quality(found, chosen, probability, SIZE, CALIBRATIONS, index)


def with_body(points: np.ndarray, level: str = "L1") -> list[Vertebra]:
    return [Vertebra(level, points) if v.level == level else v for v in spine()]


def crossed() -> np.ndarray:
    points = body((200, 260), 80, 60)
    points[[0, 2]] = points[[2, 0]]
    return points


CASES = {
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
