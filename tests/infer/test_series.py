"""A simulated series end to end, from landmarks, and its films."""

import csv
import json

import pytest

from endplate.datasets.simulator.cohort import (
    COHORT_SETTINGS,
    cohort_film,
    subject_at,
    visit_annotation,
)
from endplate.datasets.simulator.cohort_plan import plan_cohort
from endplate.datasets.simulator.dicom import write_dicom
from endplate.errors import InputError
from endplate.geometry.calibration import Calibration
from endplate.geometry.measure import measure
from endplate.imaging.read import read_radiograph
from endplate.reports.schemas_of import schema


def test_series_from_landmarks(tmp_path, capsys):
    pytest.importorskip("statsmodels")
    pytest.importorskip("docx")
    from endplate.infer.commands.series import rebuild_series

    assert rebuild_series(tmp_path, 16, 2, landmarks_mm=0.2) == 0
    whole = json.loads((tmp_path / "check.json").read_text("utf-8"))
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(schema("series-1")).validate(whole)
    cohort = json.loads((tmp_path / "report" / "cohort.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema("cohort-1")).validate(cohort)
    assert cohort["sensitivity"]["films_left_out"] > 0
    assert min(t["p_t"] for t in cohort["paired"]) > 0
    assert whole["index_level"]["right"] >= 12
    assert whole["index_level"]["wrong_and_not_doubtful"] <= 1
    assert whole["film_by_film"]["loss_mae_deg"] < 1.1
    check = whole["together"]
    assert check["films_measured"] == check["films"] > 60
    assert check["films_renamed"] == 0
    assert check["kyphosis_mae_deg"] < 0.8
    assert check["loss_mae_deg"] < 1.1
    assert 0.8 < check["loss_interval90_coverage"] <= 1.0
    assert check["false_alarms"] <= 0.15
    report = tmp_path / "report"
    page = (report / "cohort.html").read_text("utf-8")
    assert page.count("data:image/png") >= 6
    assert "Subjects with a film at each visit" in page
    tables = {p.name for p in (report / "tables").iterdir()}
    assert {"baseline.csv", "values.tex", "contrasts.csv", "flow.csv", "changes.csv"} <= tables
    assert {"sensitivity.csv", "sensitivity.tex"} <= tables
    with (report / "values.csv").open(encoding="utf-8") as file:
        assert {r["measure"] for r in csv.DictReader(file)} >= {"vertebral_kyphosis_deg", "vas"}
    assert "Mean correction" in capsys.readouterr().out
    assert "restricted maximum likelihood" in (report / "methods.txt").read_text("utf-8")


def test_films_to_be_kept_must_be_those_of_the_plan(tmp_path):
    pytest.importorskip("statsmodels")
    from endplate.infer.commands.series import rebuild_series

    with pytest.raises(InputError, match=r"holds 0 of the \d+ films"):
        rebuild_series(tmp_path, 8, 2, keep_films=True)


@pytest.fixture(scope="module")
def planned():
    return next(s for s in plan_cohort(20, 4) if "fixation" in s.technique)


def test_a_subject_stays_the_same_but_for_what_is_planned(planned):
    before, after, *_, last = (subject_at(planned, v) for v in planned.visits)
    for subject, visit in zip(
        (before, after, last), (*planned.visits[:2], planned.visits[-1]), strict=True
    ):
        body = subject.spine.body(planned.level)
        assert body is not None
        assert body.wedge_deg == pytest.approx(visit.kyphosis_deg, abs=1e-6)
        assert (body.cement is not None) == (visit.name != "pre")
        assert bool(subject.hardware.kind) == (visit.name != "pre")
    for a, b in zip(before.spine.bodies, last.spine.bodies, strict=True):
        if a.level != planned.level:
            assert (a.anterior, a.posterior) == (b.anterior, b.posterior)


def test_landmarks_show_the_planned_kyphosis(planned):
    spacings = set()
    for visit in planned.visits:
        film = visit_annotation(planned, visit)
        measured = measure(film.vertebrae, Calibration(film.spacing_mm, "user"))
        (angle,) = [
            m for m in measured if m.level == planned.level and m.name == "vertebral_kyphosis_deg"
        ]
        # Perspective and tilt move the projection a little.
        assert angle.value == pytest.approx(visit.kyphosis_deg, abs=0.6)
        spacings.add((film.height, film.width))
    assert len(spacings) > 1


def test_film_and_its_header(planned, tmp_path):
    visit = planned.visits[1]
    coarse = type(COHORT_SETTINGS)(mm_per_pixel=0.8, variant=0.0, bits=16)
    film = cohort_film(planned, visit, coarse)
    marked = {v.level: v for v in visit_annotation(planned, visit, coarse).vertebrae}
    for v in film.vertebrae:
        assert v.points == pytest.approx(marked[v.level].points, abs=1e-6, nan_ok=True)
    path = tmp_path / film.name
    write_dicom(film, path)
    radiograph = read_radiograph(str(path))
    assert radiograph.patient_id == planned.subject
    assert radiograph.study_date == visit.day.strftime("%Y%m%d")
    assert radiograph.position == "standing"
    other = tmp_path / "other.dcm"
    write_dicom(cohort_film(planned, planned.visits[0], coarse), other)
    assert read_radiograph(str(other)).study_uid != radiograph.study_uid


def test_films_of_an_interrupted_series_are_not_made_again(tmp_path, monkeypatch):
    from endplate.datasets.simulator import cohort as module

    plan = plan_cohort(8, 3)[:1]
    seen = [v for v in plan[0].visits if v.seen]
    made: list[str] = []

    def interrupted(planned, visit):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(visit.name)
        return cohort_film(planned, visit)

    monkeypatch.setattr(module, "cohort_film", interrupted)
    with pytest.raises(KeyboardInterrupt):
        module.write_cohort(tmp_path, plan)
    assert not (tmp_path / "truth.json").exists()

    def whole(planned, visit):
        made.append(visit.name)
        return cohort_film(planned, visit)

    monkeypatch.setattr(module, "cohort_film", whole)
    films = module.write_cohort(tmp_path, plan)
    assert made == [v.name for v in seen]
    assert len(list(films.rglob("*.dcm"))) == len(seen)
    truth = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    assert len(truth["images"]) == len(seen)
