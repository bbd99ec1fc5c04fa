"""``endplate evaluate``: accuracy on annotated films, by subject-wise cross-validation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from endplate.errors import EndplateError, InputError
from endplate.geometry.levels import CORNERS
from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph
from endplate.infer.pipeline import FilmReader
from endplate.infer.pipeline import FilmResult as Found
from endplate.models.calibration import Calibrations
from endplate.study.reading import Reading
from endplate.train.accuracy import FilmResult, Truth, judge_film, summarise
from endplate.train.calibrate import Residual, fit_lateral, fit_point_sd, fit_points, residual_of
from endplate.train.calibrate_measures import fit_measures, scores_of
from endplate.train.calibrate_naming import NamingCase, fit_naming
from endplate.train.data import FilmSet
from endplate.train.readers import NETWORKS, load_reader
from endplate.train.tables import accuracy_markdown
from endplate.train.truths import load_cases

__all__ = ["EvaluateConfig", "Evaluation", "run_evaluation"]


@dataclass
class EvaluateConfig:
    """Whom to evaluate on what.

    Parameters
    ----------
    reader : str
        ``networks``: those of `weights`. Else the readings of somebody else, as a COCO file
        (``annotations-second-reader.json``, or another model's output with ``score``) or a
        folder of reading JSONs; films that it has no reading of are left out.
    least_score : float
        Of a COCO file: annotations with a lower ``score`` are left out.
    weights : str
        Folder of the networks; ``FOLD`` in it stands for the number of the fold whose
        subjects they were not trained on. Without ``FOLD`` the same networks read all films,
        which says nothing about films that they were trained on.
    only : list of int
        Folds to evaluate; empty: all.
    calibrate : bool
        Fit the error model of the points, the weights of the naming and the threshold of the
        view on the other folds before judging a fold, and on all folds for
        ``calibration.json`` in `out`.
    overlays : int
        How many of the best, middle and worst films to draw.
    """

    data: str = ""
    simulated: str = ""
    simulated_more: list[str] = field(default_factory=list)
    simulated_frontal: str = ""
    ct_slabs: str = ""
    ct_films: str = ""
    reader: str = NETWORKS
    least_score: float = 0.0
    weights: str = ""
    out: str = "runs/evaluation"
    folds: int = 5
    only: list[int] = field(default_factory=list)
    sets: dict[str, FilmSet] = field(default_factory=dict)
    calibrate: bool = True
    overlays: int = 2
    threads: int = 0


@dataclass(frozen=True, eq=False)
class _Read:
    """One film as the networks see it, before judging."""

    path: Path
    radiograph: Radiograph
    found: Found
    truth: Truth | None
    group: str
    fold: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of an evaluation.

    `films` by group; `negatives`: readings of films that must be rejected, by group;
    `unreadable`: file name and reason.
    """

    films: Mapping[str, tuple[FilmResult, ...]]
    negatives: Mapping[str, tuple[Reading, ...]]
    unreadable: tuple[tuple[str, str], ...]
    calibrations: Calibrations | None
    images: Mapping[str, Path]

    def table(self) -> dict[str, Any]:
        """Figures of each group, and of all annotated films together."""
        out: dict[str, Any] = {g: summarise(r) for g, r in self.films.items()}
        if len(self.films) > 1:
            out["all"] = summarise([r for results in self.films.values() for r in results])
        for group, readings in self.negatives.items():
            rejected = sum(r.quality.status == "rejected" for r in readings)
            out[group] = {
                "films": len(readings),
                "rejected": rejected,
                "rejected_pct": round(100 * rejected / max(len(readings), 1), 1),
            }
        return out


def run_evaluation(config: EvaluateConfig, out: Path) -> Evaluation:
    """Read and judge every film of the sets; write tables, readings and overlays to `out`.

    Raises
    ------
    InputError
        If there are no films, or the weights of a fold or the readings are missing.
    """
    if config.reader != NETWORKS:
        evaluation = _judge_other(config)
        _write(evaluation, config, out, ())
        return evaluation
    base = Calibrations.uncalibrated()
    cases, unreadable = _read_all(config, base)
    if not cases:
        raise InputError("no film to evaluate on: check sets, data and only")
    folds = sorted({c.fold for c in cases})
    if config.calibrate and len(folds) < 2:
        raise InputError(
            "calibrate=true needs films of two folds or more, to judge each by what was fitted"
            " on the others; use calibrate=false"
        )
    residuals = [r for case in cases for r in _residuals(case)]
    fitted = None
    per_fold: dict[int, Calibrations] = {}
    if config.calibrate:
        namings = [n for case in cases for n in _naming_cases(case)]
        fitted = _fit(base, cases, residuals, namings, None)
        for fold in folds:
            per_fold[fold] = _fit(base, cases, residuals, namings, fold)
    evaluation = _judge(config, cases, per_fold, base, unreadable, fitted)
    _write(evaluation, config, out, residuals)
    return evaluation


def _judge_other(config: EvaluateConfig) -> Evaluation:
    """Judge readings that somebody else made, on the films that they are of."""
    folds = _folds(config)
    films: dict[str, list[FilmResult]] = {}
    negatives: dict[str, list[Reading]] = {}
    images: dict[str, Path] = {}
    for one in config.sets.values():
        reference = Path(one.annotations) if one.annotations else None
        readings = load_reader(Path(config.reader), reference, config.least_score)
        for path, truth, fold in load_cases(one, config.folds):
            reading = readings.get(path.name)
            if reading is None or fold not in folds:
                continue
            if truth is None:
                negatives.setdefault(one.name, []).append(reading)
            else:
                films.setdefault(one.name, []).append(judge_film(truth, reading))
                images[truth.name] = path
    if not films and not negatives:
        raise InputError(f"reader={config.reader}: has none of the films of the sets")
    return Evaluation(
        {g: tuple(r) for g, r in films.items()},
        {g: tuple(r) for g, r in negatives.items()},
        (),
        None,
        images,
    )


def _fit(
    base: Calibrations,
    cases: Sequence[_Read],
    residuals: Sequence[Residual],
    namings: Sequence[NamingCase],
    without: int | None,
) -> Calibrations:
    """Everything fitted on the films of all folds but one."""
    kept = [c for c in cases if c.fold != without]
    scores: dict[bool, list[float]] = {True: [], False: []}
    for case in kept:
        scores[case.truth is not None].append(case.found.found.scores.lateral)
    points = fit_points([r for r in residuals if r.fold != without])
    spreads = [r.spread for case in kept if case.truth is not None for r in case.found.refined]
    naming = fit_naming([n for n in namings if n.fold != without], base.naming)
    return replace(
        base,
        points=points,
        point_sd=fit_point_sd(spreads, points),
        measures=_measure_factors(kept, residuals, without),
        naming=naming.config,
        level_probability=naming.uncertain_below,
        lateral=fit_lateral(scores[True], scores[False], base.lateral),
    )


def _measure_factors(
    cases: Sequence[_Read], residuals: Sequence[Residual], without: int | None
) -> dict[str, float]:
    """Factors of the measures, each film's points having errors fitted on yet other films."""
    scores = []
    for fold in sorted({c.fold for c in cases}):
        others = [r for r in residuals if r.fold not in (without, fold)]
        # with two folds there are no yet other films
        errors = fit_points(others or [r for r in residuals if r.fold != without])
        for case in cases:
            if case.fold == fold and case.truth is not None and _square(case):
                scores += scores_of(case.found, case.truth, errors)
    return fit_measures(scores)


def _square(case: _Read) -> bool:
    """Whether pixels are square: else the networks saw a resampled film, in other coordinates."""
    x, y = case.radiograph.calibration.scale_xy
    return abs(x / y - 1) < 1e-3


def _naming_cases(case: _Read) -> list[NamingCase]:
    if case.truth is None or not _square(case):
        return []
    found = case.found.found
    return [NamingCase(found.candidates, found.downward, case.truth, case.fold, found.shape)]


def _folds(config: EvaluateConfig) -> list[int]:
    return sorted(config.only) if config.only else list(range(config.folds))


def _reader(config: EvaluateConfig, fold: int, calibrations: Calibrations | None) -> FilmReader:
    folder = Path(config.weights.replace("FOLD", str(fold)))
    return FilmReader(folder, threads=config.threads, calibrations=calibrations)


def _read_all(
    config: EvaluateConfig, base: Calibrations
) -> tuple[list[_Read], list[tuple[str, str]]]:
    folds = _folds(config)
    work = [
        (path, truth, one.name, fold)
        for one in config.sets.values()
        for path, truth, fold in load_cases(one, config.folds)
        if fold in folds
    ]
    readers: dict[int, FilmReader] = {}
    cases: list[_Read] = []
    unreadable: list[tuple[str, str]] = []
    with Progress(transient=True) as progress:
        bar = progress.add_task("reading films", total=len(work))
        for path, truth, group, fold in work:
            if fold not in readers:
                readers[fold] = _reader(config, fold, base)
            try:
                radiograph = read_radiograph(path)
            except EndplateError as error:
                unreadable.append((path.name, str(error).replace(str(path), path.name)))
            else:
                found = readers[fold].find(radiograph.pixels, radiograph.calibration)
                cases.append(_Read(path, radiograph, found, truth, group, fold))
            progress.advance(bar)
    return cases, unreadable


def _residuals(case: _Read) -> list[Residual]:
    """Errors of the bodies of one film that were read to six points."""
    if case.truth is None or not _square(case):
        return []
    out = []
    for body in case.truth.exact.values():
        if not body.has(*CORNERS):
            continue
        for vertebra, refined in zip(case.found.vertebrae, case.found.refined, strict=True):
            distance = float(np.hypot(*(vertebra.centre - body.centre)))
            if vertebra.level != "S1" and distance < body.depth_px / 2:
                out.append(residual_of(refined, body, case.fold, case.truth.name))
                break
    return out


def _judge(
    config: EvaluateConfig,
    cases: Sequence[_Read],
    per_fold: Mapping[int, Calibrations],
    base: Calibrations,
    unreadable: list[tuple[str, str]],
    fitted: Calibrations | None,
) -> Evaluation:
    readers: dict[int, FilmReader] = {}
    films: dict[str, list[FilmResult]] = {}
    negatives: dict[str, list[Reading]] = {}
    with Progress(transient=True) as progress:
        bar = progress.add_task("judging", total=len(cases))
        for case in cases:
            if case.fold not in readers:
                calibrations = per_fold.get(case.fold, fitted or base)
                readers[case.fold] = _reader(config, case.fold, calibrations)
            reader = readers[case.fold]
            reading = reader.read(case.radiograph)
            if case.truth is None:
                negatives.setdefault(case.group, []).append(reading)
            else:
                films.setdefault(case.group, []).append(judge_film(case.truth, reading))
            progress.advance(bar)
    return Evaluation(
        {g: tuple(r) for g, r in films.items()},
        {g: tuple(r) for g, r in negatives.items()},
        tuple(unreadable),
        fitted,
        {c.truth.name: c.path for c in cases if c.truth is not None},
    )


def _write(
    evaluation: Evaluation, config: EvaluateConfig, out: Path, residuals: Sequence[Residual]
) -> None:
    from endplate.train.evaluation_files import (
        write_films,
        write_overlays,
        write_plots,
        write_readings,
    )

    out.mkdir(parents=True, exist_ok=True)
    table = evaluation.table()
    (out / "accuracy.json").write_text(json.dumps(table, indent=1) + "\n")
    (out / "accuracy.md").write_text(accuracy_markdown(table, evaluation.unreadable))
    write_films(evaluation, out / "films.csv")
    write_readings(evaluation, out / "readings")
    write_plots(evaluation, out)
    write_overlays(evaluation, out / "overlays", config.overlays)
    if evaluation.calibrations is not None:
        final = replace(
            evaluation.calibrations,
            provenance={
                "fitted_on": f"{len(residuals)} bodies of subjects not used for training",
                "subjects": len({r.subject for r in residuals}),
                "folds": config.folds,
            },
        )
        (out / "calibration.json").write_text(final.to_json())
