"""What ``followup`` and ``cohort`` are asked for: options that both have, and what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from endplate.study.followup import FollowUp, FollowUpOptions
    from endplate.study.reading import Reading

__all__ = [
    "EstimateOption",
    "FollowUpRequest",
    "JointNamingOption",
    "NeighboursOption",
    "TimepointsOption",
    "WindowOption",
    "follow_up",
]

TimepointsOption = Annotated[
    Path | None,
    typer.Option("--timepoints", metavar="CSV", help="Which film is which time point."),
]
WindowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--window",
        metavar="NAME=FIRST:LAST",
        help="A time point in days after the operation; given once, replaces all defaults.",
    ),
]
JointNamingOption = Annotated[bool, typer.Option(help="Name the films of a subject together.")]
EstimateOption = Annotated[
    str,
    typer.Option(
        "--estimate",
        metavar="HOW",
        help="Measure the films of a subject together (joint) or each alone (films); auto: joint"
        " where the networks read them all.",
    ),
]
NeighboursOption = Annotated[
    str, typer.Option(help="Angles at a fractured neighbour: keep, missing or next_intact.")
]


@dataclass(frozen=True)
class FollowUpRequest:
    """What was asked for; see the help of ``endplate followup``.

    `operations` and `index_levels` are by subject.
    """

    operations: Mapping[str, date]
    index_levels: Mapping[str, str]
    operation: date | None = None
    index_level: str = ""
    subject: str | None = None
    timepoints: Path | None = None
    windows: tuple[str, ...] = ()
    joint_naming: bool = True
    estimate: str = "auto"
    neighbours: str = "keep"
    shared_se_deg: float = 0.0


def follow_up(readings: "Sequence[Reading]", request: FollowUpRequest) -> "list[FollowUp]":
    """Follow the subjects of readings.

    Raises
    ------
    EndplateError
        If readings cannot be told apart by subject, or an option is wrong.
    """
    from endplate.geometry.levels import check_level
    from endplate.study.followup import follow_subject
    from endplate.study.pairing import pair_films
    from endplate.study.timepoints import DEFAULT_WINDOWS, parse_window, read_timepoints

    if request.index_level:
        check_level(request.index_level)
    options = _options(request)
    windows = tuple(parse_window(w) for w in request.windows) or DEFAULT_WINDOWS
    overrides = read_timepoints(request.timepoints) if request.timepoints else {}
    operations = dict(request.operations)
    if request.operation is not None:
        names = {request.subject or r.source.patient_id for r in readings}
        operations |= dict.fromkeys(names, request.operation)
        operations |= {o.subject: request.operation for o in overrides.values() if o.subject}
    subjects = pair_films(readings, operations, windows, overrides, request.subject)
    if request.operation is not None:
        _check_operation(request, [films.subject for films in subjects])
    return [
        follow_subject(
            films, request.index_level or request.index_levels.get(films.subject, ""), options
        )
        for films in subjects
    ]


def _check_operation(request: FollowUpRequest, subjects: "Sequence[str]") -> None:
    """One date of operation is that of one subject, and no other than the table's."""
    from endplate.errors import InputError

    day = request.operation
    if len(subjects) > 1:
        raise InputError(
            f"--operation {day}: the films are of {len(subjects)} subjects, expected one; give the"
            " dates with --clinical, or say with --subject that all films are of one"
        )
    for subject in subjects:
        known = request.operations.get(subject)
        if known is not None and known != day:
            raise InputError(
                f"--operation {day}: the table of --clinical says {known} of this subject;"
                " leave out the wrong one"
            )


def _options(request: FollowUpRequest) -> "FollowUpOptions":
    from endplate.errors import UnknownName
    from endplate.geometry.followup import FollowUpSettings
    from endplate.geometry.settings import MeasureSettings
    from endplate.study.followup import FollowUpOptions
    from endplate.study.joint_measures import ESTIMATES

    if request.estimate not in ESTIMATES:
        raise UnknownName("estimate", request.estimate, ESTIMATES)
    return FollowUpOptions(
        joint_naming=request.joint_naming,
        estimate=request.estimate,
        measure=MeasureSettings(neighbours=request.neighbours),  # type: ignore[arg-type]
        settings=FollowUpSettings(shared_se_deg=request.shared_se_deg),
    )
