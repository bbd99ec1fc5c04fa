"""``endplate series``: a published series rebuilt from simulated films, and judged by its plan."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from endplate.datasets.simulator.cohort_plan import PlannedSubject
    from endplate.study.followup import FollowUp
    from endplate.study.reading import Reading

__all__ = ["check_against_plan", "landmark_readings", "rebuild_series", "register"]

SERIES_SCHEMA: Final = "endplate/series/1"
_MAIN = "vertebral_kyphosis_deg"
#: A planned loss of more than this counts as planted.
_PLANTED_DEG: Final = 2.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="series")(_series)


def _series(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for films and results.")
    ] = Path("endplate-series"),
    subjects: Annotated[int, typer.Option(min=8, help="Subjects of the cohort.")] = 65,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make films.")] = 1,
    landmarks: Annotated[
        float | None,
        typer.Option(
            "--landmarks",
            metavar="MM",
            help="Make no films: take the true landmarks with an error of so many mm.",
        ),
    ] = None,
    keep_films: Annotated[
        bool,
        typer.Option("--keep-films", help="Read the films that an earlier run left in the folder."),
    ] = False,
) -> int:
    """Rebuild a published series of 65 patients from simulated films.

    Makes the films as DICOM with a clinical table, scores them, follows every subject, reports
    the cohort, and says how far the results are from what was planned. Films that an interrupted
    run left are not made again. Needs the extra stats.
    """
    return rebuild_series(output, subjects, seed, workers, landmarks, keep_films=keep_films)


def rebuild_series(
    output: Path,
    subjects: int,
    seed: int,
    workers: int = 1,
    landmarks_mm: float | None = None,
    *,
    keep_films: bool = False,
) -> int:
    """Make, read, follow and report a cohort.

    Parameters
    ----------
    landmarks_mm : float, optional
        Instead of films: standard deviation of the error that true landmarks are given.
    keep_films : bool
        Read the films in `output` instead of making them.

    Returns
    -------
    int
        0.

    Raises
    ------
    EndplateError
        If the networks or the extra are missing, or films to be kept are not those of the plan.
    """
    from endplate.datasets.simulator.cohort import write_clinical, write_cohort
    from endplate.datasets.simulator.cohort_plan import plan_cohort
    from endplate.infer.commands.cohort import report_cohort
    from endplate.infer.commands.follow_request import FollowUpRequest, follow_up
    from endplate.infer.commands.inputs import write_text
    from endplate.infer.terminal import show
    from endplate.study.clinical import read_clinical
    from endplate.study.cohort import build_cohort
    from endplate.study.cohort_tests import run_tests
    from endplate.study.optional import optional

    optional("statsmodels", "stats", "the statistics of a cohort")
    plan = plan_cohort(subjects, seed)
    output.mkdir(parents=True, exist_ok=True)
    if landmarks_mm is None:
        films = _kept(output, plan) if keep_films else write_cohort(output, plan, workers)
        if keep_films:
            # the table follows from the plan: it need not have been kept
            write_clinical(output / "clinical.csv", plan)
        readings = _score(films, output / "readings")
    else:
        write_clinical(output / "clinical.csv", plan)
        readings = landmark_readings(plan, landmarks_mm, seed)
    table = read_clinical(output / "clinical.csv")
    request = FollowUpRequest(
        {c.subject: c.operation for c in table if c.operation is not None},
        {c.subject: c.index_level for c in table},
        estimate="joint",
    )
    results = follow_up(readings, request)
    cohort = build_cohort(table, results)
    report_cohort(cohort, run_tests(cohort), output / "report")
    together = check_against_plan(plan, results)
    alone = check_against_plan(plan, follow_up(readings, replace(request, estimate="films")))
    untold = replace(request, estimate="films", index_levels={})
    found = check_index_levels(plan, follow_up(readings, untold))
    check = {
        "schema": SERIES_SCHEMA,
        "together": together,
        "film_by_film": alone,
        "index_level": found,
    }
    write_text(output / "check.json", json.dumps(check, indent=1, allow_nan=False) + "\n")
    show(*_check_table(together, alone))
    show(
        "Treated level: " + ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in found.items())
    )
    return 0


def _check_table(together: dict[str, Any], alone: dict[str, Any]) -> "Iterator[Table]":
    from rich import box
    from rich.table import Table

    table = Table("Against the plan", "films together", "film by film", box=box.SIMPLE)
    for name, value in together.items():
        table.add_row(name.replace("_", " "), str(value), str(alone[name]))
    yield table


def check_index_levels(
    plan: "Sequence[PlannedSubject]", results: "Sequence[FollowUp]"
) -> dict[str, int]:
    """How often the treated level is told from the films alone: results without the table's."""
    levels = {s.subject: s.level for s in plan}
    out = {"subjects": 0, "right": 0, "doubtful": 0, "wrong_and_not_doubtful": 0}
    for result in results:
        found = result.index
        right = found.level == levels[result.subject]
        out["subjects"] += 1
        out["right"] += right
        out["doubtful"] += found.doubtful or not found.level
        out["wrong_and_not_doubtful"] += bool(found.level) and not right and not found.doubtful
    return out


def landmark_readings(
    plan: "Sequence[PlannedSubject]", error_mm: float, seed: int = 0
) -> "list[Reading]":
    """Readings of the true landmarks of a cohort's films, with a normal error of `error_mm`."""
    import numpy as np

    from endplate.datasets.simulator.cohort import visit_annotation
    from endplate.geometry.measure import measure
    from endplate.infer.cli_measure import reading_of

    rng = np.random.default_rng([seed, 17])
    out = []
    for subject in plan:
        for visit in subject.visits:
            if not visit.seen:
                continue
            film = visit_annotation(subject, visit)
            assert film.spacing_mm is not None  # simulated films have one
            sigma = error_mm / film.spacing_mm[0]
            vertebrae = tuple(
                replace(
                    v,
                    points=v.points + rng.normal(0.0, sigma, (6, 2)),
                    covariance=np.eye(12) * sigma**2,
                )
                for v in film.vertebrae
            )
            reading = reading_of(film, "simulated landmarks", film.file_name)
            source = replace(
                reading.source,
                patient_id=subject.subject,
                study_date=visit.day.isoformat(),
                position=visit.position,
            )
            out.append(
                replace(
                    reading,
                    source=source,
                    vertebrae=vertebrae,
                    measurements=measure(vertebrae, reading.calibration),
                )
            )
    return out


def _kept(output: Path, plan: "Sequence[PlannedSubject]") -> Path:
    """The folder of films of an earlier run."""
    from endplate.errors import InputError

    films = output / "films"
    found = {p.name for p in films.rglob("*.dcm")}
    wanted = {f"{s.subject}-{v.day:%Y%m%d}.dcm" for s in plan for v in s.visits if v.seen}
    if found != wanted:
        raise InputError(
            f"{films}: holds {len(found & wanted)} of the {len(wanted)} films of this plan and"
            f" {len(found - wanted)} others; leave out --keep-films to make them"
        )
    return films


def _score(films: Path, folder: Path) -> "list[Reading]":
    """Readings of all films with the shipped networks, also written as JSON."""
    from rich.console import Console
    from rich.progress import track

    from endplate.errors import EndplateError
    from endplate.imaging.read import read_radiograph
    from endplate.infer.pipeline import FilmReader
    from endplate.infer.terminal import explain
    from endplate.reports.reading_json import write_reading

    reader = FilmReader()
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    paths = sorted(films.rglob("*.dcm"))
    console = Console(stderr=True)
    shown = track(
        paths, "films read", console=console, transient=True, disable=not console.is_terminal
    )
    for path in shown:
        try:
            reading = reader.read(read_radiograph(str(path)))
        except EndplateError as error:
            explain(error, str(path), debug=False)
            continue
        write_reading(folder / f"{path.stem}.json", reading)
        out.append(reading)
    return out


def check_against_plan(
    plan: "Sequence[PlannedSubject]", results: "Sequence[FollowUp]"
) -> dict[str, Any]:
    """How far the follow-ups are from the plan.

    Returns
    -------
    dict
        Numbers of films, mean absolute errors of kyphosis and of its loss at each late visit in
        degrees, the bias of losses of more than 2 degrees, the share of planned losses inside their
        90 % interval, and the share of false alarms: losses said to be beyond error (95 %) where
        at most half a degree was lost.
    """
    import numpy as np

    planned = {(s.subject, v.name): v.kyphosis_deg for s in plan for v in s.visits}
    kyphosis, losses, planted, inside, alarms = [], [], [], [], []
    for result in results:
        for visit in result.visits:
            truth = planned[result.subject, visit.visit.name]
            m = visit.value(_MAIN)
            if m is not None and math.isfinite(m.value):
                kyphosis.append(m.value - truth)
            loss = visit.change(f"loss_of_correction_{_MAIN}")
            if loss is None or not math.isfinite(loss.value):
                continue
            lost = truth - planned[result.subject, "post"]
            losses.append(loss.value - lost)
            planted.append(lost)
            if math.isfinite(loss.se):
                inside.append(loss.interval90[0] <= lost <= loss.interval90[1])
                if abs(lost) <= 0.5:
                    alarms.append(loss.value > 0 and "over_mdc95" in loss.flags)
    films = sum(v.seen for s in plan for v in s.visits)
    much = [e for e, lost in zip(losses, planted, strict=True) if lost > _PLANTED_DEG]
    return {
        "films": films,
        "films_measured": len(kyphosis),
        "films_renamed": sum(v.shift != 0 for r in results for v in r.visits),
        "kyphosis_mae_deg": _mean(np.abs(kyphosis)),
        "kyphosis_bias_deg": _mean(kyphosis),
        "losses": len(losses),
        "loss_mae_deg": _mean(np.abs(losses)),
        "loss_bias_deg": _mean(losses),
        "loss_bias_of_planted_deg": _mean(much),
        "mean_planted_loss_deg": _mean([lost for lost in planted if lost > _PLANTED_DEG]),
        "loss_interval90_coverage": _mean(inside),
        "false_alarms": _mean(alarms),
        "losses_of_nothing": len(alarms),
        "films_misread": sum("points_misread" in v.flags for r in results for v in r.visits),
    }


def _mean(values: Any) -> float | None:
    return round(float(sum(values)) / len(values), 3) if len(values) else None
