"""A cohort from its clinical table and readings to its tests."""

import math
from dataclasses import replace

import numpy as np
import pytest

from endplate.datasets.simulator.cohort import write_clinical
from endplate.datasets.simulator.cohort_plan import VISITS, plan_cohort
from endplate.errors import InputError, UnknownName
from endplate.infer.commands.follow_request import FollowUpRequest, follow_up
from endplate.reports.cohort_tables import cohort_tables
from endplate.reports.cohort_words import findings, methods_paragraph
from endplate.study.clinical import ClinicalRow, read_clinical
from endplate.study.cohort import Cohort, build_cohort, flow_of, summarise

pytest.importorskip("statsmodels")

from endplate.study.cohort_tests import holm, run_tests
from endplate.study.sensitivity import films_alike

NAMES = tuple(v[0] for v in VISITS)


@pytest.fixture(scope="module")
def plan():
    return plan_cohort(65, 1)


@pytest.fixture(scope="module")
def cohort(plan, tmp_path_factory):
    """The cohort as planned, measured with an error of one degree."""
    path = tmp_path_factory.mktemp("cohort") / "clinical.csv"
    write_clinical(path, plan)
    rng = np.random.default_rng(3)
    values = np.array([[v.kyphosis_deg if v.seen else math.nan for v in s.visits] for s in plan])
    values += rng.normal(0, 1.0, values.shape)
    pain = np.array([[v.pain if v.seen else math.nan for v in s.visits] for s in plan])
    measures = {"vertebral_kyphosis_deg": values, "vas": pain}
    errors = {m: np.ones_like(values) for m in measures}
    return Cohort(read_clinical(path), NAMES, measures, errors, ())


def test_the_plan_is_that_of_the_series(plan):
    mean = {n: np.mean([s.visits[k].kyphosis_deg for s in plan]) for k, n in enumerate(NAMES)}
    assert mean["pre"] == pytest.approx(13.3, abs=1.0)
    assert mean["12 months"] == pytest.approx(8.3, abs=1.0)
    before = [s.visits[0].kyphosis_deg for s in plan]
    assert min(before) >= 5
    assert max(before) <= 23
    assert plan == plan_cohort(65, 1)
    old = [s.age for s in plan if s.cement == "acrylic"]
    young = [s.age for s in plan if s.cement == "calcium_phosphate"]
    assert np.mean(old) > np.mean(young) + 10
    with pytest.raises(InputError, match="expected 1 or more"):
        plan_cohort(0)


def test_what_was_planted_is_found(cohort):
    tests = run_tests(cohort)
    assert (tests.before, tests.start, tests.end) == ("pre", "post", "12 months")
    loser = "kyphoplasty, calcium phosphate"
    for adjusted in (False, True):
        losses = {
            c.group: c for c in tests.contrasts if c.kind == "loss" and c.adjusted == adjusted
        }
        assert losses[loser].interval[0] < 4.0 < losses[loser].interval[1]
        assert {g for g, c in losses.items() if c.p_holm < 0.05} == {loser}
    paired = {(t.kind, t.group): t for t in tests.paired}
    assert paired["loss", loser].p_holm < 0.001
    assert paired["correction", "all"].mean == pytest.approx(6.6, abs=1.0)
    assert math.isnan(paired["correction", "all"].p_holm)
    assert tests.notes == ()


def test_paired_tests_and_models_are_those_of_the_references(cohort):
    stats = pytest.importorskip("scipy.stats")
    tests = run_tests(cohort)
    (whole,) = [t for t in tests.paired if t.group == "all" and t.kind == "loss"]
    a, b = (cohort.column("vertebral_kyphosis_deg", v) for v in ("post", "12 months"))
    known = np.isfinite(a) & np.isfinite(b)
    theirs = stats.ttest_rel(b[known], a[known])
    assert whole.p_t == pytest.approx(theirs.pvalue, rel=1e-6)
    assert whole.interval == pytest.approx(tuple(theirs.confidence_interval()), abs=1e-6)
    # With complete data the model's loss is the mean of the differences.
    complete = np.isfinite(cohort.values["vertebral_kyphosis_deg"]).all(axis=1)
    part = Cohort(
        tuple(s for s, c in zip(cohort.subjects, complete, strict=True) if c),
        cohort.visits,
        {"vertebral_kyphosis_deg": cohort.values["vertebral_kyphosis_deg"][complete]},
        {"vertebral_kyphosis_deg": cohort.errors["vertebral_kyphosis_deg"][complete]},
        (),
    )
    for c in run_tests(part).contrasts:
        if c.kind == "loss" and not c.adjusted:
            members = part.members(c.group)
            mean = part.change("vertebral_kyphosis_deg", "post", "12 months")[members].mean()
            assert c.estimate == pytest.approx(mean, abs=1e-6)


def without(cohort, group, *visits):
    """The cohort, nobody of a group (or nobody at all) having been seen at some visits."""
    gone = cohort.members(group)[:, None] & np.isin(cohort.visits, visits)[None, :]
    values = {m: np.where(gone, np.nan, v) for m, v in cohort.values.items()}
    return Cohort(cohort.subjects, cohort.visits, values, cohort.errors, ())


@pytest.mark.parametrize("visit", ["post", "12 months"])
def test_a_group_that_was_not_seen_at_one_end_has_no_loss(cohort, visit):
    group = cohort.groups[-1]
    tests = run_tests(without(cohort, group, visit), ["vertebral_kyphosis_deg"])
    whole = run_tests(cohort, ["vertebral_kyphosis_deg"])
    losses = [c for c in tests.contrasts if c.kind == "loss"]
    assert {c.group for c in losses} == set(cohort.groups) - {group}
    # the others lose what they lost, and nothing is compared with a kyphosis at one visit
    before = {(c.group, c.adjusted): c.estimate for c in whole.contrasts if c.kind == "loss"}
    assert all(abs(c.estimate - before[c.group, c.adjusted]) < 0.5 for c in losses)
    assert all(group not in (c.group, c.reference) for c in tests.contrasts)
    assert any(c.group == group for c in whole.contrasts)
    assert any(f"no loss of {group}" in n for n in tests.notes)


@pytest.mark.parametrize("visit", ["post", "12 months"])
def test_a_visit_that_nobody_came_to_is_a_note(cohort, visit):
    tests = run_tests(without(cohort, None, visit), ["vertebral_kyphosis_deg"])
    assert tests.contrasts == ()
    assert any("no group was seen both at post and at 12 months" in n for n in tests.notes)


def test_values_are_a_table_that_no_spreadsheet_runs(cohort):
    import csv
    import io

    from endplate.infer.commands.cohort import _values

    odd = replace(cohort.subjects[0], subject="Doe, John", given_group="=HYPERLINK(1)")
    text = _values(replace(cohort, subjects=(odd, *cohort.subjects[1:])))
    rows = list(csv.reader(io.StringIO(text)))
    assert {len(row) for row in rows} == {6}
    assert rows[1][:2] == ["Doe, John", "'=HYPERLINK(1)"]


def test_holm():
    # Worked by hand: 3 x 0.01, 2 x 0.02, then not below the one before.
    assert holm([0.02, math.nan, 0.01, 0.03]) == pytest.approx(
        [0.04, math.nan, 0.03, 0.04], nan_ok=True
    )
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_summary_and_flow(cohort):
    found = summarise(np.array([1.0, 2.0, 3.0, 4.0, math.nan]))
    assert (found.n, found.missing, found.mean, found.median) == (4, 1, 2.5, 2.5)
    assert (found.q1, found.q3, found.low, found.high) == (1.75, 3.25, 1.0, 4.0)
    assert summarise(np.array([math.nan])).n == 0
    for step in flow_of(cohort):
        assert step.seen + step.missed + step.dropped_out == 65
    assert flow_of(cohort)[0].seen == 65
    assert flow_of(cohort)[-1].dropped_out == sum(bool(s.dropout) for s in cohort.subjects)
    with pytest.raises(InputError, match="no subject"):
        build_cohort([ClinicalRow("a")], [])


def test_clinical_table(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text(
        "subject;operation_date;age;sex;index_level;cement;leak;vas_pre;vas_3_months;group\n"
        "A;2020-02-03;45,5;f;l1;Calcium phosphate;oui;5;1,5;\n"
        "B;;;;;;;;;control\n",
        encoding="utf-8",
    )
    first, second = read_clinical(path)
    assert (first.age, first.sex, first.index_level, first.leak) == (45.5, "F", "L1", True)
    assert first.scores["vas"] == {"pre": 5.0, "3 months": 1.5}
    assert first.group == "calcium phosphate"
    assert second.operation is None
    assert second.group == "control"
    for line, message in (
        ("A,2020-13-01,", "line 2: operation_date: date '2020-13-01'"),
        ("A,,old", "line 2: age is 'old'"),
        ("A,,\nA,,", "comes a second time"),
    ):
        path.write_text(f"subject,operation_date,age\n{line}\n", encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_clinical(path)
    path.write_text("name\nA\n", encoding="utf-8")
    with pytest.raises(InputError, match="'subject' is missing"):
        read_clinical(path)
    path.write_text("subject,index_level\nA,L9\n", encoding="utf-8")
    with pytest.raises(UnknownName, match="L9"):
        read_clinical(path)


def test_films_that_do_not_compare_are_left_out(visits, tmp_path):
    """Twelve subjects: in half of them the film before the operation was taken lying."""
    readings, rows = [], ["subject,operation_date,group,index_level"]
    for i in range(12):
        position = "supine" if i % 2 else "standing"
        rows.append(f"P{i},2024-01-12,{'a' if i < 6 else 'b'},L1")
        for k, reading in enumerate(visits):
            own = replace(
                reading.source,
                patient_id=f"P{i}",
                path=f"{i}-{k}.dcm",
                sha256=f"{i}-{k}",
                position=position if k == 0 else ("standing" if i != 4 else None),
                modality="CT" if (i, k) == (2, 2) else "DX",
            )
            bodies = tuple(
                replace(v, points=v.points * (1 + 0.01 * i * (k + 1) * (v.level == "L1"), 1))
                for v in reading.vertebrae
            )
            readings.append(replace(reading, id=f"{i}-{k}", source=own, vertebrae=bodies))
    path = tmp_path / "clinical.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    table = read_clinical(path)
    request = FollowUpRequest(
        {c.subject: c.operation for c in table if c.operation},
        {c.subject: c.index_level for c in table},
        joint_naming=False,
        estimate="films",
    )
    cohort = build_cohort(table, follow_up(readings, request))
    alike = films_alike(cohort)
    assert (alike.left_out, alike.unknown) == (7, 2)
    kept = np.isfinite(alike.cohort.values["vertebral_kyphosis_deg"]).sum(axis=0)
    assert kept.tolist() == [6, 12, 11]
    assert np.isfinite(cohort.values["vertebral_kyphosis_deg"]).all()
    tests = run_tests(cohort, ["vertebral_kyphosis_deg"])
    assert tests.sensitivity is not None
    counts = {(t.kind, t.group): t.n for t in tests.sensitivity.paired}
    assert counts["correction", "all"] == 6
    assert counts["loss", "all"] == 11
    whole = {(t.kind, t.group): t.n for t in tests.paired}
    assert whole["correction", "all"] == whole["loss", "all"] == 12
    (shown,) = [t for t in cohort_tables(cohort, tests) if t.name == "sensitivity"]
    row = next(r for r in shown.rows if r[2] == "correction, all")
    assert (row[3], row[5]) == ("12", "6")
    assert "7 films were left out" in shown.note
    assert any("Without the 7 films" in s for s in findings(cohort, tests))
    assert "were left out" in methods_paragraph(cohort, tests, None, "0")
    # Nothing differs: nothing is tested again.
    plain = Cohort(cohort.subjects, cohort.visits, cohort.values, cohort.errors, ())
    again = run_tests(plain, ["vertebral_kyphosis_deg"]).sensitivity
    assert again is not None
    assert again.left_out == 0
    assert again.paired == ()
