"""Tests and mixed models of a cohort (extra ``stats``: statsmodels, with SciPy).

Linear mixed model of each measure: visit x group with a random intercept for the subject, by
restricted maximum likelihood; missing visits are left missing, which is valid if they are missing
at random. The adjusted model adds age x visit, sex and level: age decides the cement, and may act
on the course. Loss of correction is the contrast of the last visit against the first after the
operation within a group; contrasts between groups are differences of losses.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.study.cohort import LABELS, Cohort
from endplate.study.distributions import t_quantile, t_two_sided
from endplate.study.optional import optional
from endplate.study.sensitivity import films_alike

__all__ = ["CohortTests", "Contrast", "PairedTest", "Sensitivity", "holm", "run_tests"]

_Z95: Final = 1.959963984540054
_ALL: Final = "all"
#: Height losses and angles that are tested; others follow from them but for a constant.
TESTED: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "gardner_mono_above_deg",
    "loss_ant_pct",
    "loss_mid_pct",
)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Change of one measure between two visits in one group (``all``: everybody).

    Parameters
    ----------
    kind : str
        ``correction`` (before less after) or ``loss`` (last less after).
    n : int
        Subjects with both visits.
    mean, sd, interval : float, float, (low, high)
        Of the change, 95 %.
    p_t, p_wilcoxon, p_holm : float
        Paired t test, signed-rank test, and the first corrected for all tests of the same kind.
    """

    measure: str
    kind: str
    group: str
    n: int
    mean: float
    sd: float
    interval: tuple[float, float]
    p_t: float
    p_wilcoxon: float
    p_holm: float = math.nan


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


@dataclass(frozen=True, slots=True)
class CohortTests:
    """All tests, and what did not work.

    `start` and `end` are the visits that a loss lies between; `sensitivity` leaves out films that
    do not compare.
    """

    before: str
    start: str
    end: str
    paired: tuple[PairedTest, ...]
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...]
    version: str
    sensitivity: "Sensitivity | None" = None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The same tests without films unlike the first after the operation (`films_alike`).

    Parameters
    ----------
    left_out, unknown : int
        Visits whose film was left out; visits whose film states no position, which stay.
    paired, contrasts
        As in `CohortTests`; empty if nothing was left out.
    """

    left_out: int
    unknown: int
    paired: tuple[PairedTest, ...] = ()
    contrasts: tuple[Contrast, ...] = ()


def run_tests(cohort: Cohort, measures: Sequence[str] = TESTED) -> CohortTests:
    """Test a cohort.

    Raises
    ------
    MissingDependency
        Without statsmodels.
    """
    models = optional(
        "statsmodels.regression.mixed_linear_model", "stats", "the statistics of a cohort"
    )
    version = str(optional("statsmodels", "stats", "the statistics of a cohort").__version__)
    before, start, end = _visits(cohort)
    paired, contrasts, notes = _all_tests(cohort, models, measures, (before, start, end))
    alike = films_alike(cohort)
    sensitivity = Sensitivity(alike.left_out, alike.unknown)
    if alike.left_out:
        again, others, more = _all_tests(alike.cohort, models, measures, (before, start, end))
        notes += tuple(f"Without films that do not compare: {n}" for n in more if n not in notes)
        sensitivity = replace(sensitivity, paired=again, contrasts=others)
    return CohortTests(before, start, end, paired, contrasts, notes, version, sensitivity)


def _all_tests(
    cohort: Cohort, models: Any, measures: Sequence[str], visits: tuple[str, str, str]
) -> tuple[tuple[PairedTest, ...], tuple[Contrast, ...], tuple[str, ...]]:
    """Paired tests and contrasts, corrected for their number, and what did not work."""
    before, start, end = visits
    chosen = [m for m in measures if m in cohort.values]
    paired = [
        test
        for measure in chosen
        for kind, a, b in (("correction", start, before), ("loss", start, end))
        for group in (None, *(cohort.groups if len(cohort.groups) > 1 else ()))
        if (test := _paired(cohort, measure, kind, group, a, b)) is not None
    ]
    contrasts: list[Contrast] = []
    notes: list[str] = []
    for measure in chosen:
        for adjusted in (False, True):
            found, note = _contrasts(cohort, models, measure, start, end, adjusted)
            contrasts += found
            notes += [note] if note else []
    return (
        tuple(_holm_paired(paired)),
        tuple(_holm_contrasts(contrasts)),
        tuple(dict.fromkeys(notes)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction; NaN stays NaN and does not count."""
    order = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__
    )
    out = [math.nan] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[i]))
        out[i] = highest
    return out


def _visits(cohort: Cohort) -> tuple[str, str, str]:
    """Before, just after, and the last time point."""
    before = "pre" if "pre" in cohort.visits else cohort.visits[0]
    later = [v for v in cohort.visits if v != before]
    return before, later[0] if later else before, later[-1] if later else before


def _paired(
    cohort: Cohort, measure: str, kind: str, group: str | None, start: str, end: str
) -> PairedTest | None:
    change = cohort.change(measure, start, end)[cohort.members(group)]
    change = change[np.isfinite(change)]
    n = len(change)
    if n < 3 or start == end:
        return None
    stats = optional("scipy.stats", "stats", "the statistics of a cohort")
    mean, sd = float(change.mean()), float(change.std(ddof=1))
    se = sd / math.sqrt(n)
    half = t_quantile(0.975, n - 1.0) * se
    p_t = t_two_sided(mean / se, n - 1.0) if se > 0 else math.nan
    p_wilcoxon = float(stats.wilcoxon(change).pvalue) if np.any(change != 0) else 1.0
    return PairedTest(
        measure, kind, group or _ALL, n, mean, sd, (mean - half, mean + half), p_t, p_wilcoxon
    )


def _holm_paired(tests: list[PairedTest]) -> list[PairedTest]:
    out = list(tests)
    for kind in ("correction", "loss"):
        # The whole cohort is no group beside its groups.
        rows = [i for i, t in enumerate(tests) if t.kind == kind and t.group != _ALL]
        rows = rows or [i for i, t in enumerate(tests) if t.kind == kind]
        for i, p in zip(rows, holm([tests[i].p_t for i in rows]), strict=True):
            out[i] = replace(tests[i], p_holm=p)
    return out


def _holm_contrasts(contrasts: list[Contrast]) -> list[Contrast]:
    out = list(contrasts)
    for kind in ("loss", "difference"):
        for adjusted in (False, True):
            rows = [i for i, c in enumerate(contrasts) if c.kind == kind and c.adjusted == adjusted]
            for i, p in zip(rows, holm([contrasts[i].p for i in rows]), strict=True):
                out[i] = replace(contrasts[i], p_holm=p)
    return out


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


def _contrasts(
    cohort: Cohort, models: Any, measure: str, start: str, end: str, adjusted: bool
) -> tuple[list[Contrast], str]:
    """Losses by group and their differences, with a note if the model failed."""
    label = f"{LABELS[measure]}, {'adjusted' if adjusted else 'unadjusted'} model"
    if start == end:
        return [], f"{label}: one visit after the operation, no loss"
    long = _Long.of(cohort, measure, start, adjusted)
    if len(set(long.person.tolist())) < 8:
        return [], f"{label}: too few subjects"
    design = long.design(long.visit, long.group)
    # A group that nobody of was seen in at a visit, or a covariate that is another's copy.
    kept = np.flatnonzero(design.any(axis=0))
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
        if not ((long.group == k) & (long.visit == last)).any():
            continue
        team = np.full(len(long.y), k)
        row = long.design(np.full(len(long.y), last), team) - long.design(
            np.zeros(len(long.y), int), team
        )
        # Age is about its mean over subjects, so its part in the course is that at the mean age.
        row = row.mean(axis=0)
        row[len(long.visits) * len(long.groups) :] = 0.0
        rows[group] = row[kept]
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
