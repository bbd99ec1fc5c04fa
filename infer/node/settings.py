"""Settings of a listening node, from a TOML file."""

import ipaddress
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError, UnknownName
from endplate.infer.dicom_results import KINDS
from endplate.infer.node.remote import Remote, TlsFiles, check_ae_title
from endplate.reports.dicom.uids import UUID_ROOT, UidMaker

__all__ = ["NodeSettings", "read_settings"]

_GIB: Final = 2**30
_MIB: Final = 2**20
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class NodeSettings:
    """What a node does.

    Parameters
    ----------
    folder : Path
        For the queue, the films that wait and the results that are on their way.
    allowed_ae_titles : tuple of str
        Who may call. Nobody else is answered.
    allowed_peers : tuple of networks
        From where one may call.
    ae_title, host, port
        How the node is called and where it listens; port 0: any that is free.
    quiet_seconds : float
        A study is complete when nothing of it has come for so long.
    max_storage_bytes, max_object_bytes : int
        What does not fit is refused.
    max_associations : int
        Callers at the same time.
    max_attempts : int
        Tries to send a result, with growing pauses, before it is given up.
    results : tuple of str
        Some of ``sr``, ``gsps``, ``sc``.
    destinations : tuple of Remote
        Where results go; without any they stay in the folder.
    uid_root : str
        Of the identifiers of the results.
    tls : TlsFiles or None
        Listen with TLS; also used towards destinations with TLS.
    """

    folder: Path
    allowed_ae_titles: tuple[str, ...]
    allowed_peers: tuple[Network, ...]
    ae_title: str = "ENDPLATE"
    host: str = "127.0.0.1"
    port: int = 11112
    quiet_seconds: float = 30.0
    max_storage_bytes: int = 20 * _GIB
    max_object_bytes: int = 256 * _MIB
    max_associations: int = 4
    max_attempts: int = 20
    results: tuple[str, ...] = ("sr", "gsps")
    destinations: tuple[Remote, ...] = ()
    uid_root: str = UUID_ROOT
    tls: TlsFiles | None = None

    def __post_init__(self) -> None:
        for title in (self.ae_title, *self.allowed_ae_titles):
            check_ae_title(title)
        if not self.allowed_ae_titles:
            raise InputError("allowed_ae_titles is empty: name at least one AE title that may call")
        if not self.allowed_peers:
            raise InputError("allowed_peers is empty: name at least one address or network")
        for kind in self.results:
            if kind not in KINDS:
                raise UnknownName("kind of DICOM result", kind, KINDS)
        UidMaker(self.uid_root)

    def allows(self, address: str) -> bool:
        """Whether somebody may call from this address."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self.allowed_peers)


#: Key of the file, attribute, type, least and greatest number.
_NUMBERS: Final[dict[str, tuple[str, float, float, float]]] = {
    "port": ("port", 1, 0, 65535),
    "quiet_seconds": ("quiet_seconds", 1, 0.1, 86400),
    "max_storage_gb": ("max_storage_bytes", _GIB, 0.01, 1e6),
    "max_object_mb": ("max_object_bytes", _MIB, 1, 1e5),
    "max_associations": ("max_associations", 1, 1, 100),
    "max_attempts": ("max_attempts", 1, 1, 10000),
}
_TEXTS: Final = ("ae_title", "host", "uid_root", "folder")
_LISTS: Final = ("allowed_ae_titles", "allowed_peers", "results", "destinations")
_TLS: Final = ("ca", "certificate", "key")


@dataclass
class _File:
    """A parsed settings file."""

    name: str
    values: dict[str, Any]
    folder: Path
    out: dict[str, Any] = field(default_factory=dict)

    def fail(self, key: str, expected: str) -> InputError:
        return InputError(f"{self.name}: {key} is {self.values[key]!r}; expected {expected}")


def read_settings(path: str | Path) -> NodeSettings:
    """Settings from a TOML file; relative paths in it start from its own folder.

    Raises
    ------
    InputError
        If it cannot be read or a value is wrong.
    UnknownName
        If it sets something that does not exist.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: no TOML file ({error})") from error
    known = (*_TEXTS, *_LISTS, *_NUMBERS, "tls")
    for key in values:
        if key not in known:
            raise UnknownName(f"setting in {path.name}", key, known)
    for key in ("folder", "allowed_ae_titles", "allowed_peers"):
        if key not in values:
            raise InputError(f"{path.name}: {key} is missing")
    file = _File(path.name, values, path.parent)
    _read_numbers(file)
    _read_texts(file)
    _read_lists(file)
    _read_tls(file)
    try:
        return NodeSettings(**file.out)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def _read_numbers(file: _File) -> None:
    for key, (name, factor, low, high) in _NUMBERS.items():
        if key not in file.values:
            continue
        value = file.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise file.fail(key, "a number")
        if not low <= value <= high:
            raise file.fail(key, f"a number from {low:g} to {high:g}")
        file.out[name] = value * factor if name == "quiet_seconds" else int(value * factor)


def _read_texts(file: _File) -> None:
    for key in _TEXTS:
        if key not in file.values:
            continue
        value = file.values[key]
        if not isinstance(value, str) or not value:
            raise file.fail(key, "a text")
        file.out[key] = (file.folder / value).absolute() if key == "folder" else value


def _read_lists(file: _File) -> None:
    for key in _LISTS:
        if key not in file.values:
            continue
        value = file.values[key]
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise file.fail(key, "a list of texts")
        if key == "allowed_peers":
            try:
                file.out[key] = tuple(ipaddress.ip_network(v, strict=False) for v in value)
            except ValueError as error:
                raise file.fail(key, "addresses or networks such as 10.1.2.0/24") from error
        elif key == "destinations":
            file.out[key] = tuple(Remote.parse(v) for v in value)
        else:
            file.out[key] = tuple(value)


def _read_tls(file: _File) -> None:
    if "tls" not in file.values:
        return
    table = file.values["tls"]
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise file.fail("tls", "a table of file names")
    for key in table:
        if key not in _TLS:
            raise UnknownName(f"setting of [tls] in {file.name}", key, _TLS)
    file.out["tls"] = TlsFiles(**{key: file.folder / name for key, name in table.items()})
