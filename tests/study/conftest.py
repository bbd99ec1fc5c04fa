"""Readings of the worked examples, and of a made-up cohort without its films."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.study.reading import Quality, Reader, Reading, Source

MEASURES = Path(__file__).parents[1] / "geometry" / "measures.csv"
POINTS = {
    "SA": "superior_anterior",
    "SM": "superior_middle",
    "SP": "superior_posterior",
    "IP": "inferior_posterior",
    "IM": "inferior_middle",
    "IA": "inferior_anterior",
}
#: The three films of one patient among the worked examples.
DAYS = {"6": "20240110", "7": "20240115", "8": "20250112"}


def example_rows(number):
    with MEASURES.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["example"] == number]


def example_reading(number, *, day=None, position="standing", subject="P1", sigma_mm=0.5):
    """The reading of a worked example whose points have an independent error of 0.5 mm."""
    rows = example_rows(number)
    params = {r["name"]: r["value"] for r in rows if r["kind"] == "param"}
    m = float(params["magnification"])
    spacing = (float(params["row_spacing"]) / m, float(params["col_spacing"]) / m)
    calibration = Calibration(spacing, "magnification", m)
    corners: dict[str, dict[str, tuple[float, float]]] = {}
    for row in rows:
        if row["kind"] == "corner":
            xy = (float(row["x_px"]), float(row["y_px"]))
            corners.setdefault(row["level"], {})[POINTS[row["name"]]] = xy
    covariance = np.diag(np.tile((sigma_mm / np.asarray(calibration.scale_xy)) ** 2, 6))
    vertebrae = tuple(
        Vertebra(level, Vertebra.from_mapping(level, corners[level]).points, covariance, 0.97)
        for level in params["level_order"].split()
    )
    return Reading(
        id=f"example-{number}",
        created="2026-01-02T03:04:05+00:00",
        reader=Reader("model", "endplate", "0.1.0", "ab"),
        source=Source(
            f"film-{number}.dcm",
            f"{number:0>4}",
            2000,
            1400,
            "DX",
            patient_id=subject,
            study_date=DAYS[number] if day is None else day,
            view="lateral",
            facing="left",
            position=position,
        ),
        calibration=calibration,
        quality=Quality("accepted"),
        vertebrae=vertebrae,
        measurements=measure(vertebrae, calibration),
    )


@pytest.fixture
def example():
    """Makes the reading of a worked example."""
    return example_reading


@pytest.fixture
def visits():
    """Films before, just after and 12 months after an operation: examples 6, 7 and 8."""
    return [example_reading(n) for n in ("6", "7", "8")]


@pytest.fixture
def expected():
    """Expected values of the three examples by number and name."""
    out = {}
    for number in ("6", "7", "8"):
        out[number] = {
            r["name"]: float(r["value"]) for r in example_rows(number) if r["kind"] == "expected"
        }
    return out


@pytest.fixture
def changed():
    """Changes fields of one vertebra of a reading."""
    return _changed


def _changed(reading, level, **fields):
    vertebrae = tuple(replace(v, **fields) if v.level == level else v for v in reading.vertebrae)
    return replace(
        reading, vertebrae=vertebrae, measurements=measure(vertebrae, reading.calibration)
    )
