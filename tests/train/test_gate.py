"""Fitting the gate on a made-up bench: what it learns, how it is judged, what is written."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.infer.filmlook import FilmLook
from endplate.infer.find import Found
from endplate.infer.pipeline import FilmResult
from endplate.infer.refine import Refined
from endplate.models.calibration import Calibrations
from endplate.models.decode import Candidate, FilmScores
from endplate.train.gate import Observed, cross_judge, curve, fit_gate, parts, table

from ..spine import column

LEVELS = ("T11", "T12", "L1", "L2", "L3")
CLEAN = FilmLook(False, 0.0, 0.0, 0.0, 0.05, 0.6, 120.0, 1.1, 0.4)
CALIBRATIONS = Calibrations.uncalibrated()


def observed(
    kind: str, i: int, negative: bool, look: FilmLook, due: tuple[str, ...] = ()
) -> Observed:
    """A lateral with a good column, or an image whose few bodies lie about."""
    from endplate.geometry.landmarks import Vertebra

    rng = np.random.default_rng([i, len(kind)])
    bodies = column(LEVELS, top=(200.0, 100.0), depth=80.0)
    vertebrae = [Vertebra(k, p + rng.normal(0, 1, 2)) for k, p in bodies.items()]
    if negative:
        vertebrae = [replace(v, points=v.points + rng.normal(0, 60, 2)) for v in vertebrae[:3]]
    score = 0.45 if negative else 0.85
    candidates = tuple(
        Candidate(v.centre, v.points, score + rng.normal(0, 0.03), np.zeros(1), False)
        for v in vertebrae
    )
    named = SimpleNamespace(levels=tuple(v.level for v in vertebrae), candidates=candidates)
    p = float(np.clip(rng.normal(0.55 if negative else 0.75, 0.1), 0.01, 0.99))
    scores = FilmScores(p, (1 - p) / 2, (1 - p) / 2, 0.02, 0.0, 0.05)
    found = Found(scores, named, 0, False, np.array([0.0, 1.0]), candidates)  # type: ignore[arg-type]
    spread = np.zeros((6, 2))
    refined = tuple(
        Refined(v.points, np.eye(12), spread, np.full(6, 0.9), 80.0, np.eye(2), np.zeros(2))
        for v in vertebrae
    )
    result = FilmResult(found, tuple(vertebrae), refined, 0.99)
    return Observed(kind, f"{kind}-{i}", f"{kind}-{i}", negative, due, result, look, (800, 400))


@pytest.fixture(scope="module")
def bench() -> list[Observed]:
    noisy, burnt = replace(CLEAN, noise=0.8), replace(CLEAN, burnt=0.4)
    out = [observed("real lateral film", i, False, CLEAN) for i in range(16)]
    out += [observed("noisy", i, False, noisy, ("noisy",)) for i in range(8)]
    out += [observed("over-exposed", i, False, burnt, ("overexposed",)) for i in range(8)]
    for kind in ("photograph", "drawn hand", "printed page", "drawn chest"):
        out += [observed(kind, i, True, replace(CLEAN, rim=-0.2)) for i in range(6)]
    blank = replace(CLEAN, blank=True)
    return [*out, *(observed("blank plate", i, True, blank) for i in range(2))]


def test_what_separates_gets_weight_and_none_is_negative(bench):
    gate = fit_gate(bench)
    assert all(w > 0 for w in gate.weights.values())
    assert {"confidence", "rim"} <= set(gate.weights)
    scores = {
        side: [gate.score(o.features) for o in bench if o.negative is side and not o.look.blank]
        for side in (True, False)
    }
    assert max(scores[True]) < gate.evidence < min(scores[False])


def test_limits_lie_between_sound_and_damaged_films_and_others_stay(bench):
    gate = fit_gate(bench)
    assert 0.05 < gate.noise < 0.8
    assert 0.0 < gate.burnt < 0.4
    assert gate.sharpness == CALIBRATIONS.gate.sharpness
    assert gate.hardware == CALIBRATIONS.gate.hardware


def test_a_limit_that_would_flag_sound_films_is_not_taken(bench):
    mixed = [*bench, *(observed("blurred", i, False, CLEAN, ("blurred",)) for i in range(8))]
    assert fit_gate(mixed).sharpness == CALIBRATIONS.gate.sharpness


def test_parts_keep_subjects_and_kinds_together(bench):
    part = parts(bench)
    by_kind: dict[str, set[int]] = {}
    subjects: dict[str, set[int]] = {}
    for o, p in zip(bench, part, strict=True):
        (
            by_kind.setdefault(o.kind, set())
            if o.negative
            else subjects.setdefault(o.subject, set())
        ).add(p)
    assert all(len(p) == 1 for p in (*by_kind.values(), *subjects.values()))
    assert set().union(*subjects.values()) == {0, 1, 2, 3, 4}


def test_each_part_is_judged_by_the_others(bench):
    verdicts, margins = cross_judge(bench, CALIBRATIONS)
    assert [v.status == "rejected" for v in verdicts] == [o.negative for o in bench]
    figures = table(bench, verdicts)
    rows = {r["kind"]: r for r in (*figures["negatives"], *figures["positives"])}
    assert rows["blank plate"]["reasons"] == {"blank_image": 2}
    assert rows["noisy"]["right_reason"] == rows["noisy"]["n"] == 8
    assert rows["real lateral film"]["right_reason"] is None
    assert [k for k, r in rows.items() if r.get("undamaged")] == ["real lateral film"]
    shares = curve(bench, margins)
    rising = [p["negatives_rejected"] for p in shares]
    assert rising == sorted(rising)
    assert shares[0]["laterals_rejected"] == 0.0
    assert shares[-1]["laterals_rejected"] == 1.0


def test_without_laterals_nothing_can_be_fitted(bench):
    with pytest.raises(InputError, match="needs laterals"):
        fit_gate([o for o in bench if o.negative])


def test_a_patient_who_leans_is_judged_as_read_along_the_column(bench):
    limits = replace(CALIBRATIONS, gate=fit_gate(bench))
    lateral = next(o for o in bench if not o.negative)
    photograph = next(o for o in bench if o.kind == "photograph")
    assert photograph.judge(limits).status == "rejected"
    other = next(o for o in bench if o.kind == "photograph" and o is not photograph)
    assert replace(photograph, leaning=(other,)).judge(limits).status == "rejected"
    leaning = replace(photograph, leaning=(other, lateral))
    assert leaning.judge(limits) == lateral.judge(limits)
    # the curve goes by the same
    _, (alone, along) = cross_margins(bench, photograph, leaning)
    assert along > alone


def cross_margins(bench, *more):
    """Verdicts and margins of some specimens, judged among the others."""
    verdicts, margins = cross_judge([*bench, *more], CALIBRATIONS)
    return verdicts[-len(more) :], margins[-len(more) :]
