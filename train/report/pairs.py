"""Follow-up pairs: simulated subjects whose correction and loss are known, read and followed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from endplate.datasets.simulator.cohort import cohort_film, visit_annotation
from endplate.datasets.simulator.cohort_plan import PlannedSubject
from endplate.datasets.simulator.loss_plan import COMPARED, planned_loss
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.measure import measure
from endplate.infer.commands.follow_request import FollowUpRequest, follow_up
from endplate.study.followup import FollowUp
from endplate.study.reading import Reading
from endplate.train.report.simulated import each, reader_of, score_film
from endplate.train.report.statistics import bootstrap, mean

__all__ = [
    "THRESHOLD_DEG",
    "Pair",
    "area_under_curve",
    "follow_pairs",
    "follow_readings",
    "pair_figures",
]

#: With fewer subjects on one side an area under the curve says nothing, nor do false alarms.
_FEWEST: Final = 5
#: A loss of correction above this is to be seen.
THRESHOLD_DEG: Final = 5.0
_VK: Final = "vertebral_kyphosis_deg"
_RK: Final = "regional_kyphosis_deg"


@dataclass(frozen=True, eq=False)
class Pair:
    """The loss of correction of one subject by one angle.

    `true` and `measured` in degrees, `low` and `high` of the 90 % interval, `se`, the smallest
    detectable change and the probability of a loss over 5 degrees; NaN where not measured.
    `correction` and `true_correction` are from before to after the operation.
    """

    subject: str
    angle: str
    true: float
    measured: float = math.nan
    low: float = math.nan
    high: float = math.nan
    mdc95: float = math.nan
    probability: float = math.nan
    true_correction: float = math.nan
    correction: float = math.nan


def follow_pairs(
    plan: Sequence[PlannedSubject], networks: str, workers: int = 1
) -> tuple[Pair, ...]:
    """Make and read the films of all subjects, follow each, and compare with what is known.

    The treated level is given, as a clinical table gives it. Vertebral kyphosis is compared with
    the plan: projection and posture count as error. Regional kyphosis is compared with that of
    the true landmarks, because the posture changes it truly.
    """
    one = partial(_follow_one, networks=networks)
    return tuple(p for own in each(one, plan, workers, "follow-up pairs") for p in own)


def _follow_one(planned: PlannedSubject, networks: str) -> tuple[Pair, Pair]:
    reader = reader_of(networks)
    seen = [v for v in planned.visits if v.seen]
    return follow_readings(planned, [score_film(cohort_film(planned, v), reader) for v in seen])


def follow_readings(planned: PlannedSubject, readings: Sequence[Reading]) -> tuple[Pair, Pair]:
    """Losses of one subject by its readings, compared with what is known."""
    seen = [v for v in planned.visits if v.seen]
    truth = {v.name: _regional(planned, v) for v in seen}
    result = _followed(planned, readings)
    pre, post, last = COMPARED
    planned_deg = {v.name: v.kyphosis_deg for v in planned.visits}
    return (
        _pair(planned, result, _VK, planned_loss(planned), planned_deg[pre] - planned_deg[post]),
        _pair(planned, result, _RK, truth[last] - truth[post], truth[pre] - truth[post]),
    )


def _regional(planned: PlannedSubject, visit: Any) -> float:
    vertebrae = visit_annotation(planned, visit).vertebrae
    return next(
        m.value
        for m in measure(vertebrae, UNCALIBRATED)
        if m.name == _RK and m.level == planned.level
    )


def _followed(planned: PlannedSubject, readings: Sequence[Reading]) -> FollowUp | None:
    request = FollowUpRequest(
        {planned.subject: planned.operation}, {planned.subject: planned.level}
    )
    own = [r for r in readings if r.quality.status != "rejected"]
    results = follow_up(own, request) if own else []
    return results[0] if results else None


def _pair(
    planned: PlannedSubject, result: FollowUp | None, angle: str, loss: float, correction: float
) -> Pair:
    last = None if result is None else result.last
    name = f"loss_of_correction_{angle}"
    measured = None if last is None else last.change(name)
    if last is None or measured is None or last.visit.name != COMPARED[2]:
        return Pair(planned.subject, angle, loss, true_correction=correction)
    stem = angle.removesuffix("_deg")
    others = {m.name: m.value for m in last.changes}
    return Pair(
        planned.subject,
        angle,
        loss,
        measured.value,
        *measured.interval90,
        others.get(f"mdc95_{angle}", math.nan),
        others.get(f"probability_loss_over_{THRESHOLD_DEG:g}_deg_{stem}", math.nan),
        correction,
        others.get(f"correction_{angle}", math.nan),
    )


def area_under_curve(scores: FloatArray, positive: FloatArray) -> float:
    """Probability that a positive scores higher than a negative, ties counting half."""
    high, low = scores[positive > 0], scores[positive == 0]
    if not high.size or not low.size:
        return math.nan
    above = (high[:, None] > low[None, :]).mean()
    return float(above + 0.5 * (high[:, None] == low[None, :]).mean())


def pair_figures(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Figures of each angle, with 95 % intervals by bootstrap over subjects."""
    return {angle: _angle_figures([p for p in pairs if p.angle == angle]) for angle in (_VK, _RK)}


def _angle_figures(pairs: Sequence[Pair]) -> dict[str, Any]:
    measured = [p for p in pairs if math.isfinite(p.measured)]
    rows = np.array(
        [
            (
                *(p.true, p.measured, p.low, p.high, p.probability, p.mdc95),
                *(p.true_correction, p.correction),
            )
            for p in measured
        ]
    ).reshape(-1, 8)
    error: FloatArray = rows[:, 1] - rows[:, 0]
    inside = (rows[:, 2] <= rows[:, 0]) & (rows[:, 0] <= rows[:, 3])
    over = rows[:, 0] > THRESHOLD_DEG
    correction = (rows[:, 7] - rows[:, 6])[np.isfinite(rows[:, 7])]
    nothing = np.abs(rows[:, 0]) <= 0.5
    return {
        "subjects": len(pairs),
        "measured": len(measured),
        "true_over_5": int(over.sum()),
        "loss_mae": _figure(np.abs(error), mean),
        "loss_bias": _figure(error, mean),
        "loss_sd": _figure(error, _sd),
        "correction_mae": _figure(np.abs(correction), mean),
        "correction_bias": _figure(correction, mean),
        "loss_cover": _figure(100.0 * inside, mean),
        "auc_probability": _auc(rows[:, 4], over),
        "auc_loss": _auc(rows[:, 1], over),
        "mdc95_observed": _figure(error, lambda e: 1.96 * _sd(e)),
        "mdc95_stated": _figure(rows[:, 5], lambda m: float(np.median(m))),
        "false_alarms": _alarms(rows[nothing]),
    }


def _alarms(rows: FloatArray) -> dict[str, Any] | None:
    """Share of losses of nothing that are above the smallest detectable change."""
    if len(rows) < _FEWEST:
        return None
    return _figure(100.0 * (rows[:, 1] > rows[:, 5]), mean)


def _sd(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _figure(values: Any, reduce: Any) -> dict[str, Any] | None:
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = bootstrap([v[None] for v in values], reduce)
    return _entry(reduce(values), low, high, len(values))


def _auc(scores: FloatArray, over: Any) -> dict[str, Any] | None:
    known = np.isfinite(scores)
    table = np.column_stack([scores, over])[known]
    positive = int(table[:, 1].sum())
    if min(positive, len(table) - positive) < _FEWEST:
        return None
    value = area_under_curve(table[:, 0], table[:, 1])
    low, high = bootstrap(
        [row[None] for row in table], lambda t: area_under_curve(t[:, 0], t[:, 1])
    )
    return _entry(value, low, high, len(table))


def _entry(value: float, low: float, high: float, n: int) -> dict[str, Any]:
    bounds = [None if math.isnan(x) else round(x, 4) for x in (low, high)]
    return {"value": round(value, 4), "low": bounds[0], "high": bounds[1], "n": n, "films": n}
