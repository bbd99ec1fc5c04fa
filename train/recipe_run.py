"""Running the jobs of a recipe: some at once, each in its own process, going on after a stop."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from endplate.datasets.ct_simulator.api import read_pairs
from endplate.datasets.film_set import UNFINISHED
from endplate.errors import EndplateError, InputError
from endplate.study.locks import hold
from endplate.train.config import TrainConfig, compose_config
from endplate.train.recipe import ALL, Job, RecipeConfig, folder_of, plan

__all__ = ["RecipeFailed", "run_recipe"]

_START: Final = "import sys; from endplate.infer.cli import main; sys.exit(main())"
_STATE: Final = "recipe.json"
_LOCK: Final = "recipe.lock"
#: May differ when a recipe goes on: which networks are wanted, and how the work is shared out.
_FREE: Final = ("folds", "at_once", "evaluate", "out", "device", "threads", "workers")
_WAIT_S: Final = 0.2


class RecipeFailed(EndplateError):
    """A job of a recipe did not end well."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A job and its process."""

    job: Job
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    started: float


def run_recipe(config: RecipeConfig, resolved: Mapping[str, Any], every_s: float = 60.0) -> Path:
    """Run what is not done yet; returns the folder of the networks.

    Prints a line when a job ends, and every `every_s` seconds one on what is running.

    Parameters
    ----------
    config : RecipeConfig
    resolved : mapping
        The same as plain values: a recipe of another kind in the same folder is refused.

    Raises
    ------
    RecipeFailed
        If a job fails; the others are stopped, and go on when the recipe is called again.
    InputError
        If the folder holds another recipe, or one runs there, or a training could not run: an
        override that names nothing, or films that are not there.
    """
    jobs = plan(config)
    out = Path(config.out)
    _check_trainings(jobs, out / "films")
    if config.cts:
        read_pairs(config.cts)
    state = _State(out, {k: v for k, v in resolved.items() if k not in _FREE})
    todo = [job for job in jobs if not state.is_done(job)]
    print(f"{len(jobs)} jobs, {len(jobs) - len(todo)} of them done; logs in {out / 'logs'}")
    if todo:
        taken = f"{out}: a recipe, or a job of one, is still running there"
        # two that write the same weights would ruin them; of a killed recipe the jobs may go on
        with hold(out / _LOCK, taken) as lock, _ended_by_signal():
            _Runner(todo, state, config.at_once, len(jobs), every_s, lock).run()
    fitted = out / "evaluation" / "calibration.json"
    weights = folder_of(config, ALL)
    if any(job.name == "evaluate" for job in jobs) and ALL in config.folds:
        shutil.copyfile(fitted, weights / fitted.name)
    return weights if ALL in config.folds else out / "folds"


def _check_trainings(jobs: Sequence[Job], made: Path) -> None:
    """Miss now what a training would miss after an hour; films below `made` are still to come."""
    for job in jobs:
        if job.arguments[0] != "train":
            continue
        training, _ = compose_config("train", TrainConfig, list(job.arguments[1:]))
        for one in training.sets.values():
            if training.task == "refiner" and not one.annotations:
                continue  # films without bodies, which it leaves out
            for text in (one.annotations, one.exact, one.images):
                path = Path(text)
                if text and not path.exists() and not path.is_relative_to(made):
                    raise InputError(
                        f"{path}: not there, but needed by the films {one.name} of {job.name};"
                        " set data=FOLDER or ENDPLATE_DATA, or leave the set out (docs/training.md)"
                    )


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """A request to end, as of a batch system, ends the jobs too."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _State:
    """What is done, in ``recipe.json``: seconds and units of each job that ended well."""

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.logs = out / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.path = out / _STATE
        self.settings = dict(settings)
        self.done: dict[str, dict[str, float]] = {}
        if self.path.exists():
            self._read()
        self._write()

    def is_done(self, job: Job) -> bool:
        return job.name in self.done and job.product.exists()

    def note(self, job: Job, seconds: float) -> None:
        self.done[job.name] = {"seconds": round(seconds, 1), "units": job.units}
        self._write()

    def _read(self) -> None:
        try:
            saved = json.loads(self.path.read_text(encoding="utf-8"))
            before, done = dict(saved["settings"]), dict(saved["done"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path}: not the state of a recipe; remove its folder"
            ) from error
        other = [k for k in {**before, **self.settings} if before.get(k) != self.settings.get(k)]
        if other:
            raise InputError(
                f"{self.path}: made with another {', '.join(other)}; use the same settings to go"
                " on, or out=... for a new folder"
            )
        self.done = done

    def _write(self) -> None:
        partial = self.path.with_name(_STATE + ".part")
        text = json.dumps({"settings": self.settings, "done": self.done}, indent=1)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(self.path)


class _Runner:
    """Starts jobs whose predecessors are done, as many at once as asked for."""

    def __init__(
        self,
        todo: Sequence[Job],
        state: _State,
        at_once: int,
        total: int,
        every_s: float,
        lock: int,
    ) -> None:
        self.waiting, self.state, self.at_once = list(todo), state, at_once
        self.total, self.every_s, self.lock = total, every_s, lock
        self.unfinished = {job.name for job in todo}
        self.running: list[_Running] = []
        #: Seconds for a unit of each kind of job that was seen.
        self.pace: dict[str, float] = {}
        self.began = time.monotonic()

    def run(self) -> None:
        said = self.began
        try:
            while self.waiting or self.running:
                self._start()
                time.sleep(_WAIT_S)
                self._collect()
                if time.monotonic() - said >= self.every_s and self.running:
                    said = time.monotonic()
                    self._say()
        finally:
            self._stop()

    def _start(self) -> None:
        for job in list(self.waiting):
            full = len(self.running) >= self.at_once
            if full or any(r.job.alone for r in self.running):
                return
            if set(job.after) & self.unfinished:
                continue
            if job.alone and self.running:
                # it is its turn: wait until the cores are free
                return
            self.waiting.remove(job)
            self.running.append(self._launch(job))

    def _launch(self, job: Job) -> _Running:
        # processes that share the cores get in each other's way with all threads each
        threads = {} if job.alone else {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        log = (self.state.logs / f"{job.name}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, *job.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **threads},
            # only where it holds the lock; elsewhere a descriptor cannot be handed on
            pass_fds=(self.lock,) if os.name == "posix" else (),
        )
        return _Running(job, process, log, time.monotonic())

    def _collect(self) -> None:
        for one in [r for r in self.running if r.process.poll() is not None]:
            one.log.close()
            self.running.remove(one)
            log = self.state.logs / f"{one.job.name}.log"
            if one.process.returncode != 0 or not one.job.product.exists():
                raise RecipeFailed(
                    f"{one.job.name} failed ({_last_line(log)}); see {log}, then give the same"
                    " command again"
                )
            seconds = time.monotonic() - one.started
            self.pace.setdefault(one.job.kind, seconds / one.job.units)
            self.unfinished.discard(one.job.name)
            self.state.note(one.job, seconds)
            done = self.total - len(self.unfinished)
            print(
                f"{self._clock()}  {done} of {self.total} done  {one.job.name}"
                f" {seconds / 60:.1f} min",
                flush=True,
            )

    def _say(self) -> None:
        shares = {r.job.name: _share(r.job) for r in self.running}
        for one in self.running:
            share = shares[one.job.name]
            if share > 0:
                spent = time.monotonic() - one.started
                self.pace[one.job.kind] = spent / (share * one.job.units)
        texts = [
            f"{r.job.name} {100 * shares[r.job.name]:.0f} %" if r.job.units > 1 else r.job.name
            for r in self.running
        ]
        print(f"{self._clock()}  {', '.join(texts)}{self._left(shares)}", flush=True)

    def _left(self, shares: Mapping[str, float]) -> str:
        """An estimate, once every kind of job that counts was seen."""
        jobs = [r.job for r in self.running] + self.waiting
        if any(j.kind not in self.pace and j.units > 1 for j in jobs):
            return ""
        seconds = sum(
            self.pace.get(j.kind, 0.0)
            * j.units
            * (1 - shares.get(j.name, 0.0))
            / (1 if j.alone else self.at_once)
            for j in jobs
        )
        return f"  about {seconds / 60:.0f} min left"

    def _clock(self) -> str:
        return f"{(time.monotonic() - self.began) / 60:6.1f} min"

    def _stop(self) -> None:
        """End what still runs; all of it goes on from its last checkpoint."""
        for one in self.running:
            one.process.terminate()
        for one in self.running:
            one.process.wait()
            one.log.close()


def _share(job: Job) -> float:
    """How much of a training or simulation is done, from what it has left in its folder."""
    folder = job.product.parent
    if job.arguments[0] == "simulate":
        return min(len(list((folder / UNFINISHED).glob("*.json"))) / job.units, 1.0)
    try:
        with (folder / "progress.jsonl").open() as stream:
            last = stream.readlines()[-1]
        return min(float(json.loads(last)["step"]) / job.units, 1.0)
    except (OSError, ValueError, IndexError, KeyError):
        return 0.0


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
