"""``endplate pseudonymise``: copies of the films of an export without identity."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from endplate.imaging.pseudonyms import Pseudonyms
    from endplate.imaging.scan_entry import Entry

__all__ = ["pseudonymise_export", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="pseudonymise")(_pseudonymise)


def _pseudonymise(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="A folder, zip, tar, DICOMDIR or file.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the copies.")
    ],
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="Made if it is not there; keep it.")
    ],
    rules: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Rules of selection; see endplate batch."),
    ] = None,
) -> int:
    """Copy the DICOM films of an export without identity (PS3.15 Basic Profile).

    Patients get keyed pseudonyms, dates move by a number of days of each subject's own. What is
    burned into the pixels stays. Files are called by their new identifiers.

    Exit status: 0 done; 1 some files could not be copied; 2 wrong use.
    """
    from endplate.infer.terminal import show

    copied, failed = pseudonymise_export(export, output, key, rules)
    show(f"{copied} films copied to {output}; {failed} could not be.")
    return 1 if failed else 0


def pseudonymise_export(
    export: Path, output: Path, key: Path, rules: Path | None = None
) -> tuple[int, int]:
    """Copy films; how many were copied, and how many could not be.

    Raises
    ------
    InputError
        If the export, key or output cannot be used.
    MissingDependency
        Without the extra ``privacy``.
    """
    import tempfile

    from endplate.errors import InputError, MissingDependency
    from endplate.imaging.pseudonyms import Pseudonyms, load_key
    from endplate.imaging.scan import scan
    from endplate.imaging.select import load_selection
    from endplate.infer.terminal import complain

    selection = load_selection(rules)
    pseudonyms = Pseudonyms(load_key(key))
    copied = failed = 0
    with tempfile.TemporaryDirectory() as unpacked:
        for number, entry in enumerate(scan(export, Path(unpacked), selection.reads), 1):
            if entry.kind != "dicom" or not selection.reads(entry):
                continue
            try:
                _copy(entry, output, pseudonyms)
                copied += 1
            except (MissingDependency, OSError) as error:
                if isinstance(error, OSError):
                    raise InputError(f"{output}: {error.strerror}") from error
                raise
            except Exception as error:  # a damaged file must not cost the others
                failed += 1
                complain(f"file {number}: cannot be pseudonymised ({type(error).__name__})")
    return copied, failed


def _copy(entry: "Entry", output: Path, pseudonyms: "Pseudonyms") -> None:
    """Write one copy under its new study and instance identifiers."""
    from endplate.errors import UnreadableImage
    from endplate.imaging.parse import parse_dicom
    from endplate.imaging.pseudonymise import pseudonymise
    from endplate.imaging.quiet import quiet_parsing

    try:
        data = Path(entry.file).read_bytes()
    except OSError as error:  # of this file, not of the folder of copies
        raise UnreadableImage(f"{entry.path}: {error.strerror}") from error
    with quiet_parsing():
        hidden = pseudonymise(parse_dicom(data, entry.path), pseudonyms)
        folder = output / str(hidden.get("PatientID") or "unknown") / str(hidden.StudyInstanceUID)
        folder.mkdir(parents=True, exist_ok=True)
        hidden.save_as(folder / f"{hidden.SOPInstanceUID}.dcm", enforce_file_format=True)
