"""A made-up cohort: who was operated how, and how the kyphosis went on.

The numbers follow a published series of 65 patients with fractures of T11 to L2, treated by balloon
kyphoplasty alone or with percutaneous posterior fixation: kyphosis 13.3 degrees (5 to 23) before,
about 8.3 (1 to 20) at the last visit, pain 5.5 to 0.6, leaks in 22 %, and a loss of correction in
one group only, those treated with calcium phosphate by kyphoplasty alone. The cement goes by age,
as it did there: age is a confounder of every comparison of cements.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from endplate.errors import InputError

__all__ = ["VISITS", "CohortPlan", "PlannedSubject", "PlannedVisit", "plan_cohort"]

#: Time point, day after the operation, spread of the day, share of the whole loss by then.
VISITS: Final[tuple[tuple[str, int, int, float], ...]] = (
    ("pre", -2, 1, 0.0),
    ("post", 3, 2, 0.0),
    ("3 months", 91, 9, 0.6),
    ("6 months", 183, 14, 0.85),
    ("12 months", 365, 21, 1.0),
)
_LEVELS: Final = {"T11": 0.10, "T12": 0.25, "L1": 0.45, "L2": 0.20}
_TYPES: Final = {"A1.1": 0.1, "A1.2": 0.5, "A1.3": 0.15, "A3.1": 0.25}
_PAIN: Final = {"pre": 5.5, "post": 2.4, "3 months": 1.5, "6 months": 0.9, "12 months": 0.6}
_DISABILITY: Final = {
    "pre": 72.0,
    "post": 45.0,
    "3 months": 28.0,
    "6 months": 18.0,
    "12 months": 12,
}
_FIRST_OPERATION: Final = date(2019, 1, 7)


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """One visit as planned.

    Parameters
    ----------
    name : str
    day : date
    kyphosis_deg : float
        Wedge of the injured body.
    pain, disability : float
        Visual analogue scale 0 to 10, and a score of 0 to 100, worse being higher.
    position : str
        ``standing`` or ``recumbent``.
    seen : bool
        False for a visit that was missed: no film.
    """

    name: str
    day: date
    kyphosis_deg: float
    pain: float
    disability: float
    position: str
    seen: bool


@dataclass(frozen=True, slots=True)
class PlannedSubject:
    """One subject as planned; `cement` is ``acrylic`` or ``calcium_phosphate``, `technique`
    ``kyphoplasty`` or ``kyphoplasty_fixation``.
    """

    subject: str
    seed: int
    age: int
    sex: str
    level: str
    fracture_type: str
    technique: str
    cement: str
    leak: bool
    operation: date
    return_to_work: bool | None
    dropout: str
    visits: tuple[PlannedVisit, ...]


@dataclass(frozen=True, slots=True)
class CohortPlan:
    """Means of the plan, degrees.

    Parameters
    ----------
    before_deg, before_sd : float
        Kyphosis before the operation, within 5 to 23.
    corrected : float
        Share of it that the operation corrects.
    loss_deg : float
        Mean loss over 12 months with calcium phosphate by kyphoplasty alone.
    loss_elsewhere_deg : float
        Mean loss in all other groups.
    missed : float
        Share of late visits that are missed.
    leak : float
        Share of subjects whose cement leaked.
    """

    before_deg: float = 13.3
    before_sd: float = 4.5
    corrected: float = 0.5
    loss_deg: float = 4.0
    loss_elsewhere_deg: float = 0.3
    missed: float = 0.06
    leak: float = 0.22


def plan_cohort(
    count: int = 65, seed: int = 0, plan: CohortPlan | None = None
) -> tuple[PlannedSubject, ...]:
    """Plan a cohort, the same for the same numbers.

    Raises
    ------
    InputError
        If `count` is below one or `seed` below zero.
    """
    if count < 1 or seed < 0:
        raise InputError(f"cohort of {count} subjects, seed {seed}: expected 1 or more, 0 or more")
    chosen = plan or CohortPlan()
    rng = np.random.default_rng([seed, 65])
    return tuple(_subject(rng, i, seed, chosen) for i in range(count))


def _subject(rng: np.random.Generator, i: int, seed: int, plan: CohortPlan) -> PlannedSubject:
    age = int(np.clip(rng.normal(45.4, 14.0), 19, 72))
    level = str(rng.choice(list(_LEVELS), p=list(_LEVELS.values())))
    kind = str(rng.choice(list(_TYPES), p=list(_TYPES.values())))
    cement = (
        "acrylic" if rng.random() < 1 / (1 + np.exp(-(age - 43) / 4.0)) else "calcium_phosphate"
    )
    fixed = rng.random() < (0.65 if kind.startswith("A3") else 0.32)
    technique = "kyphoplasty_fixation" if fixed else "kyphoplasty"
    loses = cement == "calcium_phosphate" and not fixed
    before = _within(rng, plan.before_deg, plan.before_sd, 5.0, 23.0)
    correction = float(np.clip(rng.normal(plan.corrected * before, 1.4), 1.0, before - 0.5))
    loss = rng.normal(plan.loss_deg, 1.2) if loses else rng.normal(plan.loss_elsewhere_deg, 0.5)
    operation = _FIRST_OPERATION + timedelta(days=int(rng.integers(0, 900)))
    gone = int(rng.integers(3, 5)) if rng.random() < 0.05 else len(VISITS)
    comfort = rng.normal(0.0, 0.5)
    visits = []
    for k, (name, day, spread, share) in enumerate(VISITS):
        kyphosis = before if name == "pre" else before - correction + share * float(loss)
        late = k >= 2
        when = day + int(rng.integers(-spread, spread + 1))
        recumbent = name == "pre" and rng.random() < 0.3
        visits.append(
            PlannedVisit(
                name,
                operation + timedelta(days=min(when, -1) if name == "pre" else max(when, 1)),
                round(kyphosis, 3),
                round(float(np.clip(rng.normal(_PAIN[name] + comfort, 0.7), 0, 10)), 1),
                round(float(np.clip(rng.normal(_DISABILITY[name], 8.0), 0, 100))),
                "recumbent" if recumbent else "standing",
                k < gone and not (late and rng.random() < plan.missed),
            )
        )
    works = age < 62
    return PlannedSubject(
        subject=f"S{i + 1:03d}",
        seed=int(seed) * 100_003 + i,
        age=age,
        sex="M" if rng.random() < 0.58 else "F",
        level=level,
        fracture_type=kind,
        technique=technique,
        cement=cement,
        leak=bool(rng.random() < plan.leak),
        operation=operation,
        return_to_work=bool(rng.random() < 0.95) if works else None,
        dropout="moved away" if gone < len(VISITS) else "",
        visits=tuple(visits),
    )


def _within(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """A normal number cut at both ends, by drawing again."""
    while True:
        value = float(rng.normal(mean, sd))
        if low <= value <= high:
            return value
