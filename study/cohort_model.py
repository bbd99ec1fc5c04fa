"""The linear mixed model of one measure in a cohort: losses by group, and their differences."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.study.cohort import LABELS, Cohort

__all__ = ["Contrast", "fit_contrasts"]

_Z95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Contrast:
    """A contrast of the mixed model of one measure.

    Parameters
    ----------
    kind : str
        ``loss`` in a group, or ``difference`` of the losses of a group and the reference group.
    group, reference : str
        `reference` is empty for a loss.
    adjusted : bool
    estimate, se, interval, p : float, float, (low, high), float
        95 %; p by the normal distribution.
    p_holm : float
        Corrected for all contrasts of this kind and adjustment.
    """

    measure: str
    kind: str
    group: str
    reference: str
    adjusted: bool
    estimate: float
    se: float
    interval: tuple[float, float]
    p: float
    p_holm: float = math.nan


@dataclass(frozen=True, eq=False)
class _Long:
    """Visits after the operation, a row each: value, subject, visit, group and covariates."""

    y: FloatArray
    person: np.ndarray
    visit: np.ndarray
    group: np.ndarray
    visits: tuple[str, ...]
    groups: tuple[str, ...]
    covariates: FloatArray

    @classmethod
    def of(cls, cohort: Cohort, measure: str, start: str, adjusted: bool) -> "_Long":
        first = cohort.visits.index(start)
        values = cohort.values[measure][:, first:]
        ages = np.array([s.age for s in cohort.subjects], dtype=float)
        known = np.isfinite(values)
        if adjusted:
            known = known & np.isfinite(ages)[:, None]
        person, visit = np.nonzero(known)
        groups = tuple(
            g for g in cohort.groups if any(cohort.subjects[i].group == g for i in person)
        )
        group = np.array([groups.index(cohort.subjects[i].group) for i in person], dtype=int)
        covariates = np.zeros((len(person), 0))
        if adjusted and len(person):
            covariates = _covariates(cohort, ages)[person]
        return cls(
            values[person, visit], person, visit, group, cohort.visits[first:], groups, covariates
        )

    def design(self, visit: np.ndarray, group: np.ndarray) -> FloatArray:
        """Design matrix of these rows, were they of other visits and groups."""
        cells = np.zeros((len(visit), len(self.visits) * len(self.groups)))
        cells[np.arange(len(visit)), visit * len(self.groups) + group] = 1.0
        if not self.covariates.shape[1]:
            return cells
        by_visit = self.covariates[:, :1] * (visit[:, None] == np.arange(1, len(self.visits)))
        return np.hstack([cells, self.covariates, by_visit])


def _covariates(cohort: Cohort, ages: FloatArray) -> FloatArray:
    """(n, c) age in decades about its mean, sex, level, each about its mean."""
    columns = [(ages - np.nanmean(ages)) / 10.0]
    for texts in ([s.sex for s in cohort.subjects], [s.index_level for s in cohort.subjects]):
        for value in sorted(set(texts))[1:]:
            column = np.array([t == value for t in texts], dtype=float)
            columns.append(column - column.mean())
    out: FloatArray = np.column_stack(columns)
    return out


def fit_contrasts(
    cohort: Cohort, models: Any, measure: str, start: str, end: str, adjusted: bool
) -> tuple[list[Contrast], str]:
    """Losses by group and their differences, with a note where there are none.

    The loss of a group is not estimable if nobody of it was seen at one of its two visits: the
    value at the other one is no loss.
    """
    label = f"{LABELS[measure]}, {'adjusted' if adjusted else 'unadjusted'} model"
    if start == end:
        return [], f"{label}: one visit after the operation, no loss"
    long = _Long.of(cohort, measure, start, adjusted)
    if len(set(long.person.tolist())) < 8:
        return [], f"{label}: too few subjects"
    design = long.design(long.visit, long.group)
    # A group that nobody of was seen in at a visit, or a covariate that is another's copy.
    seen = design.any(axis=0)
    kept = np.flatnonzero(seen)
    if np.linalg.matrix_rank(design[:, kept]) < len(kept):
        return [], f"{label}: not estimable, groups and covariates cannot be told apart"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = models.MixedLM(long.y, design[:, kept], groups=long.person).fit(reml=True)
    except (np.linalg.LinAlgError, ValueError) as error:
        return [], f"{label}: not estimable ({error})"
    rows: dict[str, FloatArray] = {}
    last = len(long.visits) - 1
    for k, group in enumerate(long.groups):
        team = np.full(len(long.y), k)
        row = long.design(np.full(len(long.y), last), team) - long.design(
            np.zeros(len(long.y), int), team
        )
        # Age is about its mean over subjects, so its part in the course is that at the mean age.
        row = row.mean(axis=0)
        row[len(long.visits) * len(long.groups) :] = 0.0
        if not row[~seen].any():
            rows[group] = row[kept]
    if not rows:
        return [], f"{label}: no group was seen both at {start} and at {end}"
    effects = np.asarray(fit.fe_params)
    covariance = np.asarray(fit.cov_params())[: len(effects), : len(effects)]
    out = [
        _contrast(measure, "loss", g, "", adjusted, row, effects, covariance)
        for g, row in rows.items()
    ]
    reference = next(iter(rows))
    out += [
        _contrast(
            measure,
            "difference",
            g,
            reference,
            adjusted,
            row - rows[reference],
            effects,
            covariance,
        )
        for g, row in rows.items()
        if g != reference
    ]
    lacking = [g for g in long.groups if g not in rows]
    if lacking:
        names = ", ".join(lacking)
        return out, f"{label}: no loss of {names}: nobody of it was seen at {start} or at {end}"
    return out, "" if fit.converged else f"{label}: the fit did not converge"


def _contrast(
    measure: str,
    kind: str,
    group: str,
    reference: str,
    adjusted: bool,
    row: FloatArray,
    effects: FloatArray,
    covariance: FloatArray,
) -> Contrast:
    estimate = float(row @ effects)
    se = math.sqrt(max(float(row @ covariance @ row), 0.0))
    p = math.erfc(abs(estimate) / se / math.sqrt(2.0)) if se > 0 else math.nan
    interval = (estimate - _Z95 * se, estimate + _Z95 * se)
    return Contrast(measure, kind, group, reference, adjusted, estimate, se, interval, p)
