"""Fixtures that all tests share."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measurement import Measurement
from endplate.study.reading import Quality, Reader, Reading, Reason, Source

_BESIDE = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The data folder: $ENDPLATE_DATA, or ../shared/data; the test is skipped without it."""
    folder = Path(os.environ.get("ENDPLATE_DATA") or _BESIDE).resolve()
    if not (folder / "lumbar-laterals" / "annotations.json").is_file():
        pytest.skip("needs the data folder: set ENDPLATE_DATA to it")
    return folder


@pytest.fixture(scope="session")
def reading() -> Reading:
    """A made-up reading of a 700 x 500 film facing right: T11 to L3, S1; L1 is wedged."""
    levels = ("T11", "T12", "L1", "L2", "L3")
    spine = tuple(_body(level, 60.0 + 105.0 * i) for i, level in enumerate(levels))
    sacrum = np.full((6, 2), np.nan)
    sacrum[:3] = [[335, 640], [285, 620], [240, 590]]
    return Reading(
        id="made-up",
        created="2026-01-02T03:04:05+00:00",
        reader=Reader("model", "endplate-lateral", "0.1.0", "ab" * 32),
        source=Source("folder/film.dcm", "cd" * 32, 700, 500, "DX", "1.2", "1.3", "1.4", "P-1"),
        calibration=Calibration((0.3, 0.3), "detector"),
        quality=Quality("flagged", (Reason("level_uncertain", "The level names may be off."),)),
        vertebrae=(*spine, Vertebra("S1", sacrum, level_probability=0.9)),
        measurements=(
            _measurement("vertebral_kyphosis_deg", ("sup(L1)", "inf(L1)"), 14.25, 1.1),
            _measurement("regional_kyphosis_deg", ("sup(T12)", "inf(L2)"), 12.5, 1.4),
            _measurement("Ha_mm", ("SA(L1)", "IA(L1)"), 18.5, 0.4, "mm"),
            Measurement(
                "loss_ant_pct", "L1", ("Ha(L1)", "Ha(T12)"), math.nan, "%", flags=("undefined",)
            ),
        ),
    )


def _body(level: str, top: float) -> Vertebra:
    """A body 110 wide and 85 high; of L1 the front is lower."""
    drop = 28.0 if level == "L1" else 0.0
    points = [[310, top + drop], [255, top + 4 + drop / 2], [200, top]]
    points += [[200, top + 85], [255, top + 81], [310, top + 85]]
    spread = np.diag(np.tile([4.0, 9.0], 6)) + 1.0
    return Vertebra(level, np.array(points), spread, 0.97, 0.99, cement=level == "L1")


def _measurement(
    name: str, between: tuple[str, ...], value: float, se: float, unit: str = "deg"
) -> Measurement:
    interval = (value - 1.645 * se, value + 1.645 * se)
    return Measurement(name, "L1", between, value, unit, se, interval)
