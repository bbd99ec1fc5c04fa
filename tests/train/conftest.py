"""Small films, networks and settings with which training takes seconds."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs endplate[train]")
pytest.importorskip("monai", reason="needs endplate[train]")
pytest.importorskip("hydra", reason="needs endplate[train]")

from endplate.models.detector import DetectorConfig
from endplate.models.refiner import RefinerConfig
from endplate.train.augment import AugmentConfig
from endplate.train.export import export_checkpoint
from endplate.train.main import train

from .films import write_set


@pytest.fixture
def still() -> AugmentConfig:
    """No change of grey values at all, and no mirroring."""
    return AugmentConfig(flip=0, invert=0, grey=0, overlay=0, noise=0, blur=0, sharpen=0)


@pytest.fixture
def tiny_detector() -> DetectorConfig:
    return DetectorConfig((8, 8, 16, 16, 16), (1, 1, 1, 1, 1), 8)


@pytest.fixture
def tiny_refiner() -> RefinerConfig:
    return RefinerConfig((8, 8, 16, 16, 16), (1, 1, 1, 1, 1), 8, crop=64)


@pytest.fixture(scope="session")
def film_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with annotations.json and images of four painted films."""
    folder = tmp_path_factory.mktemp("films")
    write_set(folder, 4)
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, film_set: Path) -> Path:
    """Folder with detector/model.pt and refiner/model.pt of tiny networks, hardly trained."""
    folder = tmp_path_factory.mktemp("runs")
    sizes = "channels=[8,8,16,16,16]", "width=8", "units=[1,1,1,1,1]"
    for model in ("detector", "refiner"):
        overrides = [
            *(f"model={model}", "dataset=lumbar", f"data={film_set}", f"out={folder / model}"),
            *(f"{model}.{size}" for size in sizes),
            *("loop.steps=1", "loop.batch=2", "loop.device=cpu", "loop.threads=1"),
            *("detector_task.rows=64", "detector_task.columns=64", "loop.seed=4"),
            f"sets.lumbar.annotations={film_set / 'annotations.json'}",
        ]
        assert train(overrides) == 0
    return folder


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path) -> Path:
    """Folder of a reader: the two tiny networks as ONNX."""
    folder = tmp_path_factory.mktemp("weights")
    for model in ("detector", "refiner"):
        export_checkpoint(checkpoints / model / "model.pt", folder / f"{model}.onnx")
    return folder
