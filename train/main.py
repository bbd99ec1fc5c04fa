"""Entry points of ``endplate train``, ``recipe``, ``evaluate``, ``accuracy``, ``export``.

Also for torchrun: ``torchrun --nproc-per-node 2 -m endplate.train.main key=value ...``.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import cv2

from endplate import __version__
from endplate.errors import EndplateError, UnknownName
from endplate.infer.pipeline import weights_folder
from endplate.train.config import TrainConfig, compose_config, to_yaml
from endplate.train.data import load_sets
from endplate.train.detector_task import DetectorTask
from endplate.train.loop import Task, fit
from endplate.train.refiner_task import RefinerTask

__all__ = ["accuracy", "build_task", "evaluate", "export", "recipe", "train"]

_TASKS = ("detector", "refiner")
#: Stands for the network that came with the package.
_SHIPPED = "shipped"


def train(overrides: list[str]) -> int:
    """Train one network; returns the exit status."""
    config, resolved = compose_config("train", TrainConfig, overrides)
    assert isinstance(config, TrainConfig)
    # two processes with all threads each are slower than one thread each
    cv2.setNumThreads(1)
    task, checksums = build_task(config)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    text = to_yaml(resolved)
    lead = int(os.environ.get("RANK", "0")) == 0
    if lead:
        (out / "config.yaml").write_text(text)
    provenance: dict[str, Any] = {
        "endplate": __version__,
        "config": text,
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "data_sha256": checksums,
        "fold": config.fold,
        "folds": config.folds,
        "seed": config.loop.seed,
        "overrides": overrides,
    }
    start = Path(config.start_from) if config.start_from else None
    if config.start_from == _SHIPPED:
        start = weights_folder() / f"{config.task}.onnx"
    result = fit(
        task, config.loop, out, start_from=start, widen=config.widen, provenance=provenance
    )
    if lead:
        print(
            f"trained {config.task}: {result.steps} steps in {result.seconds / 60:.1f} min,"
            f" loss {result.loss:.4f}, weights in {result.checkpoint}"
        )
    return 0


def build_task(config: TrainConfig) -> tuple[Task, dict[str, str]]:
    """Load the films and set up the task of a configuration.

    Returns
    -------
    task : Task
    checksums : dict
        SHA-256 of the annotation files.

    Raises
    ------
    UnknownName
        If the task is neither detector nor refiner.
    """
    if config.task not in _TASKS:
        raise UnknownName("task", config.task, _TASKS)
    sets = list(config.sets.values())
    if config.task == "refiner":
        # films without bodies teach the refiner nothing
        sets = [s for s in sets if s.annotations]
    films, weights, checksums = load_sets(
        sets, fold=config.fold, folds=config.folds, subjects=config.subjects
    )
    task: Task
    if config.task == "detector":
        task = DetectorTask(films, weights, config.detector_task, config.detector)
    else:
        task = RefinerTask(films, weights, config.refiner_task, config.refiner)
    return task, checksums


def recipe(overrides: list[str]) -> int:
    """Train both networks from nothing; returns the exit status."""
    from omegaconf import OmegaConf

    from endplate.train.recipe import RecipeConfig
    from endplate.train.recipe_run import run_recipe

    config, resolved = compose_config("recipe", RecipeConfig, overrides)
    assert isinstance(config, RecipeConfig)
    plain = OmegaConf.to_container(resolved)
    assert isinstance(plain, dict)
    weights = run_recipe(config, {str(k): v for k, v in plain.items()})
    print(f"networks are in {weights}")
    return 0


def evaluate(overrides: list[str]) -> int:
    """Evaluate networks on annotated films; returns the exit status."""
    from endplate.train.evaluate import EvaluateConfig, run_evaluation

    config, resolved = compose_config("evaluate", EvaluateConfig, overrides)
    assert isinstance(config, EvaluateConfig)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.yaml").write_text(to_yaml(resolved))
    run_evaluation(config, out)
    print((out / "accuracy.md").read_text())
    print(f"tables, plots and overlays are in {out}")
    return 0


def accuracy(overrides: list[str]) -> int:
    """Evaluate everything and write the page of accuracy; returns the exit status."""
    from endplate.train.report.build import AccuracyConfig, build_page

    config, _ = compose_config("accuracy", AccuracyConfig, overrides)
    assert isinstance(config, AccuracyConfig)
    page = build_page(config)
    print(f"wrote {page}; figures and plots are in {page.with_suffix('')}")
    return 0


def export(overrides: list[str]) -> int:
    """Export ``checkpoint=...`` to ``out=...`` as ONNX and prove parity; returns the status."""
    from endplate.train.export import ExportConfig, export_checkpoint

    config, _ = compose_config("export", ExportConfig, overrides)
    assert isinstance(config, ExportConfig)
    checkpoint, out = Path(config.checkpoint), Path(config.out)
    others = [Path(p) for p in config.averaged_with]
    together = [Path(p) for p in config.together_with]
    for parity in export_checkpoint(checkpoint, out, others, together):
        size = " x ".join(str(n) for n in parity.size)
        print(f"input {size}: largest difference to torch {parity.difference:.1e}")
    print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _main() -> int:
    try:
        return train(sys.argv[1:])
    except EndplateError as error:
        print(f"endplate train: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(_main())
