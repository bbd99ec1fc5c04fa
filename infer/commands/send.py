"""``endplate send``: DICOM files to a PACS."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="send")(_send)


def _send(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="DICOM files, and folders with .dcm files at any depth."
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="dicom://AETITLE@host:port (dicoms:// with TLS), or the http(s) address of a"
            " DICOMweb service.",
        ),
    ],
    ae_title: Annotated[str, typer.Option(help="What we call ourselves.")] = "ENDPLATE",
    tls_ca: Annotated[
        Path | None, typer.Option(help="Certificates that vouch for the partner, PEM.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="Our own certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 30.0,
) -> int:
    """Send results, or any DICOM files, by C-STORE or STOW-RS.

    Exit status: 0 all were taken; 1 some of several were not; 2 none was.
    """
    from endplate.errors import InputError
    from endplate.infer.node.remote import Remote, TlsFiles
    from endplate.infer.node.send import send_files
    from endplate.infer.terminal import complain

    files: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*.dcm")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: holds no .dcm files")
        files += inside
    sent = send_files(
        files,
        Remote.parse(to),
        ae_title=ae_title,
        tls=TlsFiles(tls_ca, tls_certificate, tls_key),
        timeout=timeout,
    )
    for one in sent:
        if not one.ok:
            complain(f"{one.path}: {one.message}")
    taken = sum(one.ok for one in sent)
    print(f"{taken} of {len(sent)} files were taken by {to}")
    if taken == len(sent):
        return 0
    return 1 if taken else 2
