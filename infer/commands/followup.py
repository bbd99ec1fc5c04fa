"""``endplate followup``: did the correction hold?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from endplate.infer.commands.follow_request import (
    EstimateOption,
    FollowUpRequest,
    JointNamingOption,
    NeighboursOption,
    TimepointsOption,
    WindowOption,
    follow_up,
)

if TYPE_CHECKING:
    from endplate.study.followup import FollowUp

__all__ = ["register", "run_followup"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="followup")(_followup)


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
    timepoints: TimepointsOption = None,
    window: WindowOption = None,
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", metavar="DIR", help="Where the films of the readings are."),
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", help="en or fr; may be given again.")
    ] = None,
    joint_naming: JointNamingOption = True,
    estimate: EstimateOption = "auto",
    neighbours: NeighboursOption = "keep",
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
        estimate=estimate,
        neighbours=neighbours,
        shared_se_deg=shared_se,
    )
    return run_followup(paths, output, request, images or [], language or ["en"], pdf=pdf)


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
    from endplate.infer.commands.film_finder import FilmFinder, readings_or_films
    from endplate.infer.terminal import complain, show
    from endplate.reports.followup_dictionary import LANGUAGES

    for language in languages:
        if language not in LANGUAGES:
            raise UnknownName("language", language, LANGUAGES)
    readings, pixels = readings_or_films(paths)
    if not readings:
        raise InputError("no readings and no films among the inputs")
    results = follow_up(readings, request)
    finder = FilmFinder([*images, *(Path(p) for p in paths)])
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


def _write(
    result: "FollowUp",
    output: Path,
    pixels: Mapping[str, Any],
    languages: Sequence[str],
    pdf: bool,
) -> list[Path]:
    import json

    from endplate.infer.commands.inputs import safe_name, write_text
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


def _terminal(result: "FollowUp") -> Any:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from endplate.reports.followup_dictionary import word
    from endplate.reports.followup_rows import angle_rows, height_rows, notes, value_rows
    from endplate.reports.followup_words import index_text, sentences
    from endplate.reports.words import printable

    parts: list[Any] = [Text(printable(f"{result.subject}  {index_text(result)}"), style="bold")]
    parts.append(Text(word(f"estimate_{result.estimate}", "en"), style="dim"))
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
