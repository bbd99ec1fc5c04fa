"""The whole recipe as a list of jobs: simulated films, training step by step, export, fitting.

``endplate recipe`` runs them (`endplate.train.recipe_run`); here is only what they are and which
waits for which.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from omegaconf import MISSING

from endplate.errors import InputError, UnknownName

__all__ = [
    "ALL",
    "FilmsConfig",
    "Job",
    "RecipeConfig",
    "StepConfig",
    "folder_of",
    "plan",
    "steps_to",
]

#: Stands for the fold of the networks that learn from every subject.
ALL: Final = "all"
_NETWORKS: Final = ("detector", "refiner")
#: The films that every step sees besides its own: the view to be told apart.
_FRONTAL: Final = "frontal"


@dataclass
class FilmsConfig:
    """A set of simulated films.

    Parameters
    ----------
    count : int
        How many; with CTs, how many of each.
    seed : int
        Of the first film.
    settings : list of str
        As after ``endplate simulate``.
    """

    count: int = MISSING
    seed: int = MISSING
    settings: list[str] = field(default_factory=list)


@dataclass
class StepConfig:
    """One training step.

    Parameters
    ----------
    network : str
        ``detector`` or ``refiner``.
    films : list of str
        Simulated films that it sees, some of `RecipeConfig.films`.
    steps : int
        Length.
    after : str or None
        Step whose weights it starts with; null: random ones.
    shared : bool
        Sees no real film, so that all folds start from it.
    settings : list of str
        Further overrides, as after ``endplate train``.
    """

    network: str = MISSING
    films: list[str] = MISSING
    steps: int = MISSING
    after: str | None = None
    shared: bool = False
    settings: list[str] = field(default_factory=list)


@dataclass
class RecipeConfig:
    """What to train.

    Parameters
    ----------
    out : str
        Folder of everything; the same command in the same folder goes on where it stopped.
    folds : list of str
        Folds whose subjects are left out, ``all`` for networks that learn from every subject.
    of : int
        Number of folds.
    at_once : int
        Jobs that run at the same time, and processes that simulate.
    scale : float
        Share of the films and training steps; a small one tries everything in minutes.
    mixed : str
        Data set of the steps that see real films; empty: ``all``, with `cts` ``all_ct``.
    cts : str
        List of CTs as for ``endplate simulate --cts``; empty: none.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    threads, workers : int
        Of each training: threads of the network, processes that prepare its samples.
    common : list of str
        Further overrides of every training.
    films, cts_films, cts_slabs, steps
        See `FilmsConfig`, `StepConfig`.
    networks : dict
        For each network the overrides of all its trainings.
    weights : dict
        For each network the last steps of it, whose weights are averaged.
    evaluate : bool
        When every fold was trained, fit ``calibration.json`` on the films held out and put it
        beside the networks.
    """

    data: str = ""
    out: str = "runs/recipe"
    folds: list[str] = field(default_factory=lambda: [ALL])
    of: int = 5
    at_once: int = 2
    scale: float = 1.0
    mixed: str = ""
    cts: str = ""
    device: str = "auto"
    threads: int = 1
    workers: int = 0
    common: list[str] = field(default_factory=list)
    films: dict[str, FilmsConfig] = field(default_factory=dict)
    cts_films: FilmsConfig = field(default_factory=FilmsConfig)
    cts_slabs: FilmsConfig = field(default_factory=FilmsConfig)
    networks: dict[str, list[str]] = field(default_factory=dict)
    steps: dict[str, StepConfig] = field(default_factory=dict)
    weights: dict[str, list[str]] = field(default_factory=dict)
    evaluate: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """One command of the recipe.

    Parameters
    ----------
    name : str
        Unique; also names its log.
    arguments : tuple of str
        After ``endplate``.
    product : Path
        File that is there once it is done.
    after : tuple of str
        Jobs that must be done before.
    kind : str
        Jobs of one kind take the same time for a unit.
    units : int
        Films or steps.
    alone : bool
        Uses all cores by itself.
    """

    name: str
    arguments: tuple[str, ...]
    product: Path
    after: tuple[str, ...] = ()
    kind: str = ""
    units: int = 1
    alone: bool = False


def plan(config: RecipeConfig) -> tuple[Job, ...]:
    """All jobs, each after those that it needs; steps that lead to no network are left out.

    Raises
    ------
    InputError
        If a number is out of bounds, or a step starts with one of another network or fold.
    UnknownName
        If a fold, network or step does not exist.
    """
    _check(config)
    steps = steps_to(config.steps, (n for last in config.weights.values() for n in last))
    jobs = list(_films(config, {films for name in steps for films in config.steps[name].films}))
    ready = tuple(job.name for job in jobs)
    jobs += [_training(config, name, None, ready) for name in steps if config.steps[name].shared]
    for fold in config.folds:
        own = [name for name in steps if not config.steps[name].shared]
        jobs += [_training(config, name, fold, ready) for name in own]
        jobs += [_export(config, network, fold) for network in config.weights]
    if config.evaluate and {str(f) for f in range(config.of)} <= set(config.folds):
        jobs.append(_evaluation(config, [j.name for j in jobs if j.kind == "export"]))
    return tuple(jobs)


def folder_of(config: RecipeConfig, fold: str) -> Path:
    """Where the networks of a fold go."""
    out = Path(config.out)
    return out / "weights" if fold == ALL else out / "folds" / fold


def steps_to(steps: Mapping[str, StepConfig], last: Iterable[str]) -> list[str]:
    """Some steps and all that lead to them, in their order."""
    wanted = set(last)
    for name, step in reversed(list(steps.items())):
        if name in wanted and step.after is not None:
            wanted.add(step.after)
    return [name for name in steps if name in wanted]


def _check(config: RecipeConfig) -> None:
    if config.at_once < 1 or not 0 < config.scale <= 1:
        raise InputError(
            f"at_once={config.at_once} scale={config.scale}: expected 1 or more, and a share"
            " above 0 and up to 1"
        )
    valid = (*(str(f) for f in range(config.of)), ALL)
    for fold in config.folds:
        if fold not in valid:
            raise UnknownName("fold", fold, valid)
    if _FRONTAL not in config.films:
        raise InputError(f"films.{_FRONTAL}: missing; every recipe needs them")
    lateral = [name for name in config.films if name != _FRONTAL]
    for name, step in config.steps.items():
        _check_network(step.network)
        _check_films(name, step.films, lateral)
        _check_start(config, name, step)
    for network, last in config.weights.items():
        _check_network(network)
        for name in last:
            _check_last(config, network, name)


def _check_network(name: str) -> None:
    if name not in _NETWORKS:
        raise UnknownName("network", name, _NETWORKS)


def _check_last(config: RecipeConfig, network: str, name: str) -> None:
    if name not in config.steps:
        raise UnknownName("step", name, tuple(config.steps))
    if config.steps[name].shared or config.steps[name].network != network:
        raise InputError(f"weights.{network}: {name} is no step of a fold's {network}")


def _check_films(step: str, wanted: Sequence[str], lateral: Sequence[str]) -> None:
    if not wanted:
        raise InputError(f"steps.{step}.films: empty, expected some of {', '.join(lateral)}")
    for films in wanted:
        if films not in lateral:
            raise UnknownName(f"films of {step}", films, lateral)


def _check_start(config: RecipeConfig, name: str, step: StepConfig) -> None:
    if step.after is None:
        return
    before = list(config.steps)[: list(config.steps).index(name)]
    if step.after not in before:
        raise UnknownName(f"step before {name}", step.after, before)
    start = config.steps[step.after]
    if start.network != step.network or (step.shared and not start.shared):
        raise InputError(
            f"steps.{name}.after={step.after}: expected a step of the {step.network}"
            + (" that sees no real film" if step.shared else "")
        )


def _films(config: RecipeConfig, wanted: set[str]) -> Iterator[Job]:
    for name, films in config.films.items():
        if name in wanted or name == _FRONTAL:
            yield _simulation(config, name, films, [])
    if config.cts:
        for name, films in (("film", config.cts_films), ("slab", config.cts_slabs)):
            extra = ["--cts", config.cts, "--kind", name]
            yield _simulation(config, f"ct-{name}s", films, extra)


def _simulation(config: RecipeConfig, name: str, films: FilmsConfig, extra: list[str]) -> Job:
    folder = Path(config.out) / "films" / name
    count = max(1, round(films.count * config.scale))
    arguments = ["simulate", "-o", str(folder), "-n", str(count), "--seed", str(films.seed)]
    arguments += ["--workers", str(config.at_once), *extra, *films.settings]
    product = folder / "annotations.json"
    kind = f"films-{name}"
    return Job(f"simulate-{name}", tuple(arguments), product, (), kind, count, alone=True)


def _training(config: RecipeConfig, name: str, fold: str | None, ready: tuple[str, ...]) -> Job:
    step = config.steps[name]
    home = _home(config, name, fold)
    steps = max(1, round(step.steps * config.scale))
    films = Path(config.out) / "films"
    dataset = config.mixed or ("all_ct" if config.cts else "all")
    arguments = [
        *(f"model={step.network}", f"dataset={'simulated' if step.shared else dataset}"),
        *(f"data={config.data}", f"simulated={films / step.films[0]}", f"out={home}"),
        f"simulated_more=[{','.join(str(films / more) for more in step.films[1:])}]",
        f"simulated_frontal={films / _FRONTAL}",
        *(f"loop.steps={steps}", f"loop.device={config.device}"),
        *(f"loop.threads={config.threads}", f"loop.workers={config.workers}", *config.common),
        *(*config.networks.get(step.network, ()), *step.settings),
    ]
    if config.cts and not step.shared:
        arguments += [f"ct_slabs={films / 'ct-slabs'}", f"ct_films={films / 'ct-films'}"]
    if fold not in (None, ALL):
        arguments += [f"fold={fold}", f"folds={config.of}"]
    after = ready
    if step.after is not None:
        start = _start_fold(config, step.after, fold)
        arguments.append(f"start_from={_home(config, step.after, start) / 'model.pt'}")
        after = (*ready, _job_name(step.after, start))
    return Job(
        _job_name(name, fold),
        ("train", *arguments),
        home / "model.pt",
        after,
        kind=f"{step.network}-{dataset if not step.shared else 'simulated'}",
        units=steps,
    )


def _export(config: RecipeConfig, network: str, fold: str) -> Job:
    last = config.weights[network]
    first, *others = [_home(config, name, fold) / "model.pt" for name in last]
    product = folder_of(config, fold) / f"{network}.onnx"
    arguments = ["export", f"checkpoint={first}", f"out={product}"]
    if others:
        arguments.append(f"averaged_with=[{','.join(str(o) for o in others)}]")
    after = tuple(_job_name(name, fold) for name in last)
    return Job(f"export-{network}-{fold}", tuple(arguments), product, after, "export")


def _evaluation(config: RecipeConfig, exports: list[str]) -> Job:
    out = Path(config.out)
    arguments = ("evaluate", f"data={config.data}", f"weights={out / 'folds' / 'FOLD'}")
    product = out / "evaluation" / "calibration.json"
    return Job(
        "evaluate",
        (*arguments, f"out={product.parent}", f"folds={config.of}"),
        product,
        tuple(exports),
        "evaluation",
        alone=True,
    )


def _start_fold(config: RecipeConfig, name: str, fold: str | None) -> str | None:
    return None if config.steps[name].shared else fold


def _home(config: RecipeConfig, name: str, fold: str | None) -> Path:
    return Path(config.out) / "runs" / ("shared" if fold is None else fold) / name


def _job_name(name: str, fold: str | None) -> str:
    return name if fold is None else f"{name}-{fold}"
