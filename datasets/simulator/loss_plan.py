"""Subjects whose losses of correction are spread evenly, to judge whether a loss is seen."""

from dataclasses import replace
from typing import Final

import numpy as np

from endplate.datasets.simulator.cohort_plan import CohortPlan, PlannedSubject, plan_cohort

__all__ = ["COMPARED", "plan_series", "plan_spread_losses", "planned_loss"]

#: The visits that a loss of correction is told from.
COMPARED: Final = ("pre", "post", "12 months")


def plan_series(count: int, seed: int) -> tuple[PlannedSubject, ...]:
    """Subjects of the published series with the visits of `COMPARED` only, none missed."""
    planned = plan_cohort(count, seed, CohortPlan(missed=0.0))
    return tuple(
        replace(s, visits=tuple(replace(v, seen=v.name in COMPARED) for v in s.visits))
        for s in planned
    )


def plan_spread_losses(
    count: int, seed: int, greatest_deg: float = 15.0
) -> tuple[PlannedSubject, ...]:
    """The same, but with losses from 0 to `greatest_deg` degrees, evenly spread.

    In the series most losses are near nothing: too few true losses to tell how well they are
    seen. Here each subject loses another amount, whatever its cement.
    """
    rng = np.random.default_rng([seed, 15])
    losses = rng.permutation((np.arange(count) + rng.random(count)) / count * greatest_deg)
    return tuple(
        _losing(s, float(loss)) for s, loss in zip(plan_series(count, seed), losses, strict=True)
    )


def planned_loss(subject: PlannedSubject) -> float:
    """Degrees of vertebral kyphosis that come back from the operation to the last visit."""
    by_name = {v.name: v.kyphosis_deg for v in subject.visits}
    return by_name[COMPARED[2]] - by_name[COMPARED[1]]


def _losing(subject: PlannedSubject, loss: float) -> PlannedSubject:
    after = next(v.kyphosis_deg for v in subject.visits if v.name == COMPARED[1])
    visits = tuple(
        replace(v, kyphosis_deg=round(after + loss, 3)) if v.name == COMPARED[2] else v
        for v in subject.visits
    )
    return replace(subject, visits=visits)
