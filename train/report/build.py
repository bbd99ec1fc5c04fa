"""``endplate accuracy``: the whole evaluation, and docs/accuracy.md made from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2

from endplate import __version__
from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.loss_plan import plan_series, plan_spread_losses
from endplate.errors import InputError, UnknownName
from endplate.train.accuracy import FilmResult
from endplate.train.data import FilmSet
from endplate.train.evaluate import EvaluateConfig, run_evaluation
from endplate.train.evaluation_files import overlay_of
from endplate.train.report.domain import own_coverage
from endplate.train.report.page import render_page, trained_on
from endplate.train.report.pairs import follow_pairs, pair_figures
from endplate.train.report.plots import plot_ablations, plot_films, plot_pairs
from endplate.train.report.real import COVERED, compare_readers, film_figures, gate_figures
from endplate.train.report.simulated import SETTINGS, read_simulated, reader_of

__all__ = ["STEPS", "AccuracyConfig", "build_page"]

#: What the command does, in this order; the page is written whatever is done.
STEPS: Final = ("real", "simulated", "follow-up")
_WORST: Final = 3


@dataclass
class AccuracyConfig:
    """What to evaluate, and where the page goes.

    Parameters
    ----------
    out : str
        The page; figures and plots go to the folder of its name without ending.
    work : str
        Folder for what ``endplate evaluate`` leaves: readings and overlays of real films,
        ``calibration.json``.
    weights : str
        Networks of the folds, as for ``endplate evaluate``.
    networks : str
        Folder of the networks that read simulated films; empty: those of the package.
    second_reader : str
        Readings of a second person, as for ``reader`` of ``endplate evaluate``; empty: none.
    steps : list of str
        Of `STEPS`; figures of steps left out stay as they are. Empty: only the page is written
        anew, from figures and notes.
    films, seed : int
        Simulated films, and the seed of the first.
    subjects : int
        Simulated patients of each of the two sets.
    patient_seed : int
        Of the first set; the second takes the next. Other seeds than these chose the settings of
        the joint estimate.
    workers : int
        Processes for simulated films.
    """

    data: str = ""
    simulated: str = ""
    simulated_more: list[str] = field(default_factory=list)
    simulated_frontal: str = ""
    ct_slabs: str = ""
    ct_films: str = ""
    out: str = "docs/accuracy.md"
    work: str = "runs/accuracy"
    weights: str = ""
    networks: str = ""
    second_reader: str = ""
    steps: list[str] = field(default_factory=lambda: list(STEPS))
    folds: int = 5
    sets: dict[str, FilmSet] = field(default_factory=dict)
    overlays: int = 2
    threads: int = 0
    films: int = 200
    seed: int = 700_000
    subjects: int = 300
    patient_seed: int = 760_000
    workers: int = 1


def build_page(config: AccuracyConfig) -> Path:
    """Do the steps asked for, and write the page; returns its path.

    Raises
    ------
    UnknownName
        If a step is none.
    InputError
        If films, networks or readings are missing.
    """
    for step in config.steps:
        if step not in STEPS:
            raise UnknownName("step", step, STEPS)
    page = Path(config.out)
    if page.suffix != ".md":
        raise InputError(f"out={config.out}: expected a Markdown file, such as docs/accuracy.md")
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    if "real" in config.steps:
        _write(folder / "real.json", _real(config, folder))
    if "simulated" in config.steps:
        _write(folder / "simulated.json", _simulated(config, folder))
    if "follow-up" in config.steps:
        _write(folder / "follow-up.json", _followed(config, folder))
    ablations, real = (_load(folder / f"{name}.json") for name in ("ablations", "real"))
    if ablations is not None:
        plot_ablations(ablations, folder, trained_on(real))
    page.write_text(render_page(folder), encoding="utf-8")
    return page


def _load(path: Path) -> dict[str, Any] | None:
    return dict(json.loads(path.read_text())) if path.is_file() else None


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")


def _real(config: AccuracyConfig, folder: Path) -> dict[str, Any]:
    work = Path(config.work)
    options = {
        "data": config.data,
        "folds": config.folds,
        "sets": config.sets,
        "threads": config.threads,
    }
    ours = run_evaluation(
        EvaluateConfig(weights=config.weights, overlays=config.overlays, **options),  # type: ignore[arg-type]
        work,
    )
    out: dict[str, Any] = {"networks": f"five pairs, one a fold, of version {__version__}"}
    out |= film_figures(ours.films)
    every = [r for results in ours.films.values() for r in results]
    out["gate"] = gate_figures(ours.negatives, every)
    if config.second_reader:
        other = run_evaluation(
            EvaluateConfig(reader=config.second_reader, overlays=0, **options),  # type: ignore[arg-type]
            work / "second-reader",
        )
        theirs = [r for results in other.films.values() for r in results]
        out["second_reader"] = compare_readers(every, theirs)
    plot_films(ours.films, out["naming"], folder)
    return out


def _shipped(config: AccuracyConfig) -> str:
    reader = reader_of(config.networks)
    *others, last = (f"`{n.sha256[:12]}`" for n in reader.networks)
    what = "detector and refiner" if len(others) == 1 else "detector, refiner and second detector"
    return f"version {__version__}, {what} {', '.join(others)} and {last}"


def _simulated(config: AccuracyConfig, folder: Path) -> dict[str, Any]:
    results = read_simulated(config.networks, config.films, config.seed, config.workers)
    groups = {"simulated": results}
    out: dict[str, Any] = {
        "networks": _shipped(config),
        "films": config.films,
        "seed": config.seed,
    }
    out |= film_figures(groups)
    out["own_coverage"] = own_coverage(results, COVERED)
    out["worst"] = _worst(results, folder)
    plot_films(groups, out["naming"], folder, "simulated-")
    return out


def _worst(results: Sequence[FilmResult], folder: Path) -> list[dict[str, Any]]:
    """Pictures of the films of the largest mean error, made again from their seeds."""
    judged = [r for r in results if r.mean_error == r.mean_error]
    ranked = sorted(judged, key=lambda r: -r.mean_error)[:_WORST]
    out = []
    for place, result in enumerate(ranked):
        stem = Path(result.truth.name).stem
        film = simulate_film(int(stem.removeprefix("sim-")), SETTINGS)
        picture = f"simulated-worst-{place}.jpg"
        image = overlay_of(result, film.image, long_side=700)
        cv2.imwrite(str(folder / picture), image, [cv2.IMWRITE_JPEG_QUALITY, 80])
        out.append({"name": stem, "picture": picture, "mean_error": round(result.mean_error, 2)})
    return out


def _followed(config: AccuracyConfig, folder: Path) -> dict[str, Any]:
    plans = {
        "spread": plan_spread_losses(config.subjects, config.patient_seed),
        "series": plan_series(config.subjects, config.patient_seed + 1),
    }
    pairs = {
        name: follow_pairs(plan, config.networks, config.workers) for name, plan in plans.items()
    }
    plot_pairs(pairs, folder)
    return {
        "networks": _shipped(config),
        "seed": config.patient_seed,
        "sets": {
            **{name: pair_figures(own) for name, own in pairs.items()},
            "both": pair_figures([p for own in pairs.values() for p in own]),
        },
    }
