"""Evaluation from films to tables, with tiny random networks and with stand-ins that read well."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from endplate.datasets.coco import write_annotations
from endplate.errors import InputError
from endplate.infer.pipeline import FilmReader
from endplate.models.calibration import Calibrations
from endplate.models.resample import ImagePyramid
from endplate.train.data import FilmSet
from endplate.train.evaluate import EvaluateConfig, run_evaluation
from endplate.train.main import evaluate

from ..fakes import HEIGHT, Finder, fake_reader
from ..spine import column, dotted_film, film_of
from .films import write_set

LEVELS = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")


def test_random_networks_are_evaluated_all_the_same(tmp_path, exported, capsys):
    write_set(tmp_path / "lumbar-laterals", 2)
    (tmp_path / "negatives").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "negatives" / "n.png"), noise)
    (tmp_path / "negatives" / "broken.png").write_bytes(b"no image")
    out = tmp_path / "out"
    overrides = [f"data={tmp_path}", "dataset=no_whole_spine", f"weights={exported}", f"out={out}"]
    overrides += ["~sets.simulated", "~sets.simulated_frontal", "folds=2", "calibrate=false"]
    assert evaluate([*overrides, "threads=1", "overlays=1", "~sets.other"]) == 0
    table = json.loads((out / "accuracy.json").read_text())
    assert table["lumbar"]["films"] == 2
    assert table["lumbar"]["bodies"] == 16
    assert table["frontal"]["films"] == 1
    text = (out / "accuracy.md").read_text()
    assert text in capsys.readouterr().out
    assert "broken.png" in text
    # what could not be read is named without the folders of this machine
    assert str(tmp_path) not in text
    with (out / "films.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["film"] for r in rows] == ["film-0.png", "film-1.png", "n.png"]
    assert (out / "accuracy.png").stat().st_size > 1000
    assert not (out / "calibration.json").exists()
    assert "calibrate: false" in (out / "config.yaml").read_text()


@pytest.fixture
def dotted_set(tmp_path: Path) -> Path:
    """Six dotted films of different sizes."""
    (tmp_path / "images").mkdir()
    films = []
    for i in range(6):
        bodies = column(LEVELS, top=(150.0, 60.0 + i), depth=60.0, height=HEIGHT)
        image = (dotted_film(bodies, (700, 300 + i), sigma=1.6) >> 8).astype(np.uint8)
        films.append(film_of(image, bodies, name=f"{i}.png", subject=f"s{i}"))
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), image)
    write_annotations(tmp_path / "annotations.json", films)
    return tmp_path


def bodies_by_size(pyramid: ImagePyramid) -> dict[str, np.ndarray]:
    i = pyramid.shape[1] - 300
    return column(LEVELS, top=(150.0, 60.0 + i), depth=60.0, height=HEIGHT)


def test_good_readings_have_good_figures_and_calibrations(dotted_set, tmp_path, monkeypatch):
    fake_reader(monkeypatch, Finder(bodies_by_size, jitter=2.0))
    out = tmp_path / "out"
    config = EvaluateConfig(
        weights="FOLD",
        folds=2,
        sets={"a": FilmSet("a", str(dotted_set / "annotations.json"))},
        overlays=1,
    )
    evaluation = run_evaluation(config, out)
    figures = evaluation.table()["a"]
    assert figures["films"] == 6
    assert figures["found_pct"] == 100.0
    assert figures["levels_right_pct"] == 100.0
    assert figures["points"] == 6 * 8 * 6
    assert figures["point_p95_pct"] < 2.0
    assert figures["vertebral_kyphosis_deg_mae"] < 1.0
    calibration = Calibrations.from_json((out / "calibration.json").read_text(), "x")
    assert calibration.provenance["subjects"] == 6
    assert "48 bodies" in calibration.provenance["fitted_on"]
    assert str(tmp_path) not in (out / "calibration.json").read_text()
    assert calibration.points.floor.max() < 0.04
    assert len(list((out / "overlays").glob("a-*-0-*.png"))) == 3


def test_weights_of_each_fold_read_its_own_subjects(dotted_set, tmp_path, monkeypatch):
    fake_reader(monkeypatch, Finder(bodies_by_size))
    asked = []

    def reader(folder: Path, **options: object) -> object:
        asked.append(folder)
        return FilmReader(folder, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("endplate.train.evaluate.FilmReader", reader)
    sets = {"a": FilmSet("a", str(dotted_set / "annotations.json"))}
    config = EvaluateConfig(
        weights="runs/FOLD", folds=3, only=[0, 2], sets=sets, calibrate=False, overlays=0
    )
    evaluation = run_evaluation(config, tmp_path / "out")
    assert {str(p) for p in asked} == {str(Path("runs/0")), str(Path("runs/2"))}
    assert len(evaluation.films["a"]) == 4


def test_nothing_to_evaluate_is_refused(tmp_path):
    with pytest.raises(InputError, match="no film to evaluate on"):
        run_evaluation(EvaluateConfig(weights="x", sets={}), tmp_path)


def test_missing_weights_are_named(dotted_set, tmp_path):
    sets = {"a": FilmSet("a", str(dotted_set / "annotations.json"))}
    config = EvaluateConfig(weights=str(tmp_path / "w" / "FOLD"), folds=2, sets=sets)
    with pytest.raises(InputError, match=r"detector\.onnx: no such network"):
        run_evaluation(config, tmp_path)
