"""``endplate retrieve``: films from a PACS."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="retrieve")(_retrieve)


def _retrieve(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ADDRESS",
            help="dicom://AETITLE@host:port (dicoms:// with TLS), or the http(s) address of a"
            " DICOMweb service.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the films.")
    ],
    patient: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A patient. May be given again.")
    ] = None,
    accession: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER", help="An accession. May be given again.")
    ] = None,
    patient_list: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Patients, one a line.")
    ] = None,
    accession_list: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Accessions, one a line.")
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CR,DX,...", help="Of the series to fetch; by default those of radiographs."
        ),
    ] = None,
    ae_title: Annotated[
        str, typer.Option(help="What we are called in the PACS, which sends films there (C-MOVE).")
    ] = "ENDPLATE",
    host: Annotated[str, typer.Option(help="Address at which to wait for them.")] = "0.0.0.0",
    port: Annotated[int, typer.Option(help="Port at which to wait for them.")] = 11112,
    tls_ca: Annotated[
        Path | None, typer.Option(help="Certificates that vouch for the partner, PEM.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="Our own certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 60.0,
) -> int:
    """Fetch films by C-FIND and C-MOVE, or by QIDO-RS and WADO-RS.

    They are written to DIR/STUDY/INSTANCE.dcm.

    Exit status: 0 all was found; 1 some was not; 2 nothing was.
    """
    from endplate.errors import InputError
    from endplate.infer.node.remote import Remote, TlsFiles, require_pacs

    require_pacs()
    from endplate.infer.node.retrieve import MODALITIES, Query, read_list, retrieve
    from endplate.infer.terminal import complain

    patients = [*(patient or ()), *(read_list(patient_list) if patient_list else ())]
    accessions = [*(accession or ()), *(read_list(accession_list) if accession_list else ())]
    queries = [
        *(Query("PatientID", value) for value in dict.fromkeys(patients)),
        *(Query("AccessionNumber", value) for value in dict.fromkeys(accessions)),
    ]
    if not queries:
        raise InputError("nothing to look for: give --patient, --accession, or a list of them")
    films = complete = 0
    for result in retrieve(
        queries,
        Remote.parse(source),
        output,
        ae_title=ae_title,
        host=host,
        port=port,
        modalities=tuple(
            m.strip().upper() for m in ",".join(modality or ()).split(",") if m.strip()
        )
        or MODALITIES,
        tls=TlsFiles(tls_ca, tls_certificate, tls_key),
        timeout=timeout,
    ):
        films += len(result.paths)
        complete += not result.message
        if result.message:
            complain(f"{result.query.key} {result.query.value}: {result.message}")
    print(f"{films} films for {complete} of {len(queries)} queries are in {output}")
    if complete == len(queries):
        return 0
    return 1 if films else 2
