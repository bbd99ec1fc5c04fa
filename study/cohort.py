"""A cohort as arrays: subjects by visits for every measure, with what is known of each subject."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.study.clinical import ClinicalRow
from endplate.study.followup import FollowUp

__all__ = [
    "LABELS",
    "RADIOLOGICAL",
    "Cohort",
    "FlowStep",
    "Summary",
    "build_cohort",
    "flow_of",
    "summarise",
]

#: Measures of a cohort and their names; positive is worse for all.
LABELS: Final = {
    "vertebral_kyphosis_deg": "Vertebral kyphosis (deg)",
    "regional_kyphosis_deg": "Regional kyphosis (deg)",
    "gardner_mono_above_deg": "Gardner angle (deg)",
    "ART_deg": "Traumatic regional angulation (deg)",
    "TVK_deg": "Traumatic vertebral kyphosis (deg)",
    "loss_ant_pct": "Anterior height loss (%)",
    "loss_mid_pct": "Middle height loss (%)",
    "loss_post_pct": "Posterior height loss (%)",
    "vas": "Pain (VAS)",
    "autonomy": "Autonomy score",
}
#: Those that are measured on films.
RADIOLOGICAL: Final = tuple(x for x in LABELS if x not in ("vas", "autonomy"))


@dataclass(frozen=True, eq=False)
class Cohort:
    """Values of a cohort.

    Parameters
    ----------
    subjects : tuple of n ClinicalRow
    visits : tuple of k str
        Time points, before the operation first.
    values, errors : mapping
        Measure -> (n, k) array and its standard errors; NaN: missing.
    followups : tuple of FollowUp
        Of the subjects that have films.
    """

    subjects: tuple[ClinicalRow, ...]
    visits: tuple[str, ...]
    values: Mapping[str, FloatArray]
    errors: Mapping[str, FloatArray]
    followups: tuple[FollowUp, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups in the order of their size, the largest first."""
        names = [s.group for s in self.subjects]
        return tuple(sorted(set(names), key=lambda g: (-names.count(g), g)))

    def members(self, group: str | None) -> np.ndarray:
        """(n,) mask of a group; None: everybody."""
        return np.array([group is None or s.group == group for s in self.subjects])

    def column(self, measure: str, visit: str) -> FloatArray:
        """(n,) values of a measure at a visit."""
        out: FloatArray = self.values[measure][:, self.visits.index(visit)]
        return out

    def change(self, measure: str, start: str, end: str) -> FloatArray:
        """(n,) value at `end` less that at `start`."""
        out: FloatArray = self.column(measure, end) - self.column(measure, start)
        return out


@dataclass(frozen=True, slots=True)
class Summary:
    """Description of a sample; NaN where it is too small."""

    n: int
    missing: int
    mean: float
    sd: float
    median: float
    q1: float
    q3: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FlowStep:
    """Subjects seen at a time point, and why the others were not."""

    visit: str
    seen: int
    missed: int
    dropped_out: int


def build_cohort(
    clinical: Sequence[ClinicalRow],
    followups: Sequence[FollowUp],
    visits: Sequence[str] | None = None,
) -> Cohort:
    """Join the clinical table and the follow-ups.

    Parameters
    ----------
    visits : sequence of str, optional
        Order of the time points; by default as they come in the follow-ups, by median day.

    Raises
    ------
    InputError
        If no subject of the table has films.
    """
    by_subject = {f.subject: f for f in followups}
    known = [by_subject[c.subject] for c in clinical if c.subject in by_subject]
    if not known:
        raise InputError(
            "no subject of the clinical table has films: the column 'subject' must name patients"
            " as the films do"
        )
    names = tuple(visits) if visits else _visits(known)
    shape = (len(clinical), len(names))
    values = {m: np.full(shape, np.nan) for m in LABELS}
    errors = {m: np.full(shape, np.nan) for m in LABELS}
    for i, row in enumerate(clinical):
        followup = by_subject.get(row.subject)
        for result in followup.visits if followup else ():
            if result.visit.name not in names:
                continue
            k = names.index(result.visit.name)
            for measurement in result.values:
                if measurement.name in values:
                    values[measurement.name][i, k] = measurement.value
                    errors[measurement.name][i, k] = measurement.se
        for score, points in row.scores.items():
            for visit, value in points.items():
                if visit in names:
                    values[score][i, names.index(visit)] = value
    kept = {m: x for m, x in values.items() if np.isfinite(x).any()}
    return Cohort(tuple(clinical), names, kept, {m: errors[m] for m in kept}, tuple(known))


def _visits(followups: Sequence[FollowUp]) -> tuple[str, ...]:
    days: dict[str, list[float]] = {}
    for followup in followups:
        for place, result in enumerate(followup.visits):
            day = result.visit.days
            days.setdefault(result.visit.name, []).append(place if day is None else day)
    return tuple(sorted(days, key=lambda v: float(np.median(days[v]))))


def summarise(values: FloatArray) -> Summary:
    """Mean, SD, median, quartiles and range of what is not missing."""
    known = values[np.isfinite(values)]
    n = len(known)
    if n == 0:
        return Summary(0, len(values), *(math.nan,) * 7)
    q1, median, q3 = np.quantile(known, (0.25, 0.5, 0.75))
    return Summary(
        n,
        len(values) - n,
        float(known.mean()),
        float(known.std(ddof=1)) if n > 1 else math.nan,
        float(median),
        float(q1),
        float(q3),
        float(known.min()),
        float(known.max()),
    )


def flow_of(cohort: Cohort, group: str | None = None) -> tuple[FlowStep, ...]:
    """Films by time point: a subject counts as dropped out from its first missing visit after
    which it was not seen again, if the table gives a reason.
    """
    members = np.flatnonzero(cohort.members(group))
    seen = np.zeros((len(cohort.subjects), len(cohort.visits)), bool)
    for measure in RADIOLOGICAL:
        if measure in cohort.values:
            seen |= np.isfinite(cohort.values[measure])
    out = []
    for k, visit in enumerate(cohort.visits):
        here = seen[members, k]
        gone = [
            bool(cohort.subjects[i].dropout) and not seen[i, k:].any() for i in members.tolist()
        ]
        out.append(FlowStep(visit, int(here.sum()), int((~here).sum()) - sum(gone), sum(gone)))
    return tuple(out)
