"""Configurations compose, and mistakes in overrides are named."""

from pathlib import Path

import pytest

from endplate.errors import InputError, UnknownName
from endplate.models.detector import DetectorConfig
from endplate.train.config import TrainConfig, compose_config, to_yaml
from endplate.train.data import FilmSet
from endplate.train.evaluate import EvaluateConfig
from endplate.train.export import ExportConfig
from endplate.train.main import build_task
from endplate.train.refiner_task import RefinerTask


def composed(*overrides: str) -> TrainConfig:
    config, _ = compose_config("train", TrainConfig, ["data=somewhere", *overrides])
    assert isinstance(config, TrainConfig)
    return config


@pytest.mark.parametrize("dataset", ["all", "real", "lumbar", "whole_spine", "no_whole_spine"])
def test_every_dataset_composes(dataset):
    config = composed(f"dataset={dataset}")
    assert config.sets
    assert all(isinstance(s, FilmSet) for s in config.sets.values())
    assert all(s.annotations.startswith(("somewhere", "")) for s in config.sets.values())


@pytest.mark.parametrize("model", ["detector", "refiner"])
def test_a_model_brings_its_task_and_folder(model):
    config = composed(f"model={model}")
    assert config.task == model
    assert config.out == f"runs/{model}"
    assert isinstance(config.detector, DetectorConfig)


OWN = "+sets={mine: {name: mine, annotations: mine/annotations.json}}"


@pytest.mark.parametrize("others", [(), ("dataset=none",)])
def test_own_films_are_added_as_the_documentation_says(others):
    documented = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert f'"{OWN}"' in documented
    config = composed(*others, OWN)
    assert config.sets["mine"] == FilmSet("mine", "mine/annotations.json")
    assert (len(config.sets) == 1) == bool(others)
    evaluation, _ = compose_config("evaluate", EvaluateConfig, [*others, OWN])
    assert evaluation.sets["mine"] == config.sets["mine"]


def test_overrides_arrive_and_are_kept_as_yaml():
    config, resolved = compose_config(
        "train", TrainConfig, ["data=x", "loop.steps=7", "detector.channels=[8,8,8]", "fold=2"]
    )
    assert (config.loop.steps, tuple(config.detector.channels), config.fold) == (7, (8, 8, 8), 2)
    assert "steps: 7" in to_yaml(resolved)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("loop.stepz=3", "stepz"),
        ("loop.steps=many", "'many' of type 'str' could not be converted to Integer"),
        ("+sets={mine: {name: mine, anotations: x}}", "'anotations' not in 'FilmSet'"),
        ("model=segmenter", "model/segmenter'; expected one of detector, refiner$"),
        ("dataset=everything", "everything.* expected one of all, all_ct,"),
        ("loop.steps", "loop.steps"),
        ("detector_task.augment.rotatoin=3", "rotatoin"),
    ],
)
def test_mistakes_are_input_errors_that_name_them(override, named):
    with pytest.raises(InputError, match=named):
        composed(override)


def test_evaluation_and_export_compose():
    evaluation, _ = compose_config("evaluate", EvaluateConfig, ["data=x", "only=[1,3]"])
    assert evaluation.only == [1, 3]
    assert set(evaluation.sets) == {"lumbar", "whole_spine", "frontal", "other"}
    export, _ = compose_config("export", ExportConfig, ["checkpoint=a.pt", "out=b.onnx"])
    assert (export.checkpoint, export.out) == ("a.pt", "b.onnx")


def test_simulated_films_can_be_judged():
    evaluation, _ = compose_config("evaluate", EvaluateConfig, ["dataset=simulated", "simulated=a"])
    assert evaluation.sets["simulated"].annotations == "a/annotations.json"
    assert evaluation.sets["simulated_frontal"].images == "a-frontal/images"


@pytest.mark.parametrize("dataset", ["ct", "all_ct", "all"])
def test_whatever_trains_can_be_judged(dataset):
    given = [f"dataset={dataset}", "simulated=a", "simulated_more=[b]", "data=x"]
    evaluation, _ = compose_config("evaluate", EvaluateConfig, given)
    if dataset != "ct":
        assert evaluation.sets["simulated"].more == ["b"]
    if dataset != "all":
        assert evaluation.sets["ct_slabs"].annotations == "runs/ct-slabs/annotations.json"


def test_an_export_of_nothing_says_what_is_missing():
    with pytest.raises(InputError, match="checkpoint"):
        compose_config("export", ExportConfig, ["out=b.onnx"])


def test_unknown_tasks_list_those_that_exist():
    with pytest.raises(UnknownName, match=r"unknown task 'segmenter'; valid: detector, refiner"):
        build_task(composed("task=segmenter"))


def test_a_refiner_does_not_load_films_without_bodies(film_set):
    config = composed("model=refiner")
    config.sets = {
        "a": FilmSet("a", str(film_set / "annotations.json")),
        "b": FilmSet("b", images="nowhere-at-all", view="frontal"),
    }
    task, checksums = build_task(config)
    assert isinstance(task, RefinerTask)
    assert list(checksums) == ["a/annotations.json"]
