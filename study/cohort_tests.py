"""Tests and mixed models of a cohort (extra ``stats``: statsmodels, with SciPy).

Linear mixed model of each measure: visit x group with a random intercept for the subject, by
restricted maximum likelihood; missing visits are left missing, which is valid if they are missing
at random. The adjusted model adds age x visit, sex and level: age decides the cement, and may act
on the course. Loss of correction is the contrast of the last visit against the first after the
operation within a group; contrasts between groups are differences of losses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from endplate.study.cohort import Cohort
from endplate.study.cohort_model import Contrast, fit_contrasts
from endplate.study.distributions import t_quantile, t_two_sided
from endplate.study.optional import optional
from endplate.study.sensitivity import films_alike

__all__ = ["CohortTests", "Contrast", "PairedTest", "Sensitivity", "holm", "run_tests"]

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
            found, note = fit_contrasts(cohort, models, measure, start, end, adjusted)
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
