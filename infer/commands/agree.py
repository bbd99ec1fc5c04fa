"""``endplate agree``: how well readers of the same images agree."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from endplate.study.agreement import Agreement
    from endplate.study.reading import Reading

__all__ = ["agree_files", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="agree")(_agree)


def _agree(
    readers: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH...",
            help="A folder of readings, a COCO file or a CSV table for each reader; a folder or"
            " table may also hold several readers.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
    ] = Path("endplate-agreement"),
    measures: Annotated[
        list[str] | None,
        typer.Option("--measure", metavar="NAME", help="A measure to compare, or all; repeat."),
    ] = None,
    levels: Annotated[
        list[str] | None,
        typer.Option("--level", metavar="LEVEL", help="Only this level; may be given again."),
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of all intervals.")] = 0.95,
) -> int:
    """Compare readings of the same images: people, versions of the networks, repeats.

    Images are matched by file name, vertebrae by level. Gives ICC(A,1) and ICC(C,1), the standard
    error of measurement, the smallest detectable change, bias and limits of agreement with
    intervals, proportional bias and distances of points, as JSON, CSV and a page with plots.
    """
    return agree_files(readers, output, measures, levels, confidence)


def agree_files(
    readers: Sequence[str],
    output: Path,
    measures: Sequence[str] | None = None,
    levels: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> int:
    """Compare readers; write ``agreement.json``, ``.csv`` and ``.html``, and plots as SVG.

    Returns
    -------
    int
        0.

    Raises
    ------
    EndplateError
        If an input cannot be used, or fewer than two readers share three targets.
    """
    from endplate.errors import InputError
    from endplate.geometry.levels import check_level
    from endplate.infer.commands.inputs import reader_input, safe_name, write_text
    from endplate.infer.terminal import show
    from endplate.reports.agreement_html import agreement_page, bland_altman_svg
    from endplate.study.agreement import DEFAULT_MEASURES, agree, agreement_to_dict
    from endplate.study.reading_sets import match_values, point_distances

    for level in levels or ():
        check_level(level)
    if not 0.5 <= confidence < 1.0:
        raise InputError(f"--confidence {confidence}: expected a number from 0.5 to below 1")
    inputs = [reader_input(argument) for argument in readers]
    values = [v for i in inputs for v in i.values]
    own = {v.measure for v in values}
    wanted: Sequence[str] | None = measures or [m for m in DEFAULT_MEASURES if m in own]
    if (measures and "all" in measures) or not wanted:
        wanted = None
    matched = match_values(values, wanted, levels)
    sets: dict[str, list[Reading]] = {}
    for name, own_readings in ((n, r) for i in inputs for n, r in i.readings.items()):
        if name in sets:
            raise InputError(f"two readers are called {name!r}; call them NAME=PATH")
        sets[name] = own_readings
    result = agree(matched, point_distances(sets), confidence)
    if not result.measures:
        raise InputError(
            "no measure has three targets that two readers share: images are matched by file"
            " name without folder and ending, vertebrae by level"
        )
    text = json.dumps(agreement_to_dict(result), indent=1, allow_nan=False, ensure_ascii=False)
    write_text(output / "agreement.json", text + "\n")
    write_text(output / "agreement.html", agreement_page(result))
    _write_csv(output / "agreement.csv", result)
    for m in result.measures:
        for p in m.pairs:
            name = safe_name(f"bland-altman-{m.name}-{p.first}-{p.second}")
            write_text(output / "figures" / f"{name}.svg", bland_altman_svg(m, p))
    show(*_tables(result), f"Wrote {output / 'agreement.html'} (also .json, .csv and figures)")
    return 0


def _write_csv(path: Path, result: "Agreement") -> None:
    fields = ["measure", "unit", "first", "second", "n", "subjects", "bias", "bias_low"]
    fields += ["bias_high", "sd", "lower", "lower_low", "lower_high", "upper", "upper_low"]
    fields += ["upper_high", "slope", "slope_p", "icc_a1", "icc_a1_low", "icc_a1_high", "icc_c1"]
    fields += ["icc_c1_low", "icc_c1_high", "sem_agreement", "sem_consistency", "mdc95_agreement"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        for m in result.measures:
            r = m.reliability
            whole = [math.nan] * 9
            if r is not None:
                whole = [r.absolute.value, *r.absolute.interval, r.consistency.value]
                whole += [*r.consistency.interval, r.sem_agreement, r.sem_consistency]
                whole.append(r.mdc95_agreement)
            for p in m.pairs:
                x = p.limits
                cells = [x.bias, *x.bias_interval, x.sd, x.lower]
                cells += [*x.lower_interval, x.upper, *x.upper_interval, x.slope, x.slope_p]
                numbers = [f"{v:.6g}" if math.isfinite(v) else "" for v in (*cells, *whole)]
                writer.writerow([m.name, m.unit, p.first, p.second, x.n, x.clusters, *numbers])


def _tables(result: "Agreement") -> "Iterator[Table]":
    from rich import box
    from rich.table import Table

    from endplate.reports.agreement_html import (
        LIMITS_HEAD,
        RELIABILITY_HEAD,
        limits_rows,
        reliability_rows,
    )

    for head, rows in (
        (RELIABILITY_HEAD, reliability_rows(result)),
        (LIMITS_HEAD, limits_rows(result)),
    ):
        table = Table(*head, box=box.SIMPLE, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        if rows:
            yield table
