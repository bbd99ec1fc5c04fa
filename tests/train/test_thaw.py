"""An exported network trains on from where it was."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from endplate.errors import InputError
from endplate.infer.pipeline import weights_folder
from endplate.models.detector import Detector, DetectorConfig
from endplate.models.refiner import Refiner
from endplate.train.config import TrainConfig, compose_config
from endplate.train.main import train
from endplate.train.thaw import thaw

SHIPPED = ("refiner.channels=[32,48,80,112,160]", "refiner.width=64")


def images(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(2, 2, 64, 128, generator=generator) for _ in range(count)]


def tiny() -> Detector:
    return Detector(DetectorConfig((8, 8, 16, 16, 16), (1, 1, 1, 1, 1), 8))


def test_it_computes_what_the_file_does(exported):
    network = tiny()
    thaw(network, "detector", exported / "detector.onnx", images(4))
    session = onnxruntime.InferenceSession(str(exported / "detector.onnx"))
    image = images(1)[0]
    wanted = session.run(None, {"image": image[:1].numpy()})
    network.eval()
    with torch.no_grad():
        found = network(image[:1])
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=1e-4)


def test_in_training_its_norms_change_little_on_what_they_were_measured_on(exported):
    network, seen = tiny(), torch.cat(images(8))
    thaw(network, "detector", exported / "detector.onnx", [seen])
    network.film[2].p = 0.0  # type: ignore[operator, assignment]
    with torch.no_grad():
        before = network.eval()(seen)[0]
        after = network.train()(seen)[0]
    assert float((after - before).std()) < 0.02 * float(before.std())


@pytest.mark.parametrize(
    ("name", "task", "said"),
    [
        ("refiner.onnx", "detector", "a refiner, expected a detector"),
        ("absent.onnx", "detector", "no such network"),
        ("broken.onnx", "detector", "not an ONNX file"),
    ],
)
def test_other_files_are_refused(exported, tmp_path, name, task, said):
    shutil.copytree(exported, tmp_path / "w")
    (tmp_path / "w" / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match=said):
        thaw(tiny(), task, tmp_path / "w" / name, images(1))


def test_another_size_says_which_it_should_be(exported):
    network = Detector(DetectorConfig((8, 8, 16, 16, 24), (1, 1, 1, 1, 1), 8))
    with pytest.raises(InputError, match=r"detector\.channels=\[8,8,16,16,16\] detector\.width=8"):
        thaw(network, "detector", exported / "detector.onnx", images(1))


def test_a_run_starts_where_the_shipped_refiner_is(film_set: Path, tmp_path):
    common = [
        *("model=refiner", "dataset=none", "loop.batch=2", "loop.device=cpu", "loop.threads=1"),
        f"+sets={{mine: {{name: mine, annotations: {film_set / 'annotations.json'}}}}}",
        *(*SHIPPED, "loop.steps=2"),
    ]
    losses = {}
    for start in ("shipped", "null"):
        command = [*common, f"start_from={start}", f"out={tmp_path / start}", "loop.log_every=1"]
        assert train(command) == 0
        first = (tmp_path / start / "progress.jsonl").read_text().splitlines()[0]
        losses[start] = float(first.split('"loss": ')[1].split(",")[0])
    assert losses["shipped"] < 0.8 * losses["null"]
    saved = torch.load(tmp_path / "shipped" / "model.pt", weights_only=True)
    assert saved["steps"] == 2
    with pytest.raises(InputError, match=r"widen=true needs the model\.pt of a run"):
        train([*common, "start_from=shipped", "widen=true", f"out={tmp_path / 'wide'}"])


def test_the_shipped_networks_are_as_large_as_the_documentation_says():
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    assert all(size in text for size in SHIPPED)
    for model, sizes in (("detector", ()), ("refiner", SHIPPED)):
        command = [f"model={model}", "dataset=none", *sizes]
        config, _ = compose_config("train", TrainConfig, command)
        assert isinstance(config, TrainConfig)
        network = Detector(config.detector) if model == "detector" else Refiner(config.refiner)
        inputs = 2 if model == "detector" else 1
        image = torch.zeros(1, inputs, 128, 128)
        thaw(network, model, weights_folder() / f"{model}.onnx", [image])
