"""Where the films of a C-MOVE arrive."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.transport import ThreadedAssociationServer

from endplate.errors import InputError
from endplate.imaging.parse import parse_header
from endplate.infer.node.receive import FILM_CLASSES, SYNTAXES
from endplate.infer.node.remote import TlsFiles, check_ae_title, check_uid

__all__ = ["FilmReceiver"]


class FilmReceiver:
    """Listens while it is entered, and keeps the films that come.

    Parameters
    ----------
    out_dir : Path
        Films go to ``STUDY/INSTANCE.dcm`` in it.
    ae_title, host, port
        How we are called and where we listen.
    tls : TlsFiles or None
        Listen with TLS.
    """

    def __init__(
        self, out_dir: Path, ae_title: str, host: str, port: int, tls: TlsFiles | None
    ) -> None:
        self._out_dir = out_dir
        self._title = check_ae_title(ae_title)
        self._address = (host, port)
        self._tls = tls
        self._lock = threading.Lock()
        self._paths: list[Path] = []
        self._studies: frozenset[str] = frozenset()
        self._server: ThreadedAssociationServer | None = None

    def __enter__(self) -> "FilmReceiver":
        ae = AE(self._title)
        ae.require_called_aet = True
        for sop_class in FILM_CLASSES:
            ae.add_supported_context(sop_class, list(SYNTAXES))
        handlers: list[Any] = [(evt.EVT_C_STORE, self._on_store)]
        context = None if self._tls is None else self._tls.server_context()
        try:
            self._server = ae.start_server(
                self._address, block=False, evt_handlers=handlers, ssl_context=context
            )
        except OSError as error:
            host, port = self._address
            raise InputError(f"cannot listen at {host}:{port}: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def begin(self, studies: frozenset[str]) -> None:
        """Forget what came so far, and take films of these studies only."""
        with self._lock:
            self._paths = []
            self._studies = studies

    def paths(self) -> tuple[Path, ...]:
        """What has come since `begin`."""
        with self._lock:
            return tuple(self._paths)

    def _on_store(self, event: Event) -> int:
        try:
            data = event.encoded_dataset()
            head = parse_header(data, ("SOPInstanceUID", "StudyInstanceUID"))
            sop_uid = check_uid(head.get("SOPInstanceUID"), "SOP instance")
            study_uid = check_uid(head.get("StudyInstanceUID"), "study")
        except Exception:  # whatever a damaged data set makes the parser do
            return 0xC000
        if study_uid not in self._studies:
            return 0x0124  # not authorised: nobody asked for it
        path = self._out_dir / study_uid / f"{sop_uid}.dcm"
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        except OSError:
            return 0xA700
        with self._lock:
            self._paths.append(path)
        return 0x0000
