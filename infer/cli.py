"""The command line. Every command is thin, and imports what it needs when it is called."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from endplate import __version__
from endplate.errors import EndplateError, InputError, MissingDependency
from endplate.infer.commands import (
    agree,
    batch,
    cohort,
    followup,
    listen,
    pseudonymise,
    retrieve,
    review,
    send,
    series,
)

__all__ = ["app", "main"]

#: Packages of the extra ``train``, by the name under which they are imported.
_TRAIN_PACKAGES: Final = (
    "torch",
    "monai",
    "hydra",
    "omegaconf",
    "onnx",
    "onnxscript",
    "tensorboard",
    "matplotlib",
)
_OVERRIDES: Final = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    name="endplate",
    help="Measures the injured spine on lateral radiographs. For research use; not a medical"
    " device.",
    epilog="Exit status: 0 done; 1 some of several inputs failed; 2 wrong use or unreadable input;"
    " 3 the film was read but rejected by the quality gate.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="-|FILE", help="Readings as JSON: - for standard output."),
]
SpacingOption = Annotated[
    str | None,
    typer.Option(
        "--spacing", metavar="R,C", help="Row and column spacing in mm, in the plane of the spine."
    ),
]
IndexOption = Annotated[
    str | None, typer.Option("--index", metavar="LEVEL", help="The injured level, such as L1.")
]


def _version(asked: bool) -> None:
    """Print the version."""
    if asked:
        print(f"endplate {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version)] = False,
) -> None:
    """Options before the command; `main` has taken ``--debug`` already."""


@app.command()
def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="DICOM, PNG, JPEG or TIFF radiographs; a CT as folder, zip, DICOMDIR or NIfTI.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for the results."),
    ] = None,
    json_target: JsonOption = None,
    index: IndexOption = None,
    spacing: SpacingOption = None,
    levels: Annotated[
        list[str] | None,
        typer.Option(
            "--levels",
            metavar="L1@x,y",
            help="A level that you know: the body at that pixel. May be given again.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", metavar="MASK", help="CT: take the points from this segmentation."
        ),
    ] = None,
    label_scheme: Annotated[
        str,
        typer.Option(
            "--label-scheme",
            help="Whose label numbers: auto, totalsegmentator, totalsegmentator-1, verse, spineps.",
        ),
    ] = "auto",
    overlay: Annotated[bool, typer.Option(help="Write the picture.")] = True,
    report: Annotated[bool, typer.Option(help="Write the HTML report.")] = True,
    keep_identity: Annotated[
        bool,
        typer.Option("--keep-identity", help="Keep patient id, date, identifiers and folders."),
    ] = False,
    provider: Annotated[
        str, typer.Option(help="auto, cpu, cuda, tensorrt or openvino; see endplate info.")
    ] = "auto",
    threads: Annotated[int, typer.Option(help="Threads of the networks; 0: all cores.")] = 0,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of networks of your own; see docs/training.md."),
    ] = None,
    sr: Annotated[bool, typer.Option("--sr", help="Write a DICOM structured report.")] = False,
    gsps: Annotated[bool, typer.Option("--gsps", help="Write a DICOM presentation state.")] = False,
    sc: Annotated[
        bool, typer.Option("--sc", help="Write the picture as DICOM secondary capture.")
    ] = False,
    uid_root: Annotated[
        str, typer.Option(metavar="UID", help="Root of the identifiers of DICOM results.")
    ] = "2.25",
    time_point: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Such as pre-operative; for the structured report."),
    ] = None,
) -> int:
    """Find and measure the vertebrae of lateral films.

    Prints a table and writes a reading (JSON), a picture and a report for each film, into
    ./endplate-output unless -o says otherwise; with --json - alone nothing but JSON is written.

    Exit status: 0 all films read; 2 none could be read; 1 some of several could not; 3 all could
    be read, but at least one was rejected by the quality gate.
    """
    from endplate.geometry.levels import check_level
    from endplate.infer.cli_score import DicomOptions, ScoreOptions
    from endplate.infer.cli_score import score as score_films
    from endplate.infer.find import Anchor

    if levels and len(paths) > 1:
        raise InputError("--levels names a place on one film; give one PATH with it")
    if labels is not None and len(paths) > 1:
        raise InputError("--labels belongs to one CT; give one PATH with it")
    options = ScoreOptions(
        output=output,
        json_target=json_target,
        labels=labels,
        label_scheme=label_scheme,
        index_level=None if index is None else check_level(index),
        spacing_mm=_parse_spacing(spacing),
        anchors=tuple(Anchor.parse(text) for text in levels or ()),
        overlay=overlay,
        report=report,
        keep_identity=keep_identity,
        provider=provider,
        threads=threads,
        weights=weights,
        dicom=DicomOptions(
            tuple(name for name, asked in (("sr", sr), ("gsps", gsps), ("sc", sc)) if asked),
            uid_root,
            time_point,
        ),
        debug=_debug(),
    )
    return score_films(paths, options)


@app.command()
def measure(
    annotations: Annotated[
        Path, typer.Argument(metavar="ANNOTATIONS.json", help="COCO keypoints of vertebrae.")
    ],
    json_target: JsonOption = None,
    spacing: SpacingOption = None,
    index: IndexOption = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="NAME", help="Only the film of that name.")
    ] = None,
) -> int:
    """Measure given landmarks, without a network."""
    from endplate.infer.cli_measure import measure_file

    return measure_file(
        annotations,
        json_target=json_target,
        spacing_mm=_parse_spacing(spacing),
        index_level=index,
        image=image,
        debug=_debug(),
    )


@app.command()
def info(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """Show versions, networks with their hashes, providers, codecs and extras."""
    from endplate.infer.cli_info import print_info

    return print_info(as_json)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
    ] = Path("endplate-output"),
) -> int:
    """Score the bundled sample: a simulated film with a wedge fracture of L1."""
    from importlib.resources import as_file, files

    from endplate.infer.cli_score import ScoreOptions
    from endplate.infer.cli_score import score as score_films
    from endplate.infer.terminal import show

    with as_file(files("endplate.infer").joinpath("sample.dcm")) as sample:
        if not sample.is_file():
            raise InputError("this installation of endplate has no sample film")
        options = ScoreOptions(output=output, index_level="L1", debug=_debug())
        status = score_films([str(sample)], options)
    if status == 0:
        show(
            f"Open {output / 'sample-overlay.png'} (picture) or {output / 'sample.html'} (report)."
        )
    return status


@app.command()
def simulate(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the films.")
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of films.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first film.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write DICOM files too.")] = False,
    cts: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="Make the films of real CTs: a list of {name, ct, labels}; -n films of each.",
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="With --cts: film (radiographs) or slab (sagittal slabs).")
    ] = "film",
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Such as fractured=0.8 or view=frontal."),
    ] = None,
) -> int:
    """Make simulated films with their landmarks, as a data set to train or test on."""
    from endplate.infer.cli_simulate import simulate as simulate_films
    from endplate.infer.cli_simulate import simulate_cts

    if cts is not None:
        return simulate_cts(output, cts, count, seed, kind, settings or [], workers)
    return simulate_films(output, count, seed, settings or [], workers, dicom)


@app.command(context_settings=_OVERRIDES)
def train(context: typer.Context) -> int:
    """Train a network: endplate train KEY=VALUE ... (Hydra overrides)."""
    return _run_training_command("train", context.args)


@app.command(context_settings=_OVERRIDES)
def recipe(context: typer.Context) -> int:
    """Train both networks from nothing, step by step: endplate recipe KEY=VALUE ..."""
    return _run_training_command("recipe", context.args)


@app.command(context_settings=_OVERRIDES)
def evaluate(context: typer.Context) -> int:
    """Judge networks on annotated films: endplate evaluate KEY=VALUE ..."""
    return _run_training_command("evaluate", context.args)


@app.command(context_settings=_OVERRIDES)
def accuracy(context: typer.Context) -> int:
    """Evaluate everything and write docs/accuracy.md: endplate accuracy KEY=VALUE ..."""
    return _run_training_command("accuracy", context.args)


@app.command(context_settings=_OVERRIDES)
def export(context: typer.Context) -> int:
    """Write trained networks as ONNX and check them: endplate export KEY=VALUE ..."""
    return _run_training_command("export", context.args)


batch.register(app)
pseudonymise.register(app)
followup.register(app)
cohort.register(app)
agree.register(app)
series.register(app)
review.register(app)
listen.register(app)
send.register(app)
retrieve.register(app)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status and never raises.

    Parameters
    ----------
    argv : list of str, optional
        Arguments after the program's name; by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _state["debug"] = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # not a text file of its own
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        command = typer.main.get_command(app)
        status = command.main(args=arguments, prog_name="endplate", standalone_mode=False)
        sys.stdout.flush()
        return int(status or 0)
    except BaseException as error:
        return _failed(error)


_state: dict[str, bool] = {"debug": False}


def _debug() -> bool:
    return _state["debug"]


def _failed(error: BaseException) -> int:
    """Say what went wrong and return the exit status."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 2
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 130
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # Whoever read standard output, such as head, has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    from endplate.infer.terminal import complain, explain

    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "endplate"
        message = error.format_message().rstrip(".")
        complain(f"{message}{'' if message.endswith('?') else ';'} see {path} --help")
        return 2
    explain(error, "", _debug())
    return 2


def _parse_spacing(text: str | None) -> tuple[float, float] | None:
    """Read ``0.143,0.143``; one number stands for both."""
    if text is None:
        return None
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise InputError(f"--spacing {text!r}: expected R,C in mm, such as 0.143,0.143")
    return numbers[0], numbers[-1]


def _run_training_command(name: str, overrides: list[str]) -> int:
    """Call `endplate.train.main.<name>`; a missing package becomes a sentence."""
    try:
        from importlib import import_module

        run = getattr(import_module("endplate.train.main"), name, None)
        if run is None:
            raise EndplateError(f"endplate {name} is not part of this version")
        return int(run(overrides))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _TRAIN_PACKAGES:
            raise MissingDependency(package, "train", f"endplate {name}") from error
        raise
