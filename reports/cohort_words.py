"""What a cohort's report says in sentences: findings, and a paragraph for the methods."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from endplate.study.cohort import LABELS, Cohort, flow_of, summarise
from endplate.study.cohort_tests import CohortTests, PairedTest
from endplate.study.joint_estimate import JointEstimateSettings

__all__ = ["findings", "methods_paragraph"]

_MAIN: Final = "vertebral_kyphosis_deg"
#: Standardised difference of age from which on groups are called unlike.
_IMBALANCE: Final = 0.1


def findings(cohort: Cohort, tests: CohortTests) -> tuple[str, ...]:
    """The main results, with their error."""
    out = []
    if _MAIN in cohort.values:
        parts = []
        for visit in cohort.visits:
            s = summarise(cohort.column(_MAIN, visit))
            if s.n:
                parts.append(f"{_one(s.mean)} ({_one(s.low)} to {_one(s.high)}) {_when(visit)}")
        out.append(f"Mean vertebral kyphosis in degrees (range): {', '.join(parts)}.")
        out += [_change(t) for t in tests.paired if t.measure == _MAIN and t.group == "all"]
        out += _groups(tests)
        out += [_individuals(cohort, tests), _sensitivity(tests)]
    out.append(_confounded(cohort))
    if "vas" in cohort.values:
        ends = [summarise(cohort.column("vas", v)) for v in (tests.before, tests.end)]
        if all(s.n for s in ends):
            out.append(f"Pain went from {ends[0].mean:.1f} to {ends[1].mean:.1f}.")
    return tuple(x for x in out if x)


def _change(test: PairedTest) -> str:
    low, high = test.interval
    verb = {"correction": "Mean correction", "loss": "Mean loss of correction"}[test.kind]
    between = f"95 % CI {_one(low)} to {_one(high)}, n = {test.n}"
    return f"{verb}: {_one(test.mean)} degrees ({between})."


def _when(visit: str) -> str:
    return {"pre": "before", "post": "just after"}.get(visit, f"at {visit}")


def _one(value: float) -> str:
    """One decimal, a real minus, and no minus before zero."""
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def _groups(tests: CohortTests) -> list[str]:
    """Loss by group, by the mixed model; groups whose loss stands after correction."""
    own = [c for c in tests.contrasts if c.measure == _MAIN and c.kind == "loss" and not c.adjusted]
    if len(own) < 2:
        return []
    losing = [c for c in own if c.p_holm < 0.05 and c.estimate > 0]
    listed = "; ".join(
        f"{c.group} {_one(c.estimate)} ({_one(c.interval[0])} to {_one(c.interval[1])})"
        for c in own
    )
    out = [f"Loss of correction by group, degrees (95 % CI): {listed}."]
    if losing:
        names = " and ".join(c.group for c in losing)
        out.append(
            f"After Holm's correction the loss differs from zero in {names}"
            + (" and in no other group." if len(losing) < len(own) else ", that is in all groups.")
        )
    else:
        out.append("After Holm's correction no group lost correction.")
    return out


def _individuals(cohort: Cohort, tests: CohortTests) -> str:
    """How many subjects lost more than error, and more than five degrees."""
    losses = [
        m
        for f in cohort.followups
        for v in f.visits
        if v.visit.name == tests.end
        and (m := v.change(f"loss_of_correction_{_MAIN}")) is not None
        and math.isfinite(m.value)
    ]
    if not losses:
        return ""
    over = sum(m.value > 5 for m in losses)
    text = f"More than 5 degrees were lost by {over} of {len(losses)} subjects"
    sure = [m for m in losses if math.isfinite(m.se)]
    if sure:
        beyond = sum(m.value > 0 and "over_mdc95" in m.flags for m in sure)
        text += f", more than the error of measurement by {beyond} of {len(sure)}"
    return text + "."


def _confounded(cohort: Cohort) -> str:
    """Whether age and cement go together."""
    ages = {
        cement: [s.age for s in cohort.subjects if s.cement == cement and math.isfinite(s.age)]
        for cement in sorted({s.cement for s in cohort.subjects} - {"", "none"})
    }
    known = {c: summarise(np.array(a)) for c, a in ages.items() if len(a) > 1}
    if len(known) < 2:
        return ""
    means = [s.mean for s in known.values()]
    spread = float(np.sqrt(np.mean([s.sd**2 for s in known.values()])))
    if spread == 0 or (max(means) - min(means)) / spread < _IMBALANCE:
        return ""
    said = ", ".join(f"{c.replace('_', ' ')} {s.mean:.0f} years" for c, s in known.items())
    return (
        f"Cement goes with age ({said}, a difference of {(max(means) - min(means)) / spread:.1f}"
        " standard deviations): a difference between cements may be one between ages, and no cause"
        " is claimed."
    )


def _sensitivity(tests: CohortTests) -> str:
    """The loss of everybody without films that do not compare."""
    alike = tests.sensitivity
    if alike is None or not alike.left_out:
        return ""
    pairs = [(t.kind, t) for t in alike.paired if t.measure == _MAIN and t.group == "all"]
    said = [
        f"{kind} {_one(t.mean)} (95 % CI {_one(t.interval[0])} to {_one(t.interval[1])}, n = {t.n})"
        for kind, t in pairs
    ]
    if not said:
        return ""
    return (
        f"Without the {alike.left_out} films in another position, or CT against film:"
        f" {'; '.join(said)}."
    )


def methods_paragraph(
    cohort: Cohort, tests: CohortTests | None, agreement: Mapping[str, Any] | None, version: str
) -> str:
    """A paragraph for the methods of a paper.

    Parameters
    ----------
    agreement : mapping, optional
        Parsed ``agreement.json`` of `endplate agree`: reliability is quoted from it.
    version : str
        Of endplate.
    """
    readers: Counter[str] = Counter()
    films = renamed = rejected = 0
    for followup in cohort.followups:
        for visit in followup.visits:
            reader = visit.visit.reading.reader
            readers[f"{reader.name} {reader.version}".strip()] += 1
            films += 1
            renamed += visit.shift != 0
        rejected += sum("rejected" in why for _, why in followup.left_out)
    names = ", ".join(f"{name} ({n} films)" for name, n in readers.most_common())
    parts = [
        f"Vertebral corners on {films} lateral films of {len(cohort.followups)} subjects were"
        f" placed by {names} and measured with endplate {version}; {rejected} films were rejected"
        " by its quality gate. Vertebral kyphosis is the angle of the endplates of the injured"
        " body, regional kyphosis that from the superior endplate of the level above to the"
        " inferior endplate of the level below, the Gardner angle that from the superior endplate"
        " of the level above to the inferior endplate of the injured body; kyphosis is positive."
        " Height loss is given in percent of the mean height of the neighbours on the same film,"
        " so films of different magnification compare. The films of a subject were named together;"
        f" {renamed} of them were renamed.",
        _estimate_sentence(cohort),
        _error_sentence(cohort, agreement),
    ]
    if tests is not None:
        parts.append(
            "Correction and loss were tested by paired t and signed-rank tests, and by linear mixed"
            " models with visit, group and their interaction and a random intercept for the"
            " subject (restricted maximum likelihood), unadjusted and adjusted for age with an"
            " effect on the course, sex and level; missing visits were left missing, which is valid"
            " if they are missing at random. In a sensitivity analysis, films that differ from the"
            " first after the operation in the patient's position, or CT against film, were left"
            " out. P values are corrected by Holm's method. Statistics"
            f" by statsmodels {tests.version}."
        )
    flow = flow_of(cohort)
    seen = ", ".join(f"{s.visit} {s.seen}" for s in flow)
    parts.append(f"Films were at hand of {len(cohort.subjects)} subjects at: {seen}.")
    return " ".join(p for p in parts if p)


def _estimate_sentence(cohort: Cohort) -> str:
    together = sum(f.estimate == "joint" for f in cohort.followups)
    if not together:
        return ""
    assumed = JointEstimateSettings()
    misread = sum("points_misread" in v.flags for f in cohort.followups for v in f.visits)
    return (
        f"The points of the films of a subject were estimated together ({together} subjects):"
        " intact bodies keep their shape from film to film, the wedge of the treated one changes"
        f" by a random walk of three steps of {assumed.wedge_sd_deg:g} degrees in the first year"
        f" ({assumed.operation:g} times one step across the operation), errors and steps have"
        f" Student's t distribution; on {misread} films the points of the treated body did not fit"
        " the subject's other films and had no weight."
    )


def _error_sentence(cohort: Cohort, agreement: Mapping[str, Any] | None) -> str:
    for measure in (agreement or {}).get("measures", ()):
        r = measure.get("reliability")
        if measure.get("name") == _MAIN and r:
            icc = r["icc_a1"]
            low, high = icc["interval"]
            between = f" (95 % CI {low:.2f} to {high:.2f})" if low is not None else ""
            return (
                f"The agreement of {' and '.join(measure['readers'])} on {r['n']} vertebrae was"
                f" ICC(A,1) {icc['value']:.2f}{between} for vertebral kyphosis, with a standard"
                f" error of measurement of {r['sem_agreement']:.1f} degrees and a smallest"
                f" detectable change of {r['mdc95_agreement']:.1f} degrees."
            )
    errors = cohort.errors.get(_MAIN)
    if errors is None or not np.isfinite(errors).any():
        return "The error of the single reading was not estimated."
    se = float(np.nanmedian(errors))
    bounds = [
        m.value
        for f in cohort.followups
        for v in f.visits
        if (m := v.change("mdc95_" + _MAIN)) is not None and math.isfinite(m.value)
    ]
    least = float(np.median(bounds)) if bounds else 1.96 * math.sqrt(2) * se
    return (
        f"The median standard error of {LABELS[_MAIN].split(' (')[0].lower()} was {se:.1f} degrees,"
        f" and the median smallest detectable change of one subject {least:.1f} degrees."
    )
