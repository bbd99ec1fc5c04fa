"""Partners on the network: where they are, how they are called, and how they are trusted."""

import os
import re
import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from endplate.errors import InputError, MissingDependency

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient

__all__ = ["Remote", "TlsFiles", "check_ae_title", "check_uid", "require_pacs", "web_client"]

_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_AE_TITLE: Final = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
_TOKEN: Final = "ENDPLATE_DICOMWEB_TOKEN"
_USER: Final = "ENDPLATE_DICOMWEB_USER"
_PASSWORD: Final = "ENDPLATE_DICOMWEB_PASSWORD"


def require_pacs() -> None:
    """Raise `MissingDependency` unless the packages of the extra ``pacs`` are installed."""
    for package in ("pynetdicom", "dicomweb_client", "highdicom"):
        if find_spec(package) is None:
            raise MissingDependency(package.replace("_", "-"), "pacs", "talking to a PACS")


def check_ae_title(title: str) -> str:
    """Return a valid application entity title, stripped."""
    if not title.strip() or not _AE_TITLE.fullmatch(title):
        raise InputError(f"AE title {title!r}: expected 1 to 16 printable characters, no backslash")
    return title.strip()


def check_uid(value: object, what: str) -> str:
    """Return a value from the network as a UID, which then is safe in a file name."""
    text = str(value or "")
    if not _UID.fullmatch(text) or len(text) > 64:
        raise InputError(f"{what} {text[:80]!r}: expected a unique identifier")
    return text


@dataclass(frozen=True)
class TlsFiles:
    """Certificates for TLS.

    Parameters
    ----------
    ca : Path or None
        Certificates that vouch for partners. As a server: with it every partner has to show a
        certificate. As a client: None means those of the system.
    certificate, key : Path or None
        Our own, as PEM.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def client_context(self) -> ssl.SSLContext:
        """For connections that we open."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise self._unusable(error) from error
        return context

    def server_context(self) -> ssl.SSLContext:
        """For connections that we accept."""
        if self.certificate is None:
            raise InputError("TLS: a listening node needs a certificate and its key")
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
            if self.ca is not None:
                context.load_verify_locations(self.ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:
            raise self._unusable(error) from error
        return context

    def _unusable(self, error: OSError) -> InputError:
        names = ", ".join(str(p) for p in (self.ca, self.certificate, self.key) if p is not None)
        return InputError(f"TLS: cannot use {names}: {error.strerror or error}")


@dataclass(frozen=True)
class Remote:
    """A partner.

    Parameters
    ----------
    url : str
        As it was given.
    web : bool
        Whether it speaks DICOMweb, else DIMSE.
    tls : bool
        Whether the connection is encrypted.
    host, port, ae_title : str, int, str
        Of a DIMSE partner.
    """

    url: str
    web: bool
    tls: bool
    host: str = ""
    port: int = 0
    ae_title: str = ""

    @classmethod
    def parse(cls, url: str) -> "Remote":
        """From ``dicom://AET@host:port``, ``dicoms://...`` with TLS, or ``http(s)://...``.

        Raises
        ------
        InputError
            If it is none of these.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme in ("http", "https") and parts.hostname:
            if parts.username or parts.password:
                raise InputError(
                    f"destination at {parts.hostname}: passwords do not belong in an address,"
                    f" where others can read them; set {_USER} and {_PASSWORD}, or {_TOKEN}"
                )
            return cls(url.rstrip("/"), web=True, tls=parts.scheme == "https")
        if parts.scheme in ("dicom", "dicoms") and parts.hostname and port and "@" in parts.netloc:
            title = check_ae_title(parts.netloc.rpartition("@")[0])
            return cls(url, False, parts.scheme == "dicoms", parts.hostname, port, title)
        raise InputError(
            f"address {url!r}: expected dicom://AETITLE@host:port, dicoms://... for TLS, or the"
            " http(s):// address of a DICOMweb service"
        )


def web_client(remote: Remote, tls: TlsFiles, timeout: float) -> "DICOMwebClient":
    """Client of a DICOMweb service; who we are is taken from the environment."""
    from dicomweb_client.api import DICOMwebClient
    from dicomweb_client.session_utils import create_session, create_session_from_user_pass

    user, token = os.environ.get(_USER), os.environ.get(_TOKEN)
    if user:
        session = create_session_from_user_pass(user, os.environ.get(_PASSWORD, ""))
    else:
        session = create_session()
    if tls.ca is not None:
        session.verify = str(tls.ca)
    if tls.certificate is not None:
        pair: Any = (str(tls.certificate), str(tls.key)) if tls.key else str(tls.certificate)
        session.cert = pair
    headers = {"Authorization": f"Bearer {token}"} if token and not user else None
    client = DICOMwebClient(remote.url, session=session, headers=headers, timeout=timeout)
    # Its own retries wait for half a minute before they say that nobody is there.
    client.set_http_retry_params(retry=False)
    return client
