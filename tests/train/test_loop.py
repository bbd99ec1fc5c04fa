"""The training loop: it learns, stops, resumes, and refuses what does not fit."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from endplate.errors import InputError, UnknownName
from endplate.train.augment import AugmentConfig
from endplate.train.detector_task import DetectorTask, DetectorTaskConfig
from endplate.train.films import to_train_film
from endplate.train.loop import LoopConfig, TrainResult, fit
from endplate.train.main import train
from endplate.train.refiner_task import RefinerTask, RefinerTaskConfig

from .films import small_films, write_set

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Plain:
    """A task of milliseconds: tell the brightness of noise; with dropout and running means."""

    name = "plain"

    def __init__(self, width: int = 4, fails_at: int | None = None) -> None:
        self.width, self.fails_at, self.drawn = width, fails_at, 0

    def build_model(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, self.width, 3, padding=1),
            nn.BatchNorm2d(self.width),
            nn.Dropout(0.3),
            nn.Conv2d(self.width, 1, 1),
        )

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        self.drawn += 1
        if self.fails_at is not None and self.drawn > self.fails_at:
            raise KeyboardInterrupt
        image = rng.normal(rng.uniform(-1, 1), 1, (1, 8, 8)).astype(np.float32)
        return {"image": image, "level": image.mean(keepdims=True)}

    def loss(self, outputs: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        loss = (outputs.float().mean(dim=(2, 3), keepdim=True) - batch["level"]).square().mean()
        return loss, {"square": loss}


def config(**settings) -> LoopConfig:
    options: dict[str, Any] = {
        "steps": 12,
        "batch": 2,
        "precision": "fp32",
        "device": "cpu",
        "warmup": 2,
    }
    options |= {"log_every": 3, "save_every": 4}
    return LoopConfig(**(options | settings))


def run(
    out: Path,
    task: Plain | None = None,
    start_from: Path | None = None,
    widen: bool = False,
    **settings,
) -> TrainResult:
    return fit(
        task or Plain(), config(**settings), out, start_from=start_from, widen=widen, quiet=True
    )


def weights(result: TrainResult) -> dict[str, Tensor]:
    saved = torch.load(result.checkpoint, weights_only=True)
    out: dict[str, Tensor] = saved["weights"]
    return out


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_the_same_seed_gives_the_same_weights(tmp_path):
    first, again = run(tmp_path / "a"), run(tmp_path / "b")
    assert_same(weights(first), weights(again))
    other = weights(run(tmp_path / "c", seed=1))
    assert any(not torch.equal(v, other[k]) for k, v in weights(first).items())


@pytest.mark.parametrize("stopped_after", [9, 16, 23])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path, stopped_after):
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", Plain(fails_at=stopped_after))
    saved = torch.load(tmp_path / "broken" / "last.pt", weights_only=True)
    assert saved["step"] == stopped_after // 2 // 4 * 4
    resumed = run(tmp_path / "broken")
    assert resumed.steps == 12
    assert_same(weights(resumed), weights(whole))


def test_a_finished_run_is_not_trained_further(tmp_path):
    first = run(tmp_path)
    task = Plain()
    again = run(tmp_path, task)
    assert (again.steps, task.drawn) == (12, 0)
    assert_same(weights(again), weights(first))


def test_worker_processes_draw_the_same_samples(tmp_path):
    alone = run(tmp_path / "alone", steps=4)
    helped = run(tmp_path / "helped", steps=4, workers=1)
    assert_same(weights(alone), weights(helped))


def test_the_run_leaves_its_curves(tmp_path):
    run(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [r["step"] for r in rows] == [3, 6, 9, 12]
    assert all({"loss", "square", "rate", "seconds"} <= r.keys() for r in rows)
    # warm up, then a cosine
    rates = [r["rate"] for r in rows]
    assert rates == sorted(rates, reverse=True)
    events = list(tmp_path.glob("events.out.tfevents.*"))
    assert len(events) == 1
    assert events[0].stat().st_size > 0
    assert not (tmp_path / "last.pt.part").exists()


def test_the_time_is_a_limit_too(tmp_path, monkeypatch):
    # a clock that goes on by a second whenever it is read, once a step
    seconds = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("endplate.train.loop.time", clock)
    result = run(tmp_path, steps=1000, minutes=10 / 60, log_every=1)
    assert result.steps == 9
    assert result.checkpoint.is_file()
    # the learning rate has come down with the time, not with the steps
    assert losses(tmp_path)[-1]["rate"] < 0.1 * 2e-3
    # a resumed run has used up its time
    assert run(tmp_path, steps=1000, minutes=10 / 60).steps == 9


def test_half_precision(tmp_path):
    result = run(tmp_path, precision="bf16")
    assert np.isfinite(result.loss)
    # the weights themselves stay in full precision
    assert {v.dtype for v in weights(result).values()} == {torch.float32, torch.int64}


def test_a_run_may_start_from_the_weights_of_another(tmp_path):
    first = run(tmp_path / "first")
    second = run(tmp_path / "second", start_from=first.checkpoint, steps=1, rate=0.0, seed=5)
    learnt = dict(Plain().build_model().named_parameters())
    for name in learnt:
        torch.testing.assert_close(weights(second)[name], weights(first)[name])


def test_a_run_may_start_from_a_narrower_network(tmp_path):
    first = run(tmp_path / "first")
    wider = Plain(width=6)
    with pytest.raises(InputError, match="does not fit this network"):
        run(tmp_path / "second", wider, start_from=first.checkpoint)
    second = run(
        tmp_path / "second", wider, start_from=first.checkpoint, widen=True, steps=1, rate=0.0
    )
    torch.testing.assert_close(weights(second)["0.weight"][:4], weights(first)["0.weight"])
    with pytest.raises(InputError, match=r"model\.pt: cannot be widened"):
        run(tmp_path / "third", start_from=second.checkpoint, widen=True)


class WithHead(Plain):
    """The same network with a head that `Plain` has not."""

    def build_model(self) -> nn.Module:
        model = super().build_model()
        model.add_module("extra", nn.Conv2d(1, 1, 1))
        return model


def test_a_head_that_the_other_run_had_not_starts_anew(tmp_path):
    first = run(tmp_path / "first")
    second = run(tmp_path / "second", WithHead(), start_from=first.checkpoint, steps=1, rate=0.0)
    torch.testing.assert_close(weights(second)["0.weight"], weights(first)["0.weight"])
    assert weights(second)["extra.weight"].shape == (1, 1, 1, 1)
    with pytest.raises(InputError, match="does not fit this network"):
        run(tmp_path / "back", start_from=second.checkpoint)


def test_the_checkpoint_says_what_was_trained(tmp_path):
    fit(Plain(), config(steps=2), tmp_path, provenance={"config": "a: 1"}, quiet=True)
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    assert saved["task"] == "plain"
    assert saved["steps"] == 2
    assert saved["loop"]["batch"] == 2
    assert saved["provenance"] == {"config": "a: 1"}


def test_checkpoints_of_other_networks_are_refused(tmp_path):
    other = run(tmp_path / "other", Plain(width=5), steps=1)
    with pytest.raises(InputError, match="does not fit this network"):
        run(tmp_path / "new", start_from=other.checkpoint)
    with pytest.raises(InputError, match="the run in this folder trained another network"):
        run(tmp_path / "other")


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        run(tmp_path / "new", start_from=tmp_path / "nowhere.pt")
    (tmp_path / "bad.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"bad\.pt: not a checkpoint"):
        run(tmp_path / "new", start_from=tmp_path / "bad.pt")
    torch.save([1, 2, 3], tmp_path / "list.pt")
    with pytest.raises(InputError, match=r"list\.pt: not a checkpoint"):
        run(tmp_path / "new", start_from=tmp_path / "list.pt")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "last.pt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"last\.pt: not a checkpoint"):
        run(broken)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"precision": "fp8"}, UnknownName, "unknown precision 'fp8'; valid: fp32, bf16"),
        ({"device": "tpu"}, UnknownName, "unknown device 'tpu'; valid: auto, cpu, cuda"),
        ({"steps": 0}, InputError, r"loop\.steps=0: expected at least 1"),
        ({"batch": 0}, InputError, r"loop\.batch=0: expected at least 1"),
    ],
)
def test_settings_out_of_bounds_are_refused(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        run(tmp_path, **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_cuda_device_is_named(tmp_path):
    with pytest.raises(InputError, match="torch finds no CUDA device"):
        run(tmp_path, device="cuda")


def losses(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "progress.jsonl").read_text().splitlines()]


def test_the_detector_learns_two_films(tmp_path, tiny_detector):
    films = [to_train_film(f, "g") for f in small_films(2)]
    quiet = AugmentConfig(2, 0.02, 0, 0, 0.5, 0, 0, 0, 0, 0, 0)
    settings = DetectorTaskConfig(128, 128, whole=0.2, depths=(28, 34), augment=quiet)
    task = DetectorTask(films, [1, 1], settings, tiny_detector)
    loop = config(steps=50, batch=4, rate=8e-3, warmup=5, log_every=5, save_every=99)
    fit(task, loop, tmp_path, quiet=True)
    rows = losses(tmp_path)
    start, end = rows[0], {k: np.mean([r[k] for r in rows[-3:]]) for k in rows[0]}
    assert end["loss"] < 0.7 * start["loss"]
    for part in ("centre", "offset", "level"):
        assert end[part] < 0.85 * start[part], part


def test_the_refiner_learns_two_films(tmp_path, tiny_refiner):
    films = [to_train_film(f, "g") for f in small_films(2)]
    quiet = AugmentConfig(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    task = RefinerTask(
        films, [1, 1], RefinerTaskConfig(mirror=0, wedge_share=0, augment=quiet), tiny_refiner
    )
    loop = config(steps=40, batch=8, rate=8e-3, warmup=5, log_every=5, save_every=99)
    fit(task, loop, tmp_path, quiet=True)
    rows = losses(tmp_path)
    assert np.mean([r["distance"] for r in rows[-3:]]) < 0.4 * rows[0]["distance"]
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]


def small_run(film_set: Path, out: Path) -> list[str]:
    return [
        *("dataset=lumbar", f"data={film_set.parent}", f"out={out}", "refiner.crop=64"),
        *("model=refiner", "refiner.channels=[8,8,16,16,16]", "refiner.width=8"),
        *("refiner.units=[1,1,1,1,1]", "loop.steps=3", "loop.batch=2", "loop.device=cpu"),
        *("loop.log_every=1", "loop.threads=1", f"sets.lumbar.annotations={film_set}"),
    ]


def test_the_command_trains_and_keeps_its_configuration(tmp_path, film_set, capsys):
    out = tmp_path / "run"
    assert train(small_run(film_set / "annotations.json", out)) == 0
    assert "trained refiner: 3 steps" in capsys.readouterr().out
    saved = torch.load(out / "model.pt", weights_only=True)
    text = (out / "config.yaml").read_text()
    assert saved["provenance"]["config"] == text
    assert "crop: 64" in text
    assert set(saved["provenance"]["data_sha256"]) == {"lumbar/annotations.json"}


def test_two_processes_train_one_network(tmp_path):
    """Also the module as it is started from a shell; needs about 15 s of processor time."""
    annotations = write_set(tmp_path / "films", 2)
    out = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "endplate.train.main", *small_run(annotations, out)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=500, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # only the first process speaks and writes
    assert done.stdout.count("trained refiner: 3 steps") == 1
    assert len(losses(out)) == 3
    assert "step 3  12 images" in done.stdout
    assert torch.load(out / "model.pt", weights_only=True)["steps"] == 3
    assert len(list(out.glob("events.out.tfevents.*"))) == 1


def test_a_wrong_override_ends_the_module_with_a_sentence(tmp_path, monkeypatch, capsys):
    from endplate.train import main

    monkeypatch.setattr(sys, "argv", ["train", "loop.stepz=1"])
    assert main._main() == 2
    assert "stepz" in capsys.readouterr().err
