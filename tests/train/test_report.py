"""The page of accuracy: figures with intervals, tables, readers side by side, pairs."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endplate.datasets.simulator.cohort_plan import plan_cohort
from endplate.datasets.simulator.loss_plan import plan_series, plan_spread_losses, planned_loss
from endplate.errors import InputError, UnknownName
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.study.reading import Quality, Reader, Reading, Reason, Source
from endplate.train.accuracy import FilmResult, Truth, judge_film
from endplate.train.report import build
from endplate.train.report.ablations import ablation_section, curves, spread
from endplate.train.report.breakdown import breakdowns
from endplate.train.report.build import AccuracyConfig, build_page
from endplate.train.report.domain import own_coverage
from endplate.train.report.page import render_page
from endplate.train.report.pairs import Pair, area_under_curve, pair_figures
from endplate.train.report.plots import plot_ablations, plot_films, plot_pairs
from endplate.train.report.reading_section import reading_section
from endplate.train.report.real import compare_readers, film_figures, gate_figures, naming_bins
from endplate.train.report.statistics import HEADLINE, bootstrap, figures, mean, pieces

from ..spine import column

LEVELS = ("T11", "T12", "L1", "L2", "L3", "S1")
ROWS = [
    {"name": "ours", "group": "films", "overrides": "dataset=all", "seeds": [1, 2], "folds": [0],
     "n_bodies": 30, "point_median": [2.4, 2.6], "point_p95": [7.0, 7.4], "vk_mae": [1.9, 2.1],
     "minutes": [4.0, 4.2]},
    *({"name": f"{n} of each", "group": "count", "overrides": f"dataset=all subjects={n}",
       "point_median": [4 - n / 20], "minutes": [4.0]} for n in (2, 5)),
    {"name": "none", "group": "films", "overrides": "dataset=simulated", "point_median": [5.0]},
]  # fmt: skip


def film(i: int, sd: float = 1.0, **truth) -> FilmResult:
    """A film read with errors of `sd` pixels, which the reading knows."""
    rng = np.random.default_rng(i)
    bodies = column(LEVELS)
    true = tuple(Vertebra(level, points) for level, points in bodies.items())
    read = tuple(
        replace(v, points=v.points + rng.normal(0, sd, (6, 2)), covariance=np.eye(12) * sd**2,
                level_probability=0.95)
        for v in true
    )  # fmt: skip
    reading = Reading(
        id="x",
        created="2026-01-02T03:04:05+00:00",
        reader=Reader("model", "test"),
        source=Source(f"{i}.png", "ab" * 32, 900, 400, view="lateral", facing="left"),
        calibration=UNCALIBRATED,
        quality=Quality("flagged", (Reason("level_uncertain", "?"),)),
        vertebrae=read,
        measurements=measure(read, UNCALIBRATED),
    )
    name = truth.pop("name", f"{i}.png")
    return judge_film(Truth(name, "group", true, {v.level: v for v in true}, **truth), reading)


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endplate.train.report.statistics.DRAWS", 60)


@pytest.fixture(scope="module")
def results() -> list[FilmResult]:
    return [film(i, quality=("good", "poor")[i % 2], hardware=i < 4) for i in range(24)]


def test_every_figure_has_its_n_and_an_interval_over_films(results):
    own = figures(HEADLINE, pieces(results))
    assert own["found"] == {"value": 100.0, "low": 100.0, "high": 100.0, "n": 120, "films": 24}
    median = own["point_median"]
    assert (median["n"], median["films"]) == (24 * 30, 24)
    assert median["low"] < median["value"] < median["high"]
    # errors are drawn from the very covariance that the readings state
    assert own["cover_points"]["value"] == pytest.approx(90, abs=3)
    assert own["cover_vertebral_kyphosis_deg"]["value"] == pytest.approx(90, abs=6)
    assert own["named_visible"]["value"] == 100.0
    assert own["named_hidden"] is None
    assert own["wrong_raised"] is None
    assert own["right_raised"]["value"] == 100.0


@pytest.mark.parametrize("stretched", [0.5, 3.0])
def test_intervals_of_another_width_hold_once_refitted(results, stretched):
    def stretch(film: FilmResult) -> FilmResult:
        bodies = tuple(
            replace(
                b,
                scores=b.scores / stretched,
                measures={
                    n: (v, t, v - stretched * (v - low), v + stretched * (high - v))
                    for n, (v, t, low, high) in b.measures.items()
                },
            )
            for b in film.bodies
        )
        return replace(film, bodies=bodies)

    wanted = {"points": "points", "vertebral_kyphosis_deg": "kyphosis", "unheard_of": "?"}
    own = own_coverage([stretch(r) for r in results], wanted)
    assert set(own) == {"points", "vertebral_kyphosis_deg"}
    for name, tolerance in (("points", 2), ("vertebral_kyphosis_deg", 6)):
        assert own[name]["figure"]["value"] == pytest.approx(90, abs=tolerance)
        assert own[name]["factor"] == pytest.approx(1 / stretched, rel=0.2)


def test_films_are_judged_by_factors_of_other_films(results):
    wild = tuple(replace(b, scores=b.scores * 10) for b in results[0].bodies)
    own = own_coverage(
        [replace(results[0], bodies=wild), *results[1:3]], {"points": "points"}, folds=3
    )
    # the others make room for the wild film, which is itself judged by what the others need
    assert 66 < own["points"]["figure"]["value"] < 80


def test_the_bootstrap_draws_whole_films():
    rng = np.random.default_rng(0)
    single = [rng.normal(0, 1, 1) for _ in range(40)]
    many = [np.repeat(x, 30) for x in single]
    # thirty copies of a value tell no more than one
    np.testing.assert_allclose(bootstrap(many, mean), bootstrap(single, mean))
    # means are drawn another way than other figures, with the same result
    slow = bootstrap(many, lambda v: float(v.mean()))
    np.testing.assert_allclose(bootstrap(many, mean), slow)
    assert math.isnan(bootstrap(single[:4], mean)[0])


def test_parts_add_up_to_the_whole(results):
    parts = breakdowns(pieces(results))
    by_level = parts["level"]
    assert [r["name"] for r in by_level] == ["T11", "T12", "L1", "L2", "L3"]
    assert all(r["films"] == r["bodies"] == 24 for r in by_level)
    quality = parts["quality of the film, as the annotator says"]
    assert [(r["name"], r["films"]) for r in quality] == [("good", 12), ("poor", 12)]
    assert [r["films"] for r in parts["hardware"]] == [4, 20]
    # only one kind of sacrum: no table
    assert "sacrum" not in parts


def test_readers_are_compared_on_the_bodies_that_both_found(results):
    worse = [film(i, 3.0) for i in range(6)]
    gap = replace(worse[0], bodies=worse[0].bodies[:2])
    values = compare_readers(results, [gap, *worse[1:]])
    assert (values["films"], values["bodies"]) == (6, 2 + 5 * 5)
    ours, other = (values[k]["figures"]["point_median"] for k in ("ours", "other"))
    assert ours["n"] == other["n"] == 27 * 6
    assert 2 < other["value"] / ours["value"] < 4


def test_naming_bins_and_gate(results):
    (only,) = naming_bins(results)
    assert (only["films"], only["right"], only["stated"]) == (24, 24, 0.95)
    rejected = replace(results[0].reading, quality=Quality("rejected", (Reason("x", "x"),)))
    values = gate_figures({"frontal": [rejected, results[1].reading]}, results)
    assert values["frontal"] == {"films": 2, "rejected": 1}
    assert values["laterals"]["level_uncertain"] == 24


def pairs(count: int = 40, sd: float = 1.0) -> list[Pair]:
    rng = np.random.default_rng(0)
    out = []
    for i in range(count):
        true = 15 * i / count
        read = true + rng.normal(0, sd)
        chance = 0.5 * math.erfc((5 - read) / (sd * math.sqrt(2)))
        for angle in ("vertebral_kyphosis_deg", "regional_kyphosis_deg"):
            out.append(
                Pair(f"s{i}", angle, true, read, read - 1.645 * sd, read + 1.645 * sd, 1.96 * sd,
                     chance, 8.0, 8.5)
            )  # fmt: skip
    return [*out, Pair("lost", "vertebral_kyphosis_deg", 3.0)]


def test_figures_of_pairs():
    own = pair_figures(pairs())["vertebral_kyphosis_deg"]
    assert (own["subjects"], own["measured"], own["true_over_5"]) == (41, 40, 26)
    assert own["loss_mae"]["value"] == pytest.approx(0.8, abs=0.2)
    assert own["mdc95_observed"]["value"] == pytest.approx(1.96, rel=0.25)
    assert own["mdc95_stated"]["value"] == pytest.approx(1.96)
    assert own["auc_probability"]["value"] > 0.97
    assert own["correction_bias"]["value"] == 0.5
    assert 80 <= own["loss_cover"]["value"] <= 100


def test_the_area_under_the_curve():
    scores, over = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 1])
    assert area_under_curve(scores, over) == 0.75
    assert area_under_curve(np.ones(4), over) == 0.5
    assert math.isnan(area_under_curve(scores, np.zeros(4)))


def test_losses_are_spread_evenly_and_known():
    plan = plan_spread_losses(30, 3)
    losses = np.sort([planned_loss(s) for s in plan])
    assert losses[0] < 0.5
    assert losses[-1] > 14.5
    np.testing.assert_allclose(losses, np.linspace(0.25, 14.75, 30), atol=0.26)
    assert [v.name for v in plan[0].visits if v.seen] == ["pre", "post", "12 months"]
    assert plan_spread_losses(30, 3) == plan
    # the series itself keeps its own losses
    series = plan_series(30, 3)
    assert [s.seed for s in series] == [s.seed for s in plan_cohort(30, 3)]
    assert np.median([planned_loss(s) for s in series]) < 3


def test_ablations_are_tables_and_curves(tmp_path):
    values = {"steps": 300, "rows": ROWS}
    text = ablation_section(values, "accuracy", 31)
    assert "| ours | 31 | 2 | 30 | 2.50 (2.40 to 2.60) | 7.20 (7.00 to 7.40) |" in text
    assert "| 2 of each | 4 | - | - | 3.90 | - | - | 4.0 |" in text
    assert "(300 steps)" in text
    assert "ablations.svg" in text
    found = curves(values, 31)
    assert [p for p, _ in found["films"]] == [0, 4, 10, 31]
    # one width is no curve
    assert found["minutes"] == []
    assert spread(None, 2) == "-"
    plot_ablations(values, tmp_path, 31)
    assert (tmp_path / "ablations.svg").stat().st_size > 1000
    with pytest.raises(InputError, match="a list of objects with a name"):
        ablation_section({"rows": [{}]}, "accuracy")


def test_steps_of_a_reading_are_a_table():
    rows = [
        {
            "name": "one look",
            "films": 39,
            "bodies": 235,
            "found_pct": 97.04,
            "seconds_per_film": 0.3,
        },
        {"name": "six looks", "found_pct": 99.15, "unmatched_per_film": 0.103},
    ]
    text = reading_section({"threads": 2, "rows": rows})
    assert "39 films, 235 bodies T10 to L5" in text
    assert "| one look | 97.0 | - | - | - | - | - | 0.30 |" in text
    assert "| six looks | 99.2 | 0.10 | - | - | - | - | - |" in text
    with pytest.raises(InputError, match="a list of objects with a name"):
        reading_section({"rows": []})


def test_a_step_left_out_keeps_its_figures(tmp_path: Path, results, monkeypatch):
    folder = tmp_path / "accuracy"
    folder.mkdir()
    (folder / "notes.md").write_text("## Limits\n\nWritten by hand.\n")
    (folder / "ablations.json").write_text(json.dumps({"rows": ROWS}))
    (folder / "real.json").write_text(json.dumps(real_values(results, folder)))
    made = {"spread": pairs(), "series": pairs(20)}
    monkeypatch.setattr(
        build, "follow_pairs", lambda plan, *_: made["spread" if len(plan) == 7 else ""]
    )
    monkeypatch.setattr(build, "plan_series", lambda count, seed: [None] * 7)
    monkeypatch.setattr(build, "plan_spread_losses", lambda count, seed: [None] * 7)
    config = AccuracyConfig(out=str(tmp_path / "accuracy.md"), steps=["follow-up"])
    page = build_page(config)
    text = page.read_text()
    assert text == render_page(folder)
    for said in ("## Films of subjects", "## Loss of correction", "## What each part", "by hand"):
        assert said in text
    assert "## Simulated films" not in text
    assert str(tmp_path) not in text
    before = (folder / "follow-up.json").read_bytes()
    build_page(replace(config, steps=[]))
    assert (folder / "follow-up.json").read_bytes() == before
    assert page.read_text() == text


def real_values(results, folder: Path) -> dict[str, object]:
    groups = {"lumbar": results[:12], "whole_spine": results[12:]}
    values = film_figures(groups)
    plot_films(groups, values["naming"], folder)
    plot_pairs({"spread": pairs()}, folder)
    values |= {"networks": "of a test", "gate": gate_figures({}, results)}
    return {**values, "second_reader": compare_readers(results, results[:5])}


def test_the_bench_of_the_gate_stands_on_the_page(tmp_path):
    assert "bench" not in render_page(tmp_path)
    (tmp_path / "gate.md").write_text("9 of 9 images are rejected\n")
    (tmp_path / "gate.svg").write_text("<svg/>")
    page = render_page(tmp_path)
    assert "9 of 9 images" in page
    assert f"]({tmp_path.name}/gate.svg)" in page


def test_plots_are_the_same_every_time(tmp_path, results):
    real_values(results[:6], tmp_path)
    names = {"points.svg", "agreement.svg", "coverage.svg", "naming.svg", "follow-up.svg"}
    first = {p.name: p.read_bytes() for p in tmp_path.glob("*.svg")}
    assert set(first) == names
    assert sum(map(len, first.values())) < 400_000
    real_values(results[:6], tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.glob("*.svg")} == first


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="step 'reel'"):
        build_page(AccuracyConfig(out=str(tmp_path / "a.md"), steps=["reel"]))
    with pytest.raises(InputError, match="expected a Markdown file"):
        build_page(AccuracyConfig(out=str(tmp_path / "a.html"), steps=[]))
