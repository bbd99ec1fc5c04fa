"""The names and flags of the code are those of the reference page."""

from pathlib import Path

import numpy as np
import pytest

from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.catalogue import CATALOGUE, FLAGS
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import LEVELS
from endplate.geometry.measure import measure
from endplate.geometry.physiology import DEFAULT
from endplate.geometry.settings import NEIGHBOUR_RULES, MeasureSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measures.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_measure_and_flag(page):
    assert [x for x in CATALOGUE if f"`{x}`" not in page] == []
    assert [f for f, words in FLAGS.items() if f"| `{f}` | {words} |" not in page] == []


def test_the_page_gives_the_table_in_use(page):
    for row in DEFAULT:
        regional = row.regional_kyphosis_deg
        shown = "-" if np.isnan(regional) else f"{regional:+.1f}"
        assert f"| {row.level} | {shown} | {row.vertebral_kyphosis_deg:+.1f} |" in page


@pytest.mark.parametrize("rule", NEIGHBOUR_RULES)
def test_no_flag_is_without_a_sentence(make_spine, rule):
    rng = np.random.default_rng(4)
    settings = MeasureSettings(neighbours=rule, fractured=("T8",))
    seen: set[str] = set()
    for _ in range(30):
        spine = []
        for v in make_spine(*LEVELS, wedge="L2"):
            points = v.points + rng.normal(0, 3, (6, 2))
            points[rng.random(6) < 0.1] = np.nan
            if rng.random() < 0.8:
                spine.append(Vertebra(v.level, points, cement=bool(rng.random() < 0.2)))
        for calibration in (
            UNCALIBRATED,
            Calibration((1.0, 1.0), "detector"),
            Calibration((1.0, 1.0), "user"),
        ):
            measured = measure(spine, calibration, index_level="L2", settings=settings)
            seen |= {f for m in measured for f in m.flags}
            assert all(m.flags for m in measured if np.isnan(m.value))
    assert seen <= set(FLAGS)
    assert "points_missing" in seen
