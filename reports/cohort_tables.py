"""The tables of a cohort as plain texts."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.study.cohort import LABELS, Cohort, flow_of, summarise
from endplate.study.cohort_tests import CohortTests, Sensitivity

__all__ = ["CohortTable", "cohort_tables"]

_UNKNOWN: Final = "–"


@dataclass(frozen=True, slots=True)
class CohortTable:
    """A table: short name for files, caption, head, rows, number of columns that hold words."""

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    note: str = ""


def cohort_tables(cohort: Cohort, tests: CohortTests | None) -> tuple[CohortTable, ...]:
    """Baseline, flow, values by visit and group, tests, contrasts, sensitivity, confounding."""
    tables = [_baseline(cohort), _flow(cohort), _values(cohort)]
    if tests is not None:
        tables += [_changes(tests), _contrasts(tests)]
        if tests.sensitivity is not None:
            tables.append(_sensitivity(tests, tests.sensitivity))
    confounding = _confounding(cohort)
    if confounding is not None:
        tables.append(confounding)
    return tuple(tables)


def _columns(cohort: Cohort) -> list[str | None]:
    """Everybody, then the groups."""
    groups: list[str | None] = [None]
    return groups + (list(cohort.groups) if len(cohort.groups) > 1 else [])


def _heads(cohort: Cohort) -> list[str]:
    return [f"{g or 'All'} (n = {int(cohort.members(g).sum())})" for g in _columns(cohort)]


def _baseline(cohort: Cohort) -> CohortTable:
    rows: list[tuple[str, ...]] = []
    chosen = [np.flatnonzero(cohort.members(g)).tolist() for g in _columns(cohort)]
    people = [[cohort.subjects[i] for i in rows_] for rows_ in chosen]
    rows.append(("Age, years", *(_mean_range([p.age for p in own]) for own in people)))
    rows.append(("Men", *(_share([p.sex == "M" for p in own if p.sex]) for own in people)))
    for level, _ in Counter(s.index_level for s in cohort.subjects if s.index_level).most_common():
        rows.append((level, *(_share([p.index_level == level for p in own]) for own in people)))
    types = Counter(s.fracture_type for s in cohort.subjects if s.fracture_type)
    for kind, _ in types.most_common():
        rows.append(
            (f"Type {kind}", *(_share([p.fracture_type == kind for p in own]) for own in people))
        )
    leaks = [[p.leak for p in own if p.leak is not None] for own in people]
    if any(leaks):
        rows.append(("Cement leak", *(_share(own) for own in leaks)))
    work = [[p.return_to_work for p in own if p.return_to_work is not None] for own in people]
    if any(work):
        rows.append(("Back to work, of those who worked", *(_share(own) for own in work)))
    return CohortTable(
        "baseline",
        "Subjects",
        ("", *_heads(cohort)),
        tuple(rows),
        note="Mean (SD; range), or n (%).",
    )


def _flow(cohort: Cohort) -> CohortTable:
    rows = []
    for group in _columns(cohort):
        for step in flow_of(cohort, group):
            rows.append(
                (
                    group or "All",
                    step.visit,
                    str(step.seen),
                    str(step.missed),
                    str(step.dropped_out),
                )
            )
    head = ("Group", "Visit", "Films", "No film", "Dropped out")
    return CohortTable("flow", "Subjects with a film at each visit", head, tuple(rows), 2)


def _values(cohort: Cohort) -> CohortTable:
    rows = []
    for measure in cohort.values:
        for group in _columns(cohort):
            members = cohort.members(group)
            for visit in cohort.visits:
                s = summarise(cohort.column(measure, visit)[members])
                if s.n == 0:
                    continue
                rows.append(
                    (
                        LABELS[measure],
                        group or "All",
                        visit,
                        f"{s.n} ({s.missing})",
                        f"{s.mean:.1f} ({s.sd:.1f})",
                        f"{s.median:.1f} ({s.q1:.1f} to {s.q3:.1f})",
                        f"{s.low:.1f} to {s.high:.1f}",
                    )
                )
    head = ("Measure", "Group", "Visit", "n (missing)", "Mean (SD)", "Median (IQR)", "Range")
    return CohortTable("values", "Values at each visit", head, tuple(rows), 3)


def _changes(tests: CohortTests) -> CohortTable:
    words = {
        "correction": f"Correction ({tests.before} to {tests.start})",
        "loss": f"Loss ({tests.start} to {tests.end})",
    }
    rows = tuple(
        (
            LABELS[t.measure],
            words[t.kind],
            "All" if t.group == "all" else t.group,
            str(t.n),
            _estimate(t.mean, t.interval),
            f"{t.sd:.2f}",
            _p(t.p_t),
            _p(t.p_wilcoxon),
            _p(t.p_holm),
        )
        for t in tests.paired
    )
    head = (
        "Measure",
        "Change",
        "Group",
        "n",
        "Mean (95 % CI)",
        "SD",
        "p t",
        "p Wilcoxon",
        "p Holm",
    )
    note = (
        "Paired t and signed-rank tests of the subjects with both visits; Holm: p of the t test"
        " corrected for all groups and measures of the same change."
    )
    return CohortTable("changes", "Correction and loss of correction", head, rows, 3, note)


def _contrasts(tests: CohortTests) -> CohortTable:
    rows = tuple(
        (
            LABELS[c.measure],
            "adjusted" if c.adjusted else "unadjusted",
            f"loss, {c.group}" if c.kind == "loss" else f"{c.group} against {c.reference}",
            _estimate(c.estimate, c.interval),
            _p(c.p),
            _p(c.p_holm),
        )
        for c in tests.contrasts
    )
    head = ("Measure", "Model", "Contrast", "Estimate (95 % CI)", "p", "p Holm")
    note = (
        f"Mixed models with a random intercept; loss from {tests.start} to {tests.end}. Adjusted:"
        " age with an effect on level and course, sex, level of the fracture."
    )
    return CohortTable("contrasts", "Mixed models", head, rows, 3, note)


def _sensitivity(tests: CohortTests, alike: Sensitivity) -> CohortTable:
    """Changes with all films, and without those that do not compare."""
    rows: list[tuple[str, ...]] = []
    paired = {(t.measure, t.kind, t.group): t for t in alike.paired}
    for t in tests.paired:
        other = paired.get((t.measure, t.kind, t.group))
        if alike.left_out:
            what = f"{t.kind}, {'all' if t.group == 'all' else t.group}"
            rows.append(
                (
                    *(LABELS[t.measure], "paired", what, str(t.n), _estimate(t.mean, t.interval)),
                    *(
                        (_UNKNOWN,) * 3
                        if other is None
                        else (str(other.n), _estimate(other.mean, other.interval), _p(other.p_t))
                    ),
                )
            )
    models = {(c.measure, c.kind, c.group, c.reference, c.adjusted): c for c in alike.contrasts}
    for c in tests.contrasts:
        found = models.get((c.measure, c.kind, c.group, c.reference, c.adjusted))
        if alike.left_out and found is not None:
            what = f"loss, {c.group}" if c.kind == "loss" else f"{c.group} against {c.reference}"
            model = "model, adjusted" if c.adjusted else "model"
            again = (_estimate(found.estimate, found.interval), _p(found.p))
            first = _estimate(c.estimate, c.interval)
            rows.append((LABELS[c.measure], model, what, "", first, "", *again))
    note = (
        f"{alike.left_out} films were left out that differ from the first after the operation of"
        " their subject in the patient's position, or are CT against film; p is that without them,"
        f" not corrected. {alike.unknown} films state no position and were kept."
    )
    if not alike.left_out:
        note = (
            "No film differs in position or kind from the first after the operation of its subject:"
            f" nothing to leave out. {alike.unknown} films state no position."
        )
    head = (
        *("Measure", "Analysis", "Change", "n, all films", "All films (95 % CI)", "n, alike"),
        *("Films alike (95 % CI)", "p"),
    )
    return CohortTable(
        "sensitivity", "Without films that do not compare", head, tuple(rows), 3, note
    )


def _estimate(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _confounding(cohort: Cohort) -> CohortTable | None:
    """Age by cement: who got which cement was decided by age."""
    ages = {
        cement: np.array([s.age for s in cohort.subjects if s.cement == cement], dtype=float)
        for cement in dict.fromkeys(s.cement for s in cohort.subjects if s.cement)
    }
    ages = {c: a[np.isfinite(a)] for c, a in ages.items()}
    ages = {c: a for c, a in ages.items() if len(a) > 1}
    if len(ages) < 2:
        return None
    rows = []
    first = next(iter(ages.values()))
    for cement, own in ages.items():
        pooled = math.sqrt((first.var(ddof=1) + own.var(ddof=1)) / 2)
        apart = (own.mean() - first.mean()) / pooled if pooled > 0 else math.nan
        rows.append(
            (
                cement.replace("_", " "),
                str(len(own)),
                _mean_range(own.tolist()),
                _UNKNOWN if own is first else f"{apart:.2f}",
            )
        )
    note = (
        "A standardised difference beyond 0.1 is an imbalance. Cement was chosen by age, not at"
        " random: differences between cements are differences between ages too, and no cause is"
        " claimed."
    )
    return CohortTable(
        "confounding",
        "Age by cement",
        ("Cement", "n", "Age, years", "Standardised difference"),
        tuple(rows),
        1,
        note,
    )


def _mean_range(values: Sequence[float]) -> str:
    s = summarise(np.array(values, dtype=float))
    if s.n == 0:
        return _UNKNOWN
    return f"{s.mean:.1f} ({s.sd:.1f}; {s.low:.0f} to {s.high:.0f})"


def _share(values: Sequence[bool | None]) -> str:
    count = sum(bool(v) for v in values)
    return f"{count} ({100 * count / len(values):.0f} %)" if values else _UNKNOWN


def _p(p: float) -> str:
    if math.isnan(p):
        return _UNKNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
