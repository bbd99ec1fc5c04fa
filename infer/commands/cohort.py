"""``endplate cohort``: the tables, tests and figures of a cohort."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from endplate import __version__
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
    from endplate.study.cohort import Cohort
    from endplate.study.cohort_tests import CohortTests
    from endplate.study.reading import Reading

__all__ = ["register", "report_cohort", "run_cohort"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="cohort")(_cohort)


def _cohort(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="READINGS...", help="Folders or files of readings, or a store."),
    ],
    clinical: Annotated[
        Path, typer.Option("--clinical", metavar="CSV", help="The clinical table.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
    ] = Path("endplate-cohort"),
    timepoints: TimepointsOption = None,
    window: WindowOption = None,
    agreement: Annotated[
        Path | None,
        typer.Option("--agreement", metavar="JSON", help="Of endplate agree, for the methods."),
    ] = None,
    joint_naming: JointNamingOption = True,
    estimate: EstimateOption = "auto",
    neighbours: NeighboursOption = "keep",
    find_index: Annotated[
        bool, typer.Option("--find-index", help="Tell the level from the films, not the table.")
    ] = False,
    word: Annotated[bool, typer.Option("--word", help="Write the tables as Word too.")] = False,
) -> int:
    """Describe and test a cohort from its readings and a clinical table.

    Needs the extra stats. Writes a page, figures (PNG, PDF), tables (CSV, LaTeX), a paragraph for
    the methods, all values (values.csv) and results as JSON.
    """
    from endplate.infer.commands.inputs import load_readings
    from endplate.study.clinical import read_clinical

    table = read_clinical(clinical)
    request = FollowUpRequest(
        operations={c.subject: c.operation for c in table if c.operation is not None},
        index_levels={}
        if find_index
        else {c.subject: c.index_level for c in table if c.index_level},
        timepoints=timepoints,
        windows=tuple(window or ()),
        joint_naming=joint_naming,
        estimate=estimate,
        neighbours=neighbours,
    )
    readings = [r for path in paths for r in load_readings(path)]
    return run_cohort(readings, clinical, output, request, agreement=agreement, word=word)


def run_cohort(
    readings: "Sequence[Reading]",
    clinical: Path,
    output: Path,
    request: FollowUpRequest,
    *,
    agreement: Path | None = None,
    word: bool = False,
) -> int:
    """Follow all subjects, test the cohort and write the report.

    Returns
    -------
    int
        0.

    Raises
    ------
    EndplateError
        If an input cannot be used or the extra is missing.
    """
    from endplate.errors import InputError
    from endplate.study.clinical import read_clinical
    from endplate.study.cohort import build_cohort
    from endplate.study.cohort_tests import run_tests

    if not readings:
        raise InputError("no readings among the inputs")
    order = None
    if request.windows:
        order = [w.partition("=")[0].strip() for w in request.windows]
    cohort = build_cohort(read_clinical(clinical), follow_up(readings, request), order)
    quoted: dict[str, Any] | None = None
    if agreement is not None:
        try:
            quoted = json.loads(agreement.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(f"{agreement.name}: no JSON file ({error})") from error
    report_cohort(cohort, run_tests(cohort), output, quoted, word=word)
    return 0


def report_cohort(
    cohort: "Cohort",
    tests: "CohortTests",
    output: Path,
    agreement: dict[str, Any] | None = None,
    *,
    word: bool = False,
) -> None:
    """Write the report of a cohort."""
    from endplate.infer.commands.inputs import write_text
    from endplate.infer.terminal import show
    from endplate.reports.cohort_figures import write_figures
    from endplate.reports.cohort_html import cohort_page
    from endplate.reports.cohort_table_files import csv_text, latex_text, write_word
    from endplate.reports.cohort_tables import cohort_tables
    from endplate.reports.cohort_words import findings, methods_paragraph

    tables = cohort_tables(cohort, tests)
    for table in tables:
        write_text(output / "tables" / f"{table.name}.csv", csv_text(table))
        write_text(output / "tables" / f"{table.name}.tex", latex_text(table))
    said = findings(cohort, tests)
    methods = methods_paragraph(cohort, tests, agreement, __version__)
    write_text(output / "methods.txt", methods + "\n")
    write_text(output / "values.csv", _values(cohort))
    write_text(output / "cohort.json", _json(cohort, tests, said))
    figures = write_figures(output / "figures", cohort, tests)
    page = cohort_page("Cohort", said, figures, tables, methods, tests.notes)
    write_text(output / "cohort.html", page)
    if word:
        write_word(output / "tables.docx", tables, [*said, methods])
    show(*said, f"Wrote {output / 'cohort.html'}, with tables and figures beside it")


def _values(cohort: "Cohort") -> str:
    """Every value as a long table."""
    import csv
    import io

    from endplate.infer.batch.tables import csv_cell

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("subject", "group", "visit", "measure", "value", "se"))
    for measure, values in cohort.values.items():
        for i, subject in enumerate(cohort.subjects):
            for k, visit in enumerate(cohort.visits):
                if values[i, k] == values[i, k]:
                    se = cohort.errors[measure][i, k]
                    named = (csv_cell(x) for x in (subject.subject, subject.group, visit, measure))
                    error = f"{se:.4f}" if se == se else ""
                    writer.writerow((*named, f"{values[i, k]:.4f}", error))
    return text.getvalue()


def _json(cohort: "Cohort", tests: "CohortTests", said: Sequence[str]) -> str:
    from dataclasses import asdict

    values = {
        "schema": "endplate/cohort/1",
        "subjects": len(cohort.subjects),
        "visits": list(cohort.visits),
        "groups": list(cohort.groups),
        "findings": list(said),
        "paired": [_plain(asdict(t)) for t in tests.paired],
        "contrasts": [_plain(asdict(c)) for c in tests.contrasts],
        "sensitivity": _sensitivity(tests),
        "notes": list(tests.notes),
    }
    return json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _sensitivity(tests: "CohortTests") -> dict[str, Any] | None:
    from dataclasses import asdict

    alike = tests.sensitivity
    if alike is None:
        return None
    return {
        "films_left_out": alike.left_out,
        "position_unknown": alike.unknown,
        "paired": [_plain(asdict(t)) for t in alike.paired],
        "contrasts": [_plain(asdict(c)) for c in alike.contrasts],
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    from endplate.study.plain import plain_number

    out: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith("p_") or name == "p":
            # A small p is not 0.
            out[name] = float(f"{value:.6g}") if value == value else None
        elif isinstance(value, float):
            out[name] = plain_number(value)
        elif isinstance(value, tuple):
            out[name] = [plain_number(x) for x in value]
        else:
            out[name] = value
    return out
