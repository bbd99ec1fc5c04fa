"""``endplate batch``: an export of any size in, tables and pictures out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from endplate.infer.batch.outputs import BatchResult

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="batch")(_batch)


def _batch(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="A folder, zip, tar, DICOMDIR or file.")
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="DIR", help="Folder or fsspec URL of results.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the batch in DIR where it stopped.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0: one for each core.")] = 0,
    engine: Annotated[str, typer.Option(help="local, or dask for many machines.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a running Dask scheduler.")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Rules of selection in place of the packaged ones."),
    ] = None,
    print_rules: Annotated[
        bool,
        typer.Option("--print-rules", is_eager=True, callback=lambda asked: _print_rules(asked)),
    ] = False,
    index: Annotated[
        str | None, typer.Option("--index", metavar="LEVEL", help="The injured level of all films.")
    ] = None,
    overlays: Annotated[bool, typer.Option(help="Write a picture of each film.")] = True,
    sr: Annotated[
        bool, typer.Option("--sr", help="Write a DICOM structured report of each film.")
    ] = False,
    gsps: Annotated[
        bool, typer.Option("--gsps", help="Write a DICOM presentation state of each film.")
    ] = False,
    sc: Annotated[
        bool, typer.Option("--sc", help="Write each picture as DICOM secondary capture.")
    ] = False,
    uid_root: Annotated[
        str, typer.Option(metavar="ROOT", help="Of the identifiers of DICOM results.")
    ] = "2.25",
    pseudonymise: Annotated[
        bool,
        typer.Option("--pseudonymise", help="Keyed pseudonyms, dates moved for each subject."),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key of the pseudonyms; made if it is not there."),
    ] = None,
    private: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of journal and key; by default DIR/private."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database of the results; by default DIR/store.sqlite."),
    ] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for one film.")] = 120.0,
    memory_limit: Annotated[
        float, typer.Option(metavar="GIB", help="Memory of a worker; 0: no limit.")
    ] = 4.0,
    provider: Annotated[str, typer.Option(help="cpu, cuda, tensorrt or openvino.")] = "cpu",
    weights: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Networks in place of the packaged ones.")
    ] = None,
) -> int:
    """Find the lateral films in an export and measure them all.

    Writes the readings, pictures, one table of measurements, the table of what was left out and
    why, a summary to leaf through and a manifest. It may be stopped at any time, and goes on with
    --resume.

    Exit status: 0 done; 1 done, but some films could not be read (see rejects.csv); 2 wrong use.
    """
    from endplate.infer.batch.options import BatchOptions
    from endplate.infer.batch.progress import progress_on_terminal
    from endplate.infer.batch.run import run_batch

    options = BatchOptions(
        export=export,
        output=output,
        private=private,
        workers=workers,
        engine=engine,
        scheduler=scheduler,
        resume=resume,
        rules=rules,
        store=store,
        pseudonymise=pseudonymise,
        key=key,
        index_level=index,
        overlays=overlays,
        time_limit=time_limit,
        memory_limit=round(memory_limit * 2**30),
        provider=provider,
        weights=weights,
        results=tuple(kind for kind, asked in (("sr", sr), ("gsps", gsps), ("sc", sc)) if asked),
        uid_root=uid_root,
    )
    result = run_batch(options, progress_on_terminal())
    _show(result)
    return result.exit_status


def _print_rules(asked: bool) -> None:
    """Print the packaged rules, to edit a copy of them."""
    if asked:
        from endplate.imaging.select import load_selection

        typer.echo(load_selection().text, nl=False)
        raise typer.Exit


def _show(result: "BatchResult") -> None:
    """Print counts and where things are."""
    from rich.table import Table
    from rich.text import Text

    from endplate.infer.batch.settle import OUTCOMES
    from endplate.infer.terminal import show

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    table.add_column()
    for name, meaning in OUTCOMES.items():
        if result.counts[name]:
            table.add_row(str(result.counts[name]), f"{name}: {meaning}")
    table.add_row(str(result.files), "files in all")
    show(table)
    if result.codes:
        ranked = sorted(result.codes.items(), key=lambda item: (-item[1], item[0]))
        show("Not measured: " + ", ".join(f"{count} {code}" for code, count in ranked))
    for note in result.notes:
        show(Text(note))  # which has brackets that rich would take for a style
    show(f"{result.measurements} measurements; open {result.written['summary.html']}")
