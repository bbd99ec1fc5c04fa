"""How good readings are against annotated films: one set of definitions for every reader.

A body is *found* when a predicted centre (mean of the four corners) lies within half a depth of
its own. Point errors are in percent of the body's superior depth, over T10 to L5 and all points
that the annotation has. A film's naming is right when every found body bears its level; films
whose levels are doubtful are left out of naming. A prediction between the first and the last
annotated body that belongs to none is *unmatched*.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import CORNERS, POINTS
from endplate.geometry.measure import measure
from endplate.study.reading import Reading

__all__ = [
    "JUDGED_LEVELS",
    "MEASURES",
    "BodyResult",
    "FilmResult",
    "Truth",
    "judge_film",
    "summarise",
]

#: Levels whose points are judged.
JUDGED_LEVELS: Final = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
_CORNER_ROWS: Final = [POINTS.index(c) for c in CORNERS]
#: Measures that are compared with those of the annotation.
MEASURES: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "gardner_mono_above_deg",
    "Ha_Hp",
    "Hm_Hp",
    "loss_ant_pct",
    "loss_mid_pct",
    "loss_post_pct",
    "max_height_loss_pct",
)
#: Those of them that the table of `summarise` shows.
_SUMMARISED: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "Ha_Hp",
    "max_height_loss_pct",
)


@dataclass(frozen=True, eq=False)
class Truth:
    """What an annotator marked on one film.

    `vertebrae` decide what is found and named; points are judged on `exact`. `hardware` says
    whether there is metal on the film, `metal_levels` in which bodies, where that is known;
    `extent` which part of the spine the film shows.
    """

    name: str
    group: str
    vertebrae: tuple[Vertebra, ...]
    exact: Mapping[str, Vertebra]
    other_bodies: tuple[FloatArray, ...] = ()
    levels_doubtful: bool = False
    quality: str = ""
    hardware: bool = False
    metal_levels: tuple[str, ...] = ()
    extent: str = ""

    @property
    def sacrum_visible(self) -> bool:
        """Whether the annotator could mark the sacral endplate."""
        return any(v.level == "S1" for v in self.vertebrae)


@dataclass(frozen=True, eq=False)
class BodyResult:
    """One annotated body and what was made of it.

    `errors` are distances of the points in percent of the depth, NaN where not judged; `scores`
    are the same errors along and across the superior endplate, over their standard deviation;
    `measures` are (predicted, true, low, high of the 90 % interval); `least_ratio` is the smaller
    of Ha/Hp and Hm/Hp as annotated.
    """

    level: str
    found: bool
    named: str | None
    errors: FloatArray
    measures: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    scores: FloatArray = field(default_factory=lambda: np.full((6, 2), np.nan))
    least_ratio: float = math.nan


@dataclass(frozen=True, eq=False)
class FilmResult:
    """One film: its bodies, unmatched predictions, naming and verdict."""

    truth: Truth
    reading: Reading
    bodies: tuple[BodyResult, ...]
    unmatched: int

    @property
    def named_right(self) -> bool | None:
        """Whether every found body bears its level; None if that cannot be judged."""
        found = [b for b in self.bodies if b.found]
        if not found or self.truth.levels_doubtful:
            return None
        return all(b.named == b.level for b in found)

    @property
    def mean_error(self) -> float:
        """Mean point error of the film, NaN if none was judged."""
        errors = [b.errors[~np.isnan(b.errors)] for b in self.bodies]
        joined = np.concatenate(errors) if errors else np.array([])
        return float(joined.mean()) if joined.size else math.nan


def judge_film(truth: Truth, reading: Reading) -> FilmResult:
    """Compare a reading with an annotation."""
    predicted = [v for v in reading.vertebrae if not np.isnan(v.points[_CORNER_ROWS]).any()]
    centres = [v.points[_CORNER_ROWS].mean(axis=0) for v in predicted]
    complete = [v for v in truth.vertebrae if v.has(*CORNERS)]
    used: set[int] = set()
    bodies = []
    true_measures = _measures(tuple(truth.exact.values()))
    ratios = {b.level: _least_ratio(b.level, true_measures) for b in complete}
    for body in complete:
        centre = body.points[_CORNER_ROWS].mean(axis=0)
        distances = {
            i: float(np.hypot(*(c - centre))) for i, c in enumerate(centres) if i not in used
        }
        best = min(distances, key=lambda i: distances[i], default=None)
        if best is None or distances[best] >= body.depth_px / 2:
            missed = BodyResult(
                body.level, False, None, np.full(6, np.nan), least_ratio=ratios[body.level]
            )
            bodies.append(missed)
            continue
        used.add(best)
        judged = _judge_body(body, predicted[best], truth, reading, true_measures)
        bodies.append(replace(judged, least_ratio=ratios[body.level]))
    marked = [v.points[_CORNER_ROWS].mean(axis=0)[1] for v in complete]
    marked += [float(np.mean(b[:, 1])) for b in truth.other_bodies]
    unmatched = sum(
        i not in used
        and min(marked) < c[1] < max(marked)
        and not any(_near(c, b) for b in truth.other_bodies)
        for i, c in enumerate(centres)
        if marked
    )
    return FilmResult(truth, reading, tuple(bodies), unmatched)


def _near(centre: FloatArray, corners: FloatArray) -> bool:
    depth = float(np.hypot(*(corners[0] - corners[1])))
    return float(np.hypot(*(corners.mean(axis=0) - centre))) < depth / 2


def _judge_body(
    body: Vertebra,
    predicted: Vertebra,
    truth: Truth,
    reading: Reading,
    true_measures: Mapping[tuple[str, str], float],
) -> BodyResult:
    errors, scores = np.full(6, np.nan), np.full((6, 2), np.nan)
    measures: dict[str, tuple[float, float, float, float]] = {}
    exact = truth.exact.get(body.level)
    if exact is not None and body.level in JUDGED_LEVELS and exact.has(*CORNERS):
        errors = 100 * np.hypot(*(predicted.points - exact.points).T) / exact.depth_px
        scores = _scores(predicted, exact)
        for m in reading.measurements:
            key = (m.name, body.level)
            if m.level == predicted.level and key in true_measures and m.name in MEASURES:
                measures[m.name] = (m.value, true_measures[key], *m.interval90)
    return BodyResult(body.level, True, predicted.level, errors, measures, scores)


def _scores(predicted: Vertebra, exact: Vertebra) -> FloatArray:
    """(6, 2) errors along and across the superior endplate over their standard deviation."""
    if predicted.covariance is None:
        return np.full((6, 2), np.nan)
    along = (exact.points[2] - exact.points[0]) / exact.depth_px
    axes = np.stack([along, [-along[1], along[0]]])
    blocks = predicted.covariance.reshape(6, 2, 6, 2)[range(6), :, range(6)]
    variance = np.einsum("ai,kij,aj->ka", axes, blocks, axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores: FloatArray = (predicted.points - exact.points) @ axes.T / np.sqrt(variance)
    return scores


def _least_ratio(level: str, measures: Mapping[tuple[str, str], float]) -> float:
    """Smaller of Ha/Hp and Hm/Hp, of Ha/Hp alone without middle points; NaN without either."""
    ratios = [measures[name, level] for name in ("Ha_Hp", "Hm_Hp") if (name, level) in measures]
    return min(ratios, default=math.nan)


def _measures(vertebrae: Sequence[Vertebra]) -> dict[tuple[str, str], float]:
    """Measures of the annotation, by name and level."""
    return {
        (m.name, m.level): m.value
        for m in measure(vertebrae, UNCALIBRATED)
        if m.name in MEASURES and not math.isnan(m.value)
    }


def summarise(results: Sequence[FilmResult]) -> dict[str, float | int | None]:
    """The table of accuracy of some films; None where nothing could be judged."""
    bodies = [b for r in results for b in r.bodies if b.level in JUDGED_LEVELS]
    errors = np.concatenate([b.errors for b in bodies]) if bodies else np.array([])
    errors = errors[~np.isnan(errors)]
    named = [r for r in results if r.named_right is not None]
    visible = [r for r in named if r.truth.sacrum_visible]
    hidden = [r for r in named if not r.truth.sacrum_visible]
    rejected = [r for r in results if r.reading.quality.status == "rejected"]
    wrong = [r for r in named if not r.named_right]
    out: dict[str, float | int | None] = {
        "films": len(results),
        "rejected": len(rejected),
        "bodies": len(bodies),
        "found_pct": _percent([b.found for b in bodies]),
        "unmatched_per_film": _mean([r.unmatched for r in results]),
        "points": int(errors.size),
        "point_median_pct": _quantile(errors, 0.5),
        "point_mean_pct": _mean(errors),
        "point_p95_pct": _quantile(errors, 0.95),
        "films_named": len(named),
        "levels_right_pct": _percent([bool(r.named_right) for r in named]),
        "sacrum_visible_films": len(visible),
        "levels_right_sacrum_visible_pct": _percent([bool(r.named_right) for r in visible]),
        "sacrum_hidden_films": len(hidden),
        "levels_right_sacrum_hidden_pct": _percent([bool(r.named_right) for r in hidden]),
        "wrong_namings_flagged_pct": _percent([_is_uncertain(r) for r in wrong]),
        "right_namings_flagged_pct": _percent([_is_uncertain(r) for r in named if r.named_right]),
    }
    for name in _SUMMARISED:
        out.update(_measure_figures(name, bodies))
    return out


def _measure_figures(name: str, bodies: Sequence[BodyResult]) -> dict[str, float | int | None]:
    rows = np.array([b.measures[name] for b in bodies if name in b.measures])
    rows = rows[~np.isnan(rows[:, :2]).any(axis=1)] if rows.size else np.empty((0, 4))
    difference = rows[:, 0] - rows[:, 1]
    with_interval = rows[~np.isnan(rows).any(axis=1)]
    inside = (with_interval[:, 2] <= with_interval[:, 1]) & (
        with_interval[:, 1] <= with_interval[:, 3]
    )
    return {
        f"{name}_n": len(rows),
        f"{name}_mae": _mean(np.abs(difference)),
        f"{name}_bias": _mean(difference),
        f"{name}_cover90_pct": _percent(inside.tolist()),
    }


def _is_uncertain(result: FilmResult) -> bool:
    return any(reason.code == "level_uncertain" for reason in result.reading.quality.reasons)


def _mean(values: Sequence[float] | FloatArray) -> float | None:
    return round(float(np.mean(values)), 3) if len(values) else None


def _percent(values: Sequence[bool]) -> float | None:
    return round(100 * sum(values) / len(values), 1) if values else None


def _quantile(values: FloatArray, q: float) -> float | None:
    ordered = np.sort(values)
    if not ordered.size:
        return None
    return round(float(ordered[min(len(ordered) - 1, int(q * len(ordered)))]), 2)
