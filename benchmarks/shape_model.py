"""Would a model of the shapes of a film's bodies help? ``python -P benchmarks/shape_model.py``.

Bodies of one film are alike, so a model of their shapes could correct points of one body by the
others, if the readings left something to correct. Their errors against the annotation are
therefore predicted by ridge regression, film by film from all other films: from the shape of the
body as read, from its difference from its neighbours and from the middle of its film, and from all
of these. A share explained of nothing, or less, says that no linear model of shapes would help.

    endplate evaluate weights=runs/folds/FOLD out=runs/accuracy
    python -P benchmarks/shape_model.py --readings runs/accuracy/readings
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.reports.reading_json import read_reading
from endplate.train.accuracy import JUDGED_LEVELS, Truth
from endplate.train.config import TrainConfig, compose_config
from endplate.train.truths import load_cases

COMPONENTS = 6
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


def axes(points: FloatArray) -> FloatArray:
    """(2, 2) rows: unit vectors forward and upward of a body with (6, 2) points."""
    forward = points[[0, 5]].mean(axis=0) - points[[2, 3]].mean(axis=0)
    forward /= np.hypot(*forward)
    up = np.array([-forward[1], forward[0]])
    up *= np.sign(up @ (points[[0, 2]].mean(axis=0) - points[[3, 5]].mean(axis=0)))
    return np.stack([forward, up])


def shape(body: Vertebra) -> FloatArray:
    """(12,) points about the centre along its axes, in depths."""
    out: FloatArray = ((body.points - body.centre) @ axes(body.points).T / body.depth_px).ravel()
    return out


def rows_of(truth: Truth, folder: Path) -> list[tuple[FloatArray, ...]]:
    """Of each annotated body: its error in percent of the depth, and the shapes beside it."""
    reading = read_reading(folder / Path(truth.name).with_suffix(".json"))
    found = [v for v in reading.vertebrae if v.level != "S1" and np.isfinite(v.points).all()]
    found.sort(key=lambda v: float(v.centre[1]))
    shapes = np.array([shape(v) for v in found])
    out: list[tuple[FloatArray, ...]] = []
    for level, body in truth.exact.items():
        if level not in JUDGED_LEVELS or not np.isfinite(body.points).all() or not found:
            continue
        away = [float(np.hypot(*(v.centre - body.centre))) for v in found]
        k = int(np.argmin(away))
        if away[k] > body.depth_px / 2:
            continue
        own = found[k]
        error = (body.points - own.points) @ axes(own.points).T / own.depth_px * 100
        beside = (shapes[max(k - 1, 0)] + shapes[min(k + 1, len(found) - 1)]) / 2
        out.append((error.ravel(), shapes[k], beside, np.median(shapes, axis=0)))
    return out


def components(values: FloatArray) -> FloatArray:
    """The first principal components."""
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    out: FloatArray = centred @ directions[:COMPONENTS].T
    return out


def left_over(
    error: FloatArray, known: FloatArray, film: np.ndarray, strength: float
) -> FloatArray:
    """Errors after the prediction of each film from the others."""
    out = np.empty_like(error)
    known = known - known.mean(axis=0)
    for one in np.unique(film):
        others = film != one
        middle = error[others].mean(axis=0)
        x = known[others]
        square = x.T @ x + strength * np.eye(x.shape[1])
        slope = np.linalg.solve(square, x.T @ (error[others] - middle))
        out[~others] = error[~others] - middle - known[~others] @ slope
    return out


def median(error: FloatArray) -> float:
    """Median distance of the points."""
    return float(np.median(np.hypot(*np.moveaxis(error.reshape(-1, 6, 2), 2, 0))))


def report(name: str, error: FloatArray, known: Sequence[FloatArray], film: np.ndarray) -> None:
    """Print the best that a predictor does over all strengths of the ridge."""
    x = np.hstack([components(k) for k in known])
    least = min((left_over(error, x, film, s) for s in STRENGTHS), key=lambda e: (e**2).sum())
    share = 1 - (least**2).sum() / (error**2).sum()
    print(f"{name}: explains {100 * share:.1f} % at best; median {median(least):.2f} %")


def main() -> None:
    """Predict the errors, and print what is explained."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readings", type=Path, default=Path("runs/accuracy/readings"))
    parser.add_argument("--data", default=os.environ.get("ENDPLATE_DATA", "../shared/data"))
    options = parser.parse_args()
    config, _ = compose_config("train", TrainConfig, ["dataset=real", f"data={options.data}"])
    rows, film = [], []
    for one in config.sets.values():
        for _, truth, _ in load_cases(one, config.folds) if one.annotations else ():
            assert truth is not None  # an annotated set holds no negatives
            own = rows_of(truth, options.readings / one.name)
            rows += own
            film += [truth.name] * len(own)
    error, shapes, beside, middle = (np.array(column) for column in zip(*rows, strict=True))
    films = np.array(film)
    print(f"{len(error)} bodies, {len(set(film))} films: median error {median(error):.2f} %")
    report("the body's own shape", error, [shapes], films)
    report("its difference from its neighbours", error, [shapes - beside], films)
    report("its difference from the middle of its film", error, [shapes - middle], films)
    report("all of these", error, [shapes, beside, middle], films)


if __name__ == "__main__":
    main()
