"""The worked examples of measures.csv, and a spine built from the table of normal values."""

import csv
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.physiology import DEFAULT

_POINTS = {
    "SA": "superior_anterior",
    "SM": "superior_middle",
    "SP": "superior_posterior",
    "IP": "inferior_posterior",
    "IM": "inferior_middle",
    "IA": "inferior_anterior",
}
_SIGMA_MM = 0.5


@dataclass
class Expected:
    name: str
    level: str
    value: float
    unit: str
    tolerance: float


@dataclass
class Example:
    """One worked example; every point has an independent error of 0.5 mm per coordinate."""

    params: dict[str, str] = field(default_factory=dict)
    corners: dict[str, dict[str, tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    expected: list[Expected] = field(default_factory=list)

    @property
    def calibration(self) -> Calibration:
        magnification = float(self.params["magnification"])
        spacing = [float(self.params[f"{x}_spacing"]) / magnification for x in ("row", "col")]
        return Calibration((spacing[0], spacing[1]), "user", magnification)

    @property
    def index_level(self) -> str:
        return self.params["index_level"]

    @property
    def vertebrae(self) -> tuple[Vertebra, ...]:
        variance = (_SIGMA_MM / np.asarray(self.calibration.scale_xy)) ** 2
        covariance = np.diag(np.tile(variance, 6))
        return tuple(
            Vertebra(level, Vertebra.from_mapping(level, self.corners[level]).points, covariance)
            for level in self.params["level_order"].split()
        )


@pytest.fixture(scope="session")
def examples() -> dict[str, Example]:
    """Worked examples by number."""
    out: dict[str, Example] = defaultdict(Example)
    with (Path(__file__).parent / "measures.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            example = out[row["example"]]
            if row["kind"] == "param":
                example.params[row["name"]] = row["value"]
            elif row["kind"] == "corner":
                xy = (float(row["x_px"]), float(row["y_px"]))
                example.corners[row["level"]][_POINTS[row["name"]]] = xy
            else:
                example.expected.append(
                    Expected(
                        row["name"],
                        row["level"],
                        float(row["value"]),
                        row["unit"],
                        float(row["tolerance"]),
                    )
                )
    return dict(out)


@pytest.fixture(scope="session")
def make_spine() -> Callable[..., list[Vertebra]]:
    """Maker of a spine of rectangles, 35 wide and 25 high with discs of 8, facing left."""

    def make(*levels: str, sigma: float | None = 0.5, wedge: str | None = None) -> list[Vertebra]:
        covariance = None if sigma is None else np.eye(12) * sigma**2
        out = []
        for i, level in enumerate(levels):
            top = 100.0 + 33.0 * i
            front = top + (8.0 if level == wedge else 0.0)
            points = np.array(
                [
                    [100.0, front],
                    [117.5, (front + top) / 2],
                    [135.0, top],
                    [135.0, top + 25.0],
                    [117.5, top + 25.0],
                    [100.0, top + 25.0],
                ]
            )
            if level == "S1":
                points[3:] = math.nan
            out.append(Vertebra(level, points, covariance))
        return out

    return make


@pytest.fixture(scope="session")
def table_levels() -> list[str]:
    """Levels of the built-in table."""
    return [row.level for row in DEFAULT]
