"""Sending DICOM files to a PACS: C-STORE, or STOW-RS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydicom import dcmread
from pydicom.dataset import FileDataset

from endplate.errors import InputError
from endplate.infer.node.remote import Remote, TlsFiles, check_ae_title, require_pacs, web_client

if TYPE_CHECKING:
    from pynetdicom.association import Association

__all__ = ["NothingInCommon", "Sent", "associate", "send_files"]

_MAX_CONTEXTS: Final = 128
_AT_ONCE: Final = 50


class NothingInCommon(InputError):
    """A partner takes none of the kinds of object that were offered."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file: `message` says why it was not taken, empty if it was."""

    path: Path
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether the partner took the file."""
        return not self.message


def send_files(
    paths: Sequence[Path],
    remote: Remote,
    *,
    ae_title: str = "ENDPLATE",
    tls: TlsFiles | None = None,
    timeout: float = 30.0,
) -> tuple[Sent, ...]:
    """Send files; one that fails does not keep the others back.

    Parameters
    ----------
    remote : Remote
        Where to.
    ae_title : str
        What we call ourselves; of no meaning to DICOMweb.
    timeout : float
        Seconds to wait for each answer.

    Returns
    -------
    tuple of Sent
        One for each path, in their order.

    Raises
    ------
    MissingDependency
        If the extra ``pacs`` is not installed.
    InputError
        If the partner cannot be reached, or refuses to talk to us.
    """
    require_pacs()
    sent: list[Sent] = []
    for first in range(0, len(paths), _AT_ONCE):
        some = paths[first : first + _AT_ONCE]
        try:
            sent += _send_some(some, remote, ae_title, tls or TlsFiles(), timeout)
        except InputError as error:
            if not any(one.ok for one in sent):
                raise
            # What was taken before is to be told all the same.
            sent += [Sent(path, str(error)) for path in some]
    return tuple(sent)


def _send_some(
    paths: Sequence[Path], remote: Remote, ae_title: str, tls: TlsFiles, timeout: float
) -> list[Sent]:
    """Send as many files as may be in memory at once, over one connection."""
    read: dict[Path, FileDataset] = {}
    unreadable: dict[Path, Sent] = {}
    for path in paths:
        try:
            dataset = dcmread(path)
            _ = dataset.SOPInstanceUID, dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID
            read[path] = dataset
        except Exception as error:  # whatever a damaged file makes the parser do
            reason = " ".join(str(error).split())[:120]
            unreadable[path] = Sent(path, f"is no DICOM file that can be read ({reason})")
    done = dict(unreadable)
    if read:
        send = _stow if remote.web else _store
        done |= {s.path: s for s in send(read, remote, ae_title, tls, timeout)}
    return [done[path] for path in paths]


def associate(
    remote: Remote,
    contexts: Sequence[tuple[str, str | None]],
    ae_title: str,
    tls: TlsFiles,
    timeout: float,
) -> "Association":
    """An association with a DIMSE partner, for pairs of abstract and transfer syntax.

    Raises
    ------
    NothingInCommon
        If the partner takes none of the abstract syntaxes.
    InputError
        If it cannot be reached, or refuses to talk to us.
    """
    from pynetdicom import AE
    from pynetdicom.presentation import build_context

    ae = AE(check_ae_title(ae_title))
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = timeout
    wanted = [
        build_context(abstract) if transfer is None else build_context(abstract, transfer)
        for abstract, transfer in contexts
    ]
    association = ae.associate(
        remote.host,
        remote.port,
        contexts=wanted,
        ae_title=remote.ae_title,
        tls_args=(tls.client_context(), remote.host) if remote.tls else None,
    )
    if association.is_established:
        return association
    if association.rejected_contexts and not association.accepted_contexts:
        raise NothingInCommon(f"{remote.url}: takes none of the kinds of object that were offered")
    if association.is_rejected:
        why = f"refuses to talk to {ae_title!r}; is that AE title known there?"
    else:
        why = "cannot be reached, or speaks no DICOM there"
    raise InputError(f"{remote.url}: {why}")


def _store(
    read: dict[Path, FileDataset], remote: Remote, ae_title: str, tls: TlsFiles, timeout: float
) -> list[Sent]:
    pairs = {
        (str(ds.SOPClassUID), str(ds.file_meta.TransferSyntaxUID)): None for ds in read.values()
    }
    try:
        association = associate(remote, list(pairs)[:_MAX_CONTEXTS], ae_title, tls, timeout)
    except NothingInCommon:
        return [Sent(path, _not_taken(ds)) for path, ds in read.items()]
    try:
        return [Sent(path, _store_one(association, ds)) for path, ds in read.items()]
    finally:
        if association.is_established:
            association.release()


def _store_one(association: "Association", dataset: FileDataset) -> str:
    """Why the partner did not take it, empty if it did."""
    if not association.is_established:
        return "the connection broke off"
    try:
        status = association.send_c_store(dataset)
    except ValueError:
        return _not_taken(dataset)
    except RuntimeError:
        return "the connection broke off"
    if not status or "Status" not in status:
        return "the partner gave no answer"
    code = int(status.Status)
    # Warnings of the B range: stored, with elements coerced.
    if code == 0 or code >> 12 == 0xB:
        return ""
    comment = str(status.get("ErrorComment", "") or "")
    return f"the partner answered with status 0x{code:04X} {comment}".rstrip()


def _not_taken(dataset: FileDataset) -> str:
    syntax = dataset.file_meta.TransferSyntaxUID.name
    return f"the partner does not take {dataset.SOPClassUID.name} in {syntax}"


def _stow(
    read: dict[Path, FileDataset], remote: Remote, ae_title: str, tls: TlsFiles, timeout: float
) -> list[Sent]:
    import requests

    client = web_client(remote, tls, timeout)
    out = []
    for path, dataset in read.items():
        message = ""
        try:
            answer = client.store_instances([dataset])
            failed = answer.get("FailedSOPSequence")
            if failed:
                message = f"the service refused it, reason {failed[0].get('FailureReason', '?')}"
        except requests.ConnectionError as error:
            raise InputError(f"{remote.url}: cannot be reached") from error
        except requests.RequestException as error:
            message = f"the service answered: {' '.join(str(error).split())[:200]}"
        out.append(Sent(path, message))
    return out
