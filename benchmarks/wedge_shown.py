"""Which share of a change of wedge the networks show, and what follow-up makes of it.

    python benchmarks/wedge_shown.py [--weights FOLDER] [--subjects N] [--seed N] [--workers N]

Simulated patients, other ones than those of `endplate accuracy`: the treated body is read on the
films before and after the operation and a year later, and its vertebral kyphosis compared with
that of the true landmarks. Networks draw an odd outline towards a usual one, so that a change is
read too small. Prints that share, which is `wedge_shown` of `study/joint_fit.py`, and the errors
and intervals of the loss of correction with the present settings, by which the others were chosen.
"""

import argparse
from functools import partial
from itertools import pairwise

import numpy as np

from endplate.datasets.simulator.cohort import cohort_film, visit_annotation
from endplate.datasets.simulator.cohort_plan import PlannedSubject
from endplate.datasets.simulator.loss_plan import plan_series, plan_spread_losses
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measure import measure
from endplate.train.report.pairs import Pair, follow_readings, pair_figures
from endplate.train.report.simulated import each, reader_of, score_film

_FARTHEST = 0.5
"""Depths between a body and what is taken for it."""


def read_one(planned: PlannedSubject, networks: str) -> tuple[FloatArray, tuple[Pair, ...]]:
    """(visits, 2) true and read kyphosis of the treated body, NaN where missed, and its losses."""
    reader = reader_of(networks)
    seen = [v for v in planned.visits if v.seen]
    readings = [score_film(cohort_film(planned, v), reader) for v in seen]
    rows = []
    for visit, reading in zip(seen, readings, strict=True):
        true = next(
            v for v in visit_annotation(planned, visit).vertebrae if v.level == planned.level
        )
        rows.append((_kyphosis(true), _read(reading.vertebrae, true)))
    return np.array(rows), follow_readings(planned, readings)


def _read(vertebrae: tuple[Vertebra, ...], true: Vertebra) -> float:
    """Kyphosis of the body that lies where the true one does, whatever its name."""
    bodies = [v for v in vertebrae if v.level != "S1"]
    away = [float(np.hypot(*(v.centre - true.centre))) / true.depth_px for v in bodies]
    if not away or min(away) > _FARTHEST:
        return float("nan")
    return _kyphosis(bodies[int(np.argmin(away))])


def _kyphosis(body: Vertebra) -> float:
    measures = measure((body,), UNCALIBRATED)
    return next(m.value for m in measures if m.name == "vertebral_kyphosis_deg")


def share(rows: list[FloatArray]) -> float:
    """Slope of changes between visits as read on the true ones, of all but the wildest tenth."""
    steps = np.concatenate([np.array([b - a for a, b in pairwise(r)]) for r in rows])
    true, read = steps[np.isfinite(steps).all(axis=1)].T
    slope = 1.0
    for _ in range(10):
        away = np.abs(read - slope * true)
        kept = away <= np.quantile(away, 0.9)
        slope = float(true[kept] @ read[kept] / (true[kept] @ true[kept]))
    return slope


def main() -> None:
    """Print the share with its interval, and the figures of follow-up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", default="", help="folder of networks; those of the package")
    parser.add_argument("--subjects", type=int, default=100, help="of each of two plans")
    parser.add_argument("--seed", type=int, default=730_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    plans = {
        "losses of 0 to 15 degrees": plan_spread_losses(options.subjects, options.seed),
        "series": plan_series(options.subjects, options.seed + 10_000),
    }
    one = partial(read_one, networks=options.weights)
    rows: list[FloatArray] = []
    for name, plan in plans.items():
        done = list(each(one, plan, options.workers, name))
        rows += [r for r, _ in done]
        for angle, values in pair_figures([p for _, own in done for p in own]).items():
            told = {k: values[k]["value"] for k in ("loss_mae", "loss_bias", "loss_cover")}
            print(f"{name}, {angle}: {told}")
    rng = np.random.default_rng(1)
    draws = [share([rows[i] for i in rng.integers(len(rows), size=len(rows))]) for _ in range(200)]
    low, high = np.quantile(draws, [0.025, 0.975])
    print(f"share of a change of wedge that is read: {share(rows):.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
