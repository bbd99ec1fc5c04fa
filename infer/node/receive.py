"""The DICOM server of a node: verification and storage, for those who may call."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final

from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from endplate.errors import InputError
from endplate.imaging.parse import parse_header
from endplate.infer.node.remote import check_uid
from endplate.infer.node.settings import NodeSettings

__all__ = ["FILM_CLASSES", "SYNTAXES", "StorageServer", "StoreError"]

log: Final = logging.getLogger("endplate.node")

#: Storage classes of films: computed and digital radiography, angiography, fluoroscopy,
#: secondary capture.
FILM_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.12.2",
    "1.2.840.10008.5.1.4.1.1.7",
)
#: Transfer syntaxes that are taken.
SYNTAXES: Final = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.5",
)
_TIMEOUT: Final = 60.0
_HANDSHAKE_TIMEOUT: Final = 5.0
_SUCCESS: Final = 0x0000
_OUT_OF_RESOURCES: Final = 0xA700
_CANNOT_UNDERSTAND: Final = 0xC000

#: Keeps a film: SOP instance, study, bytes of a whole file.
Store = Callable[[str, str, bytes], None]


class StoreError(Exception):
    """There is no room for a film."""


class _Server(ThreadedAssociationServer):
    """Turns away, before a byte is read, who calls from elsewhere than allowed."""

    settings: NodeSettings

    def get_request(self) -> tuple[socket.socket, Any]:
        assert self.socket is not None
        client, address = self.socket.accept()
        if not self.settings.allows(str(address[0])):
            log.warning("refused a connection from %s, which is not allowed", address[0])
            client.close()
            raise OSError("peer not allowed")  # the server then goes on to the next
        if self.ssl_context is None:
            return client, address
        client.settimeout(_HANDSHAKE_TIMEOUT)
        try:
            return self.ssl_context.wrap_socket(client, server_side=True), address
        except (OSError, ssl.SSLError):
            log.warning("TLS with %s failed", address[0])
            client.close()
            raise


class StorageServer:
    """Listens from `start` to `stop`.

    Parameters
    ----------
    settings : NodeSettings
        Who may call, and where to listen.
    store : callable
        Keeps a film; raises `StoreError` where there is no room.
    """

    def __init__(self, settings: NodeSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where the server listens, 0 while it does not."""
        if self._server is None or self._server.socket is None:
            return 0
        return int(self._server.socket.getsockname()[1])

    def start(self) -> None:
        """Listen.

        Raises
        ------
        InputError
            If the address cannot be listened at, or the certificate not be used.
        """
        settings = self._settings
        ae = AE(settings.ae_title)
        ae.require_called_aet = True
        ae.require_calling_aet = list(settings.allowed_ae_titles)
        ae.maximum_associations = settings.max_associations
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = _TIMEOUT
        ae.add_supported_context(Verification)
        for sop_class in FILM_CLASSES:
            ae.add_supported_context(sop_class, list(SYNTAXES))
        context = None if settings.tls is None else settings.tls.server_context()
        handlers: list[Any] = [
            (evt.EVT_C_ECHO, lambda event: _SUCCESS),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_REJECTED, _on_rejected),
        ]
        try:
            server: Any = ae.make_server(
                (settings.host, settings.port),
                evt_handlers=handlers,
                ssl_context=context,
                server_class=_Server,
            )
        except OSError as error:
            raise InputError(
                f"cannot listen at {settings.host}:{settings.port}: {error.strerror}"
            ) from error
        server.settings = settings
        ae._servers.append(server)  # as start_server does; closing takes it off again
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way, and listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def _on_store(self, event: Event) -> int:
        """Answer a C-STORE with its status."""
        try:
            data = event.encoded_dataset()
            if len(data) > self._settings.max_object_bytes:
                log.warning("refused a film of %d bytes: larger than allowed", len(data))
                return _OUT_OF_RESOURCES
            sop_uid, study_uid = _identify(event, data)
        except Exception as error:  # whatever a damaged data set makes the parser do
            log.warning("refused an object that cannot be understood: %s", type(error).__name__)
            return _CANNOT_UNDERSTAND
        try:
            self._store(sop_uid, study_uid, data)
        except (StoreError, OSError) as error:
            log.error("no room for instance %s: %s", sop_uid, error)
            return _OUT_OF_RESOURCES
        return _SUCCESS


def _identify(event: Event, data: bytes) -> tuple[str, str]:
    """SOP instance and study of a received data set, checked against what was announced."""
    wanted = ("SOPInstanceUID", "StudyInstanceUID")
    head = parse_header(data, wanted)
    request: Any = event.request
    announced = check_uid(request.AffectedSOPInstanceUID, "SOP instance")
    sop_uid = check_uid(head.get("SOPInstanceUID"), "SOP instance")
    if sop_uid != announced:
        raise InputError("the data set is of another instance than was announced")
    return sop_uid, check_uid(head.get("StudyInstanceUID"), "study")


def _on_rejected(event: Event) -> None:
    requestor = event.assoc.requestor
    log.warning("rejected an association from AE %r at %s", requestor.ae_title, requestor.address)
