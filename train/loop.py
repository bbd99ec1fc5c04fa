"""The training loop: one plain loop for both networks, on CPU, GPU or several processes."""

import json
import math
import os
import random
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from endplate.errors import InputError, UnknownName
from endplate.train.checkpoints import load_weights, resume
from endplate.train.thaw import thaw

__all__ = ["LoopConfig", "Task", "TrainResult", "fit"]


#: Batches on which the norms of an exported network are measured.
_MEASURED: Final = 16


class Task(Protocol):
    """Something to learn: a network, its samples and its loss."""

    name: str

    def build_model(self) -> nn.Module:
        """A new network with random weights."""
        ...

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """One training sample; all arrays of a key have the same shape."""
        ...

    def loss(self, outputs: Any, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss and its parts."""
        ...


@dataclass
class LoopConfig:
    """How long and how to train.

    Training ends after `steps` or `minutes`, whichever comes first; the learning rate follows a
    cosine over whichever is further on. `precision` is ``fp32`` or ``bf16``.
    """

    steps: int = 3000
    minutes: float = 0.0
    batch: int = 8
    rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 100
    clip: float = 2.0
    ema: float = 0.998
    precision: str = "bf16"
    device: str = "auto"
    threads: int = 0
    workers: int = 0
    seed: int = 0
    log_every: int = 25
    save_every: int = 250


@dataclass(frozen=True)
class TrainResult:
    """Where the averaged weights lie, and how the run ended."""

    checkpoint: Path
    steps: int
    seconds: float
    loss: float


@dataclass(frozen=True)
class _World:
    """This process among those that train together."""

    rank: int
    size: int
    device: torch.device


class _Stream(Dataset[dict[str, Tensor]]):
    """Sample number i, whichever process or worker asks for it and whenever."""

    def __init__(self, task: Task, seed: int) -> None:
        self.task = task
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = self.task.sample(np.random.default_rng([self.seed, index]))
        return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in sample.items()}


def fit(
    task: Task,
    config: LoopConfig,
    out: Path,
    *,
    start_from: Path | None = None,
    widen: bool = False,
    provenance: dict[str, Any] | None = None,
    quiet: bool = False,
) -> TrainResult:
    """Train until the steps or the minutes are used up; continue where a run was stopped.

    Parameters
    ----------
    out : Path
        Folder of the run: ``last.pt`` (to resume), ``model.pt`` (averaged weights), TensorBoard
        events and ``progress.jsonl``.
    start_from : Path or None
        ``model.pt`` of another run, or ``.onnx`` of an exported network, whose weights to start
        with.
    widen : bool
        That run's network is narrower, see `endplate.train.widen`.
    provenance : dict or None
        Saved inside ``model.pt``: configuration, data checksums.

    Raises
    ------
    InputError
        If a checkpoint is damaged or belongs to another task or network, or a setting is out of
        bounds.
    UnknownName
        If there is no such precision or device.
    """
    _check(config)
    world = _join_world(config)
    _seed_everything(config.seed + world.rank)
    if config.threads > 0:
        torch.set_num_threads(config.threads)
    model = task.build_model().to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start_from is not None and not (out / "last.pt").is_file():
        _start(model, start_from, widen, task, config)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.rate, weight_decay=config.weight_decay
    )
    out.mkdir(parents=True, exist_ok=True)
    first, spent = resume(out / "last.pt", model, average, optimiser, world.device)
    trained: nn.Module = model
    if world.size > 1:
        trained = nn.parallel.DistributedDataParallel(model)
    run = _Run(task, config, out, world, model, trained, average, optimiser, quiet)
    step, seconds, loss = run.train(first, spent)
    if world.rank == 0:
        torch.save(
            {
                "task": task.name,
                "weights": average,
                "loop": asdict(config),
                "steps": step,
                "seconds": seconds,
                "provenance": provenance or {},
            },
            out / "model.pt",
        )
    if world.size > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return TrainResult(out / "model.pt", step, seconds, loss)


def _start(model: nn.Module, start_from: Path, widen: bool, task: Task, config: LoopConfig) -> None:
    if start_from.suffix != ".onnx":
        load_weights(model, start_from, narrower=widen)
        return
    if widen:
        raise InputError(f"{start_from}: widen=true needs the model.pt of a run")
    stream = _Stream(task, config.seed)
    device = next(model.parameters()).device
    batches = range(0, _MEASURED * config.batch, config.batch)
    thaw(
        model,
        task.name,
        start_from,
        (
            torch.stack([stream[i + j]["image"] for j in range(config.batch)]).to(device)
            for i in batches
        ),
    )


class _Run:
    """State of one run of the loop."""

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        out: Path,
        world: _World,
        model: nn.Module,
        trained: nn.Module,
        average: dict[str, Tensor],
        optimiser: torch.optim.Optimizer,
        quiet: bool,
    ) -> None:
        self.task, self.config, self.out, self.world = task, config, out, world
        self.model, self.trained, self.average = model, trained, average
        self.optimiser, self.quiet = optimiser, quiet

    def train(self, first: int, spent: float) -> tuple[int, float, float]:
        """Loop over the batches; returns steps done, seconds used, last smoothed loss."""
        config, lead = self.config, self.world.rank == 0
        writer = _writer(self.out) if lead else None
        started = time.monotonic()
        smooth = math.nan
        step = first
        self.trained.train()
        for batch in self._batches(first):
            elapsed = spent + time.monotonic() - started
            done = step / config.steps
            if config.minutes > 0:
                done = max(done, elapsed / (60 * config.minutes))
            if self._all_agree_to_stop(done >= 1):
                break
            rate = self._set_rate(step, min(done, 1.0))
            loss, parts = self._step(batch, step)
            step += 1
            smooth = loss if math.isnan(smooth) else 0.97 * smooth + 0.03 * loss
            if lead and step % config.log_every == 0:
                self._report(writer, step, smooth, parts, rate, elapsed, min(done, 1.0))
            if lead and step % config.save_every == 0:
                self._save(step, elapsed)
        seconds = spent + time.monotonic() - started
        if lead:
            self._save(step, seconds)
        if writer is not None:
            writer.close()
        return step, seconds, smooth

    def _batches(self, first: int) -> Iterator[dict[str, Tensor]]:
        c, w = self.config, self.world
        batches = (
            [(step * w.size + w.rank) * c.batch + j for j in range(c.batch)]
            for step in range(first, c.steps)
        )
        # the list, not the generator: worker processes need its length
        loader: DataLoader[dict[str, Tensor]] = DataLoader(
            _Stream(self.task, c.seed), batch_sampler=list(batches), num_workers=c.workers
        )
        yield from loader

    def _set_rate(self, step: int, done: float) -> float:
        rate = self.config.rate * min(1.0, (step + 1) / max(self.config.warmup, 1))
        rate *= 0.5 * (1 + math.cos(math.pi * done)) * 0.98 + 0.02
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def _step(self, batch: dict[str, Tensor], step: int) -> tuple[float, dict[str, float]]:
        device = self.world.device
        batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        half = (
            torch.autocast(device.type, torch.bfloat16)
            if self.config.precision == "bf16"
            else nullcontext()
        )
        # dropout must not depend on how often the run was stopped and resumed
        torch.manual_seed((self.config.seed * 1_000_003 + step) * self.world.size + self.world.rank)
        with half:
            outputs = self.trained(image)
        loss, parts = self.task.loss(outputs, batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self._average(step)
        return float(loss.detach()), {k: float(v.detach()) for k, v in parts.items()}

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # early on the average must forget the random start
        keep = min(self.config.ema, (step + 1) / (step + 10))
        for name, value in self.model.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)

    def _all_agree_to_stop(self, stop: bool) -> bool:
        if self.world.size == 1:
            return stop
        flag = torch.tensor(float(stop), device=self.world.device)
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag > 0)

    def _save(self, step: int, seconds: float) -> None:
        partial = self.out / "last.pt.part"
        torch.save(
            {
                "task": self.task.name,
                "step": step,
                "seconds": seconds,
                "model": self.model.state_dict(),
                "average": self.average,
                "optimiser": self.optimiser.state_dict(),
            },
            partial,
        )
        # a run killed while writing keeps the checkpoint before
        partial.replace(self.out / "last.pt")

    def _report(
        self,
        writer: Any,
        step: int,
        smooth: float,
        parts: dict[str, float],
        rate: float,
        elapsed: float,
        done: float,
    ) -> None:
        writer.add_scalar("loss/total", smooth, step)
        for name, value in parts.items():
            writer.add_scalar(f"loss/{name}", value, step)
        writer.add_scalar("rate", rate, step)
        row = {"step": step, "loss": smooth, **parts, "rate": rate, "seconds": elapsed}
        with (self.out / "progress.jsonl").open("a") as stream:
            stream.write(json.dumps({k: round(v, 6) for k, v in row.items()}) + "\n")
        if not self.quiet:
            left = elapsed / max(done, 1e-6) * (1 - done)
            images = step * self.config.batch * self.world.size
            values = "  ".join(f"{k} {v:.3f}" for k, v in parts.items())
            print(
                f"{self.task.name}  {100 * done:5.1f} %  step {step}  {images} images"
                f"  loss {smooth:.4f}  {values}  {left / 60:.1f} min left",
                flush=True,
            )


def _check(config: LoopConfig) -> None:
    if config.precision not in ("fp32", "bf16"):
        raise UnknownName("precision", config.precision, ("fp32", "bf16"))
    if config.device not in ("auto", "cpu", "cuda"):
        raise UnknownName("device", config.device, ("auto", "cpu", "cuda"))
    for name in ("steps", "batch", "log_every", "save_every"):
        if getattr(config, name) < 1:
            raise InputError(f"loop.{name}={getattr(config, name)}: expected at least 1")


def _writer(out: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(log_dir=str(out))


def _join_world(config: LoopConfig) -> _World:
    """Read what torchrun says of this process; alone otherwise."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: torch finds no CUDA device; use device=cpu or device=auto")
    device = torch.device(f"cuda:{local}" if name == "cuda" else name)
    if size > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return _World(rank, size, device)


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
