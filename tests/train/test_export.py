"""Exported networks equal those that were trained, say what they are, and tell no secrets."""

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from endplate.errors import InputError
from endplate.geometry.levels import LEVELS, POINTS
from endplate.infer.pipeline import FilmReader
from endplate.infer.session import Network
from endplate.train.export import export_checkpoint, load_checkpoint
from endplate.train.main import export


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(model: torch.nn.Module, path: Path, shape: tuple[int, ...]) -> None:
    image = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        wanted = model(image)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for w, g in zip(wanted, session(path).run(None, {"image": image.numpy()}), strict=True):
        np.testing.assert_allclose(g, w.numpy(), atol=2e-4 * float(w.abs().max()))


@pytest.mark.parametrize("size", [(64 * 2, 64 * 3), (64 * 5, 64 * 2), (576, 320)])
def test_the_detector_is_the_same_at_every_size(checkpoints, exported, size):
    model, _ = load_checkpoint(checkpoints / "detector" / "model.pt")
    compare(model, exported / "detector.onnx", (1, 2, *size))


@pytest.mark.parametrize("batch", [1, 2, 11])
def test_the_refiner_is_the_same_for_every_batch(checkpoints, exported, batch):
    model, _ = load_checkpoint(checkpoints / "refiner" / "model.pt")
    compare(model, exported / "refiner.onnx", (batch, 1, 128, 128))


@pytest.mark.parametrize("task", ["detector", "refiner"])
def test_the_network_says_what_it_is(checkpoints, exported, task):
    _, metadata = load_checkpoint(checkpoints / task / "model.pt")
    network = Network.load(exported / f"{task}.onnx", provider="cpu", threads=1)
    assert network.metadata == metadata
    assert metadata.task == task
    assert (metadata.points, metadata.levels) == (POINTS, LEVELS)
    assert (metadata.crop, metadata.extent) == ((0, 0.0) if task == "detector" else (128, 1.8))
    assert metadata.normalisation.endswith("detector_input" if task == "detector" else "normalise")
    assert metadata.training["steps"] == 1
    assert metadata.training["seed"] == 4
    assert set(metadata.training["data_sha256"]) == {"lumbar/annotations.json"}
    # what is said of the command can be run elsewhere: it names no folder of this machine
    assert metadata.training["command"].startswith(f"endplate train model={task} dataset=lumbar")
    assert "/" not in metadata.training["command"]
    assert "loop.seed=4" in metadata.training["command"]


def test_a_network_says_whether_it_has_seen_slabs_of_cts(checkpoints, tmp_path):
    saved = torch.load(checkpoints / "detector" / "model.pt", weights_only=True)
    _, metadata = load_checkpoint(checkpoints / "detector" / "model.pt")
    assert not metadata.training["ct_slabs"]
    config = saved["provenance"]["config"]
    assert "\n  lumbar:\n    name: lumbar\n" in config
    saved["provenance"]["config"] = config.replace(
        "\n  lumbar:\n    name: lumbar\n", "\n  ct_slabs:\n    name: ct_slabs\n"
    )
    torch.save(saved, tmp_path / "model.pt")
    _, metadata = load_checkpoint(tmp_path / "model.pt")
    assert metadata.training["ct_slabs"]


@pytest.mark.parametrize("task", ["detector", "refiner"])
def test_files_hold_no_path_of_this_machine(exported, checkpoints, task):
    content = (exported / f"{task}.onnx").read_bytes()
    private = ["/site-packages", "/home", os.getcwd(), str(Path.home()) + "/", str(checkpoints)]  # noqa: PTH109
    assert [p for p in private if p.encode() in content] == []
    onnx.checker.check_model(onnx.load_from_string(content))


def test_the_command_reports_parity(checkpoints, tmp_path, capsys):
    out = tmp_path / "new" / "refiner.onnx"
    assert export([f"checkpoint={checkpoints / 'refiner' / 'model.pt'}", f"out={out}"]) == 0
    text = capsys.readouterr().out
    assert text.count("largest difference to torch") == 3
    assert out.is_file()
    # twice the same network, twice the same file
    assert Network.load(out, threads=1).metadata.task == "refiner"


def _changed(checkpoint: Path, out: Path, change) -> Path:
    saved = torch.load(checkpoint, weights_only=True)
    change(saved)
    torch.save(saved, out)
    return out


def test_runs_are_averaged(checkpoints, tmp_path):
    first = checkpoints / "refiner" / "model.pt"

    def shifted(saved):
        saved["weights"] = {
            k: v + 3 if v.is_floating_point() else v for k, v in saved["weights"].items()
        }
        saved["provenance"]["seed"] = 17

    others = [_changed(first, tmp_path / f"{n}.pt", shifted) for n in "ab"]
    one, _ = load_checkpoint(first)
    mean, metadata = load_checkpoint(first, others)
    for (name, value), (_, found) in zip(
        one.state_dict().items(), mean.state_dict().items(), strict=True
    ):
        if value.is_floating_point():
            torch.testing.assert_close(found, value + 2, msg=name)
        else:
            assert torch.equal(found, value)
    assert (metadata.training["seed"], metadata.training["averaged_seeds"]) == (4, [17, 17])
    assert load_checkpoint(first)[1].training["averaged_seeds"] == []


def test_other_networks_are_not_averaged(checkpoints, tmp_path):
    first = checkpoints / "refiner" / "model.pt"
    with pytest.raises(InputError, match="its task is detector"):
        load_checkpoint(first, [checkpoints / "detector" / "model.pt"])
    other = _changed(first, tmp_path / "f.pt", lambda s: s["provenance"].update(fold=3))
    with pytest.raises(InputError, match=r"f\.pt: its fold is 3"):
        load_checkpoint(first, [other])
    other = _changed(first, tmp_path / "w.pt", lambda s: s["weights"].popitem())
    with pytest.raises(InputError, match=r"w\.pt: another network than"):
        load_checkpoint(first, [other])


@pytest.mark.parametrize("task", ["detector", "refiner"])
def test_networks_together_give_the_mean_of_their_answers(checkpoints, tmp_path, task):
    first = checkpoints / task / "model.pt"

    def other_weights(saved):
        saved["weights"] = {
            k: 1.3 * v if v.is_floating_point() else v for k, v in saved["weights"].items()
        }
        saved["provenance"]["seed"] = 17

    second = _changed(first, tmp_path / "other.pt", other_weights)
    both = tmp_path / "both.onnx"
    parts = [f"checkpoint={first}", f"together_with=[{second}]", f"out={both}"]
    assert export(parts) == 0
    shape = (1, 2, 128, 192) if task == "detector" else (3, 1, 128, 128)
    image = torch.randn(*shape, generator=torch.Generator().manual_seed(5))
    alone = []
    for path in (first, second):
        with torch.no_grad():
            given = load_checkpoint(path)[0](image)
        alone.append(given if isinstance(given, tuple) else (given,))
    found = session(both).run(None, {"image": image.numpy()})
    for one, two, mean in zip(*alone, found, strict=True):
        assert float((one - two).abs().max()) > 0.01
        wanted = ((one + two) / 2).numpy()
        np.testing.assert_allclose(mean, wanted, atol=2e-4 * np.abs(wanted).max())
    training = Network.load(both, provider="cpu", threads=1).metadata.training
    assert (training["seed"], [t["seed"] for t in training["together_with"]]) == (4, [17])


def test_networks_that_do_not_go_together_are_refused(checkpoints, tmp_path):
    first = checkpoints / "refiner" / "model.pt"
    out = tmp_path / "x.onnx"
    with pytest.raises(InputError, match="its task is detector"):
        export_checkpoint(first, out, together_with=[checkpoints / "detector" / "model.pt"])
    other = _changed(first, tmp_path / "f.pt", lambda s: s["provenance"].update(fold=3))
    with pytest.raises(InputError, match=r"f\.pt: its fold is 3"):
        export_checkpoint(first, out, together_with=[other])
    assert not out.exists()


def test_networks_of_the_wrong_task_are_refused(exported, tmp_path):
    for name in ("detector.onnx", "refiner.onnx"):
        (tmp_path / name).write_bytes((exported / "refiner.onnx").read_bytes())
    with pytest.raises(InputError, match=r"detector\.onnx: is a refiner, not a detector"):
        FilmReader(tmp_path, threads=1)


@pytest.mark.parametrize("size", [10, 1000, -1])
def test_truncated_networks_are_refused(exported, tmp_path, size):
    path = tmp_path / "detector.onnx"
    path.write_bytes((exported / "detector.onnx").read_bytes()[:size])
    with pytest.raises(InputError, match=r"detector\.onnx: ONNX Runtime cannot load it"):
        Network.load(path, threads=1)


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "model.pt")
    (tmp_path / "model.pt").write_bytes(b"PK and then nothing")
    with pytest.raises(InputError, match="not a checkpoint of endplate train"):
        load_checkpoint(tmp_path / "model.pt")
    torch.save({"weights": {}}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="not a checkpoint of endplate train"):
        load_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize("change", ["weights", "task", "config"])
def test_checkpoints_that_do_not_fit_themselves_are_refused(checkpoints, tmp_path, change):
    saved = torch.load(checkpoints / "refiner" / "model.pt", weights_only=True)
    if change == "weights":
        saved["weights"].popitem()
    elif change == "task":
        saved["task"] = "detector"
    else:
        saved["provenance"]["config"] = saved["provenance"]["config"].replace(
            "width: 8", "width: x"
        )
    torch.save(saved, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"model\.pt"):
        export_checkpoint(tmp_path / "model.pt", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
