"""``endplate followup``: did the correction hold?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from endplate.study.followup import FollowUp, FollowUpOptions
    from endplate.study.reading import Reading

__all__ = ["FollowUpRequest", "follow_up", "register", "run_followup"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="followup")(_followup)


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
    neighbours: str = "keep"
    shared_se_deg: float = 0.0


def _followup(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Readings (JSON, folders, a store) or films of the subjects."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
    ] = Path("endplate-followup"),
    operation: Annotated[
        str | None, typer.Option("--operation", metavar="DATE", help="Of one subject.")
    ] = None,
    index: Annotated[
        str | None, typer.Option("--index", metavar="LEVEL", help="The treated level.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ID", help="All films are of this subject.")
    ] = None,
    clinical: Annotated[
        Path | None,
        typer.Option("--clinical", metavar="CSV", help="Operation dates and levels of subjects."),
    ] = None,
    timepoints: Annotated[
        Path | None,
        typer.Option("--timepoints", metavar="CSV", help="Which film is which time point."),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(
            "--window",
            metavar="NAME=FIRST:LAST",
            help="A time point in days after the operation; given once, replaces all defaults.",
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", metavar="DIR", help="Where the films of the readings are."),
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", help="en or fr; may be given again.")
    ] = None,
    joint_naming: Annotated[
        bool, typer.Option(help="Name the films of a subject together.")
    ] = True,
    neighbours: Annotated[
        str,
        typer.Option(help="Angles at a fractured neighbour: keep, missing or next_intact."),
    ] = "keep",
    shared_se: Annotated[
        float,
        typer.Option(
            "--shared-se", metavar="DEG", help="Error that all films of the reader share."
        ),
    ] = 0.0,
    pdf: Annotated[bool, typer.Option(help="Write the PDF too (extra report).")] = False,
) -> int:
    """Compare the films of a subject before and after the operation.

    Films become visits by the date of the operation, or by a table. Writes JSON and a page for
    each subject: correction, its loss and gain with error, smallest detectable change, the
    probability of a loss over 5 and 10 degrees, restoration of height, new fractures.

    Exit status: 0 done; 1 some subjects could not be followed; 2 none.
    """
    from endplate.study.clinical import read_clinical
    from endplate.study.csv_table import parse_date

    table = read_clinical(clinical) if clinical is not None else ()
    request = FollowUpRequest(
        operations={c.subject: c.operation for c in table if c.operation is not None},
        index_levels={c.subject: c.index_level for c in table if c.index_level},
        operation=None if operation is None else parse_date(operation, "--operation"),
        index_level=index or "",
        subject=subject,
        timepoints=timepoints,
        windows=tuple(window or ()),
        joint_naming=joint_naming,
        neighbours=neighbours,
        shared_se_deg=shared_se,
    )
    return run_followup(paths, output, request, images or [], language or ["en"], pdf=pdf)


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
    windows = tuple(parse_window(w) for w in request.windows) or DEFAULT_WINDOWS
    overrides = read_timepoints(request.timepoints) if request.timepoints else {}
    operations = dict(request.operations)
    if request.operation is not None:
        names = {request.subject or r.source.patient_id for r in readings}
        operations |= dict.fromkeys(names, request.operation)
        operations |= {o.subject: request.operation for o in overrides.values() if o.subject}
    subjects = pair_films(readings, operations, windows, overrides, request.subject)
    options = _options(request)
    return [
        follow_subject(
            films, request.index_level or request.index_levels.get(films.subject, ""), options
        )
        for films in subjects
    ]


def _options(request: FollowUpRequest) -> "FollowUpOptions":
    from endplate.geometry.followup import FollowUpSettings
    from endplate.geometry.settings import MeasureSettings
    from endplate.study.followup import FollowUpOptions

    return FollowUpOptions(
        joint_naming=request.joint_naming,
        measure=MeasureSettings(neighbours=request.neighbours),  # type: ignore[arg-type]
        settings=FollowUpSettings(shared_se_deg=request.shared_se_deg),
    )


def run_followup(
    paths: Sequence[str],
    output: Path,
    request: FollowUpRequest,
    images: Sequence[Path] = (),
    languages: Sequence[str] = ("en",),
    *,
    pdf: bool = False,
) -> int:
    """Follow the subjects of readings or films and write their files.

    Returns
    -------
    int
        0, or 1 if some subjects have no two visits to compare, or 2 if none has.

    Raises
    ------
    EndplateError
        If an input cannot be used.
    """
    from endplate.errors import InputError, UnknownName
    from endplate.infer.terminal import complain, show
    from endplate.reports.followup_words import LANGUAGES

    for language in languages:
        if language not in LANGUAGES:
            raise UnknownName("language", language, LANGUAGES)
    readings, pixels = _inputs(paths)
    if not readings:
        raise InputError("no readings and no films among the inputs")
    results = follow_up(readings, request)
    finder = _FilmFinder([*images, *(Path(p) for p in paths)])
    done = 0
    for result in results:
        for reading, reason in result.left_out:
            complain(f"{result.subject}: {reading.source.path}: not used, {reason}")
        if len(result.visits) < 2:
            complain(f"{result.subject}: {len(result.visits)} visit(s), nothing to compare")
            continue
        done += 1
        written = _write(result, output, finder.all_of(result, pixels), languages, pdf)
        show(_terminal(result), "Wrote " + ", ".join(str(p) for p in written) + "\n")
    if done == len(results):
        return 0
    return 1 if done else 2


def _inputs(paths: Sequence[str]) -> "tuple[list[Reading], dict[str, Any]]":
    """Readings of the inputs; films among them are read with the shipped networks."""
    from endplate.infer.commands.inputs import is_store, load_readings

    readings: list[Reading] = []
    films: list[Path] = []
    for text in paths:
        path = Path(text)
        if is_store(text):
            readings += load_readings(text)
        elif path.is_dir():
            own = load_readings(path)
            readings += own
            if not own:
                films += sorted(p for p in path.rglob("*") if p.is_file())
        elif path.suffix.lower() == ".json" or not path.exists():
            readings += load_readings(path)
        else:
            films.append(path)
    pixels: dict[str, Any] = {}
    for reading, image in _read_films(films):
        readings.append(reading)
        pixels[reading.id] = image
    return readings, pixels


def _read_films(films: Sequence[Path]) -> "Iterator[tuple[Reading, Any]]":
    if not films:
        return
    from endplate.errors import EndplateError
    from endplate.imaging.read import read_radiograph
    from endplate.infer.pipeline import FilmReader
    from endplate.infer.terminal import explain

    reader = FilmReader()
    for film in films:
        try:
            radiograph = read_radiograph(str(film))
            yield reader.read(radiograph), radiograph.pixels
        except EndplateError as error:
            explain(error, str(film), debug=False)


class _FilmFinder:
    """Finds the pixels of a reading by the path that it names, then by name in folders."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = [p for p in places if p.is_dir()]
        self._names: dict[str, list[Path]] | None = None

    def all_of(self, result: "FollowUp", known: Mapping[str, Any]) -> dict[str, Any]:
        """Pixels of a subject's films by reading id, besides those that are known."""
        out = dict(known)
        for visit in result.visits:
            reading = visit.visit.reading
            if reading.id not in out and reading.parent not in out:
                image = self.find(reading)
                if image is not None:
                    out[reading.id] = image
        return out

    def find(self, reading: "Reading") -> Any:
        """(H, W) pixels, or None where the film is not found or not the one that was read."""
        from endplate.errors import EndplateError
        from endplate.imaging.read import read_radiograph

        for path in self._candidates(reading.source.path):
            try:
                radiograph = read_radiograph(str(path))
            except EndplateError:
                continue
            size = (radiograph.rows, radiograph.columns)
            same = reading.source.sha256 in ("", radiograph.sha256)
            if same and size == (reading.source.rows, reading.source.columns):
                return radiograph.pixels
        return None

    def _candidates(self, named: str) -> Iterator[Path]:
        path = Path(named)
        if named and path.is_file():
            yield path
        if self._names is None:
            self._names = {}
            for place in self.places:
                for file in place.rglob("*"):
                    self._names.setdefault(file.name, []).append(file)
        yield from self._names.get(path.name, [])


def _write(
    result: "FollowUp",
    output: Path,
    pixels: Mapping[str, Any],
    languages: Sequence[str],
    pdf: bool,
) -> list[Path]:
    import json

    from endplate.infer.commands.inputs import write_text
    from endplate.reports.followup_films import film_strips
    from endplate.reports.followup_html import followup_page
    from endplate.study.followup_json import followup_to_dict

    stem = safe_name(result.subject)
    text = json.dumps(followup_to_dict(result), indent=1, allow_nan=False, ensure_ascii=False)
    written = [output / f"{stem}-followup.json"]
    write_text(written[0], text + "\n")
    strips = film_strips(result, pixels)
    for language in languages:
        suffix = "" if language == languages[0] else f"-{language}"
        written.append(output / f"{stem}-followup{suffix}.html")
        write_text(written[-1], followup_page(result, strips, language))
        if pdf:
            from endplate.reports.followup_pdf import write_followup_pdf

            written.append(output / f"{stem}-followup{suffix}.pdf")
            write_followup_pdf(written[-1], result, strips, language)
    return written


def safe_name(subject: str) -> str:
    """The subject as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in subject)[:80] or "subject"


def _terminal(result: "FollowUp") -> Any:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from endplate.reports.followup_rows import angle_rows, height_rows, notes, value_rows
    from endplate.reports.followup_words import sentences
    from endplate.reports.words import printable

    index = f"{result.index_level or '?'} ({result.index_why})"
    parts: list[Any] = [Text(printable(f"{result.subject}  {index}"), style="bold")]
    parts += [Text(s) for s in sentences(result)]
    for head, rows in (
        value_rows(result),
        angle_rows(result, last_only=True),
        height_rows(result, last_only=True),
    ):
        if rows:
            table = Table(*head, box=box.SIMPLE, pad_edge=False, show_edge=False)
            for row in rows:
                table.add_row(*row)
            parts += [Text(""), table]
    parts += [Text(printable(n), style="dim") for n in notes(result)]
    return Group(*parts)
