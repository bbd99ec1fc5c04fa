"""Fetching films from a PACS: C-FIND and C-MOVE, or QIDO-RS and WADO-RS."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydicom.dataset import Dataset

from endplate.errors import InputError
from endplate.infer.node.receive_films import FilmReceiver
from endplate.infer.node.remote import Remote, TlsFiles, check_uid, require_pacs, web_client
from endplate.infer.node.send import associate

if TYPE_CHECKING:
    from pynetdicom.association import Association

__all__ = ["MODALITIES", "Query", "Retrieved", "read_list", "retrieve"]

#: Modalities of radiographs; of secondary captures too, as which old films are kept.
MODALITIES: Final = ("CR", "DX", "RF", "XA", "RG", "OT", "SC")
_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
_PENDING: Final = (0xFF00, 0xFF01)
_SPECIAL: Final = re.compile(r"[*?\\\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: one patient's or one accession's films.

    Raises
    ------
    InputError
        If the value is empty, too long, or a pattern, which might match anybody.
    """

    key: Literal["PatientID", "AccessionNumber"]
    value: str

    def __post_init__(self) -> None:
        longest = 64 if self.key == "PatientID" else 16
        if not 0 < len(self.value) <= longest or _SPECIAL.search(self.value):
            raise InputError(
                f"{self.key} {self.value!r}: expected 1 to {longest} characters without * ? \\"
            )


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What became of a query: its films, and why some or all are missing."""

    query: Query
    paths: tuple[Path, ...] = ()
    message: str = ""


def read_list(path: str | Path) -> tuple[str, ...]:
    """Values of a text file, one a line; empty lines and those that begin with # do not count."""
    path = Path(path)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: cannot be read as a list ({error})") from error
    return tuple(x.strip() for x in lines if x.strip() and not x.startswith("#"))


def retrieve(
    queries: Sequence[Query],
    remote: Remote,
    out_dir: Path,
    *,
    ae_title: str = "ENDPLATE",
    host: str = "127.0.0.1",
    port: int = 11112,
    modalities: Sequence[str] = MODALITIES,
    tls: TlsFiles | None = None,
    timeout: float = 60.0,
) -> Iterator[Retrieved]:
    """Fetch films into ``out_dir/STUDY/INSTANCE.dcm``; one query that fails stops no other.

    Parameters
    ----------
    ae_title, host, port
        How the partner knows us and where we wait for the films (C-MOVE only): a PACS sends
        them to the address that it has on record for the AE title.
    modalities : sequence of str
        Of the series that are fetched.

    Yields
    ------
    Retrieved
        For each query, in their order.

    Raises
    ------
    MissingDependency
        If the extra ``pacs`` is not installed.
    InputError
        If the partner cannot be reached, or the folder not be written to.
    """
    require_pacs()
    tls = tls or TlsFiles()
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out_dir}: cannot be written to: {error.strerror}") from error
    if remote.web:
        yield from _over_web(queries, remote, out_dir, modalities, tls, timeout)
        return
    with FilmReceiver(out_dir, ae_title, host, port, tls if remote.tls else None) as receiver:
        association = associate(remote, [(_FIND, None), (_MOVE, None)], ae_title, tls, timeout)
        try:
            for query in queries:
                yield _move(association, receiver, query, modalities, ae_title)
        finally:
            if association.is_established:
                association.release()


def _move(
    association: "Association",
    receiver: FilmReceiver,
    query: Query,
    modalities: Sequence[str],
    ae_title: str,
) -> Retrieved:
    receiver.begin(frozenset())
    try:
        found = _find_series(association, query, modalities)
        receiver.begin(frozenset(study for study, _ in found))
        messages = [_move_series(association, *pair, ae_title) for pair in found]
    except InputError as error:
        return Retrieved(query, receiver.paths(), str(error))
    if not messages:
        return Retrieved(query, (), "nothing was found")
    return Retrieved(query, receiver.paths(), "; ".join(dict.fromkeys(m for m in messages if m)))


def _find_series(
    association: "Association", query: Query, modalities: Sequence[str]
) -> list[tuple[str, str]]:
    """Study and series of the wanted modalities."""
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = ""
    setattr(wanted, query.key, query.value)
    found = []
    for study in _find(association, wanted):
        # A server that ignores a key answers with everything there is.
        if str(study.get(query.key, "")).strip() != query.value.strip():
            continue
        study_uid = check_uid(study.get("StudyInstanceUID"), "study")
        inside = Dataset()
        inside.QueryRetrieveLevel = "SERIES"
        inside.StudyInstanceUID = study_uid
        inside.SeriesInstanceUID = ""
        inside.Modality = ""
        for series in _find(association, inside):
            if str(series.get("Modality", "")) in modalities:
                found.append((study_uid, check_uid(series.get("SeriesInstanceUID"), "series")))
    return found


def _find(association: "Association", wanted: Dataset) -> list[Dataset]:
    if not association.is_established:
        raise InputError("the connection broke off")
    out = []
    for status, identifier in association.send_c_find(wanted, _FIND):
        if not status or "Status" not in status:
            raise InputError("the partner gave no answer to the query")
        if status.Status in _PENDING and identifier is not None:
            out.append(identifier)
        elif status.Status != 0:
            raise InputError(f"the query was answered with status 0x{int(status.Status):04X}")
    return out


def _move_series(association: "Association", study: str, series: str, ae_title: str) -> str:
    """Have a series sent to us; why something of it is missing, empty if nothing is."""
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "SERIES"
    wanted.StudyInstanceUID = study
    wanted.SeriesInstanceUID = series
    if not association.is_established:
        raise InputError("the connection broke off")
    last = None
    for status, _ in association.send_c_move(wanted, ae_title, _MOVE):
        if not status or "Status" not in status:
            raise InputError("the partner gave no answer to the request for a series")
        last = status
    if last is None or last.Status == 0:
        return ""
    if last.Status == 0xA801:
        return f"the partner has no address on record for {ae_title}"
    failed = last.get("NumberOfFailedSuboperations") or 0
    if failed == 0:
        code = f"0x{int(last.Status):04X}"
        return f"a series was not sent (status {code}); films are taken, and no other objects"
    return f"{failed} objects were not sent (status 0x{int(last.Status):04X})"


def _over_web(
    queries: Sequence[Query],
    remote: Remote,
    out_dir: Path,
    modalities: Sequence[str],
    tls: TlsFiles,
    timeout: float,
) -> Iterator[Retrieved]:
    import requests

    client = web_client(remote, tls, timeout)
    for query in queries:
        paths: list[Path] = []
        message = ""
        try:
            for study, series in _search(client, query, modalities):
                for dataset in client.iter_series(study, series):
                    paths.append(_save(dataset, study, out_dir))
            message = "" if paths else "nothing was found"
        except requests.ConnectionError as error:
            raise InputError(f"{remote.url}: cannot be reached") from error
        except (requests.RequestException, InputError) as error:
            message = " ".join(str(error).split())[:200]
        yield Retrieved(query, tuple(paths), message)


def _search(client: Any, query: Query, modalities: Sequence[str]) -> list[tuple[str, str]]:
    """Study and series of the wanted modalities."""
    found = []
    for values in client.search_for_studies(
        search_filters={query.key: query.value}, fields=[query.key], get_remaining=True
    ):
        study = Dataset.from_json(values)
        if str(study.get(query.key, "")).strip() != query.value.strip():
            continue
        study_uid = check_uid(study.get("StudyInstanceUID"), "study")
        for inside in client.search_for_series(study_uid, get_remaining=True):
            series = Dataset.from_json(inside)
            if str(series.get("Modality", "")) in modalities:
                found.append((study_uid, check_uid(series.get("SeriesInstanceUID"), "series")))
    return found


def _save(dataset: Dataset, study_uid: str, out_dir: Path) -> Path:
    sop_uid = check_uid(dataset.get("SOPInstanceUID"), "SOP instance")
    path = out_dir / study_uid / f"{sop_uid}.dcm"
    try:
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise InputError(f"{out_dir}: cannot be written to: {error.strerror}") from error
    return path
