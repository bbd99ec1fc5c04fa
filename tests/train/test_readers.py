"""Readings of others: annotation files, detections with scores, folders of readings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endplate.datasets.coco import write_annotations
from endplate.errors import AnnotationError, InputError
from endplate.reports.reading_json import write_reading
from endplate.train.data import FilmSet
from endplate.train.evaluate import EvaluateConfig, run_evaluation
from endplate.train.readers import load_reader

from ..spine import column, film_of

LEVELS = ("T11", "T12", "L1", "L2", "L3", "S1")


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    """Annotations of two films."""
    films = []
    for i in range(2):
        bodies = column(LEVELS, top=(150.0, 60.0 + i))
        image = np.zeros((700, 300), np.uint8)
        films.append(film_of(image, bodies, name=f"{i}.png", subject=f"s{i}"))
    write_annotations(tmp_path / "annotations.json", films)
    return tmp_path / "annotations.json"


def detections(annotated: Path, shift: float) -> list[dict[str, Any]]:
    """Another model's output: the same bodies moved, each twice, with scores."""
    out = []
    for a in json.loads(annotated.read_text())["annotations"]:
        xyv = np.array(a["keypoints"], dtype=float).reshape(-1, 3)
        for score, move in ((0.9, shift), (0.4, 40.0)):
            moved = xyv + np.array([0, move, 0])
            moved[:, 2] = np.where(xyv[:, 2] > 0, 0.7, 0.0)
            out.append({**a, "keypoints": moved.ravel().tolist(), "score": score})
    return out


def test_an_annotation_file_is_a_reader(annotated):
    readings = load_reader(annotated)
    assert set(readings) == {"0.png", "1.png"}
    assert [v.level for v in readings["0.png"].vertebrae] == list(LEVELS)
    assert readings["0.png"].measurements


@pytest.mark.parametrize("bare", [True, False])
def test_of_several_detections_the_best_is_taken(annotated, tmp_path, bare):
    found = detections(annotated, 1.5)
    values = found if bare else {**json.loads(annotated.read_text()), "annotations": found}
    path = tmp_path / "model.json"
    path.write_text(json.dumps(values))
    readings = load_reader(path, annotated)
    truth = load_reader(annotated)
    for name, reading in readings.items():
        for body, true in zip(reading.vertebrae, truth[name].vertebrae, strict=True):
            moved = true.points + np.array([0, 1.5])
            np.testing.assert_allclose(body.points, moved, atol=0.01)
    with pytest.raises(InputError, match="holds no readings"):
        load_reader(path, annotated, least_score=0.95)


def test_what_is_no_reader_is_refused(annotated, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(detections(annotated, 1.0)))
    with pytest.raises(InputError, match="needs the annotations it is of"):
        load_reader(path)
    with pytest.raises(InputError, match="no such file or folder"):
        load_reader(tmp_path / "missing")
    path.write_text("{}")
    with pytest.raises(AnnotationError, match="found no images"):
        load_reader(path)
    broken = [{**detections(annotated, 1.0)[0], "score": "high"}]
    path.write_text(json.dumps(broken))
    with pytest.raises(AnnotationError, match="score of annotation 1: 'high', no number"):
        load_reader(path, annotated)


def test_a_folder_of_readings_is_a_reader(annotated, tmp_path):
    folder = tmp_path / "readings"
    folder.mkdir()
    for name, reading in load_reader(annotated).items():
        write_reading(folder / f"{name}.json", reading)
    assert set(load_reader(folder)) == {"0.png", "1.png"}
    write_reading(folder / "again.json", load_reader(annotated)["0.png"])
    with pytest.raises(InputError, match=r"two readings of 0\.png"):
        load_reader(folder)


def test_another_reader_is_judged_by_the_same_definitions(annotated, tmp_path):
    path = tmp_path / "model.json"
    best = [d for d in detections(annotated, 1.5) if d["score"] > 0.5 and d["image_id"] == 1]
    path.write_text(json.dumps(best))
    sets = {"a": FilmSet("a", str(annotated))}
    config = EvaluateConfig(reader=str(path), sets=sets, overlays=0)
    out = tmp_path / "out"
    figures = run_evaluation(config, out).table()["a"]
    # only the film that both have read
    assert figures["films"] == 1
    assert figures["found_pct"] == 100.0
    assert figures["point_median_pct"] == pytest.approx(100 * 1.5 / 62, rel=0.05)
    assert json.loads((out / "accuracy.json").read_text())["a"]["films"] == 1
    assert not (out / "calibration.json").exists()
    path.write_text(json.dumps([{**b, "image_id": 2} for b in best]))
    with pytest.raises(InputError, match="has none of the films"):
        run_evaluation(EvaluateConfig(reader=str(path), sets=sets, only=[7], overlays=0), out)
