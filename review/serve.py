"""Running the review: checks of the options, the address to open, the server."""

import contextlib
import getpass
import ipaddress
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Final

from endplate.errors import InputError, MissingDependency
from endplate.review.blinded import StudyPlan
from endplate.review.people import Doorkeeper, Person, ProxyRule, parse_person
from endplate.study.locks import hold
from endplate.study.reading import Reading

__all__ = ["ReviewOptions", "allowed_hosts", "review"]

_SECRET_VARIABLE: Final = "ENDPLATE_PROXY_SECRET"
_SHORTEST_SECRET: Final = 24


@dataclass(frozen=True)
class ReviewOptions:
    """What the command line asked for; see the help of ``endplate review``."""

    where: str
    films: tuple[Path, ...] = ()
    private: Path | None = None
    users: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    names: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure_network: bool = False
    proxy_header: str = ""
    weights: Path | None = None
    plan: StudyPlan | None = None
    work: Path | None = None
    open_browser: bool = False
    out: IO[str] = field(default_factory=lambda: sys.stdout)

    def people(self) -> list[Person]:
        """Users; by default whoever runs the server, as reviewer."""
        if self.users:
            return [parse_person(text) for text in self.users]
        try:
            name = getpass.getuser()
        except (OSError, KeyError, ImportError):
            name = "reviewer"
        return [Person(name[:60], "reviewer")]


def review(options: ReviewOptions) -> int:
    """Serve until interrupted.

    Returns
    -------
    int
        0.

    Raises
    ------
    MissingDependency
        If the packages of the extra ``review`` are not installed.
    InputError
        If the folder has no readings, is being reviewed already, or the options would open
        films to a network in clear.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "fastapi", "review", "endplate review") from error
    from endplate.review.app import build_app
    from endplate.review.assist import Assistant
    from endplate.review.batch_films import find_private
    from endplate.review.desk import Desk
    from endplate.review.films import FilmShelf
    from endplate.review.from_store import check_out, file_into, is_store, work_folder
    from endplate.review.guard import GuardRules
    from endplate.review.library import Library

    _check_network(options)
    people, proxy = options.people(), _proxy(options)
    with contextlib.ExitStack() as stack:
        folder = Path(options.where)
        also: Callable[[Reading], None] | None = None
        if is_store(options.where):
            folder = work_folder(options.where, options.work)
            store = stack.enter_context(check_out(options.where, folder))
            also = partial(file_into, store)
        library = Library(folder)
        stack.enter_context(_alone(library.own))
        listener = stack.enter_context(_listening(options))
        port = int(listener.getsockname()[1])
        desk = Desk(
            library,
            FilmShelf(library, options.films, find_private(library.folder, options.private)),
            Assistant(options.weights),
            options.plan,
        )
        desk.signer.also = also
        # Behind a proxy browsers come by TLS to the proxy, unless somebody says otherwise.
        behind = proxy is not None and not options.insecure_network
        secure = options.tls_cert is not None or behind
        hosts = allowed_hosts(options.host, port, options.names)
        address = f"{'https' if secure else 'http'}://{hosts[0]}/"

        def announce(person: Person, token: str) -> None:
            who = f"{person.name} ({person.role})"
            print(f"{who}: {address}?token={token}", file=options.out, flush=True)

        door = Doorkeeper(people, proxy, announce)
        rules = GuardRules(frozenset(hosts), secure, f"endplate_review_{port}")
        app = build_app(desk, door, rules)
        count = len(library)
        print(
            f"{count} film{'s' if count != 1 else ''}. Open the link; it works once."
            " Ctrl+C ends the review.",
            file=options.out,
        )
        if proxy is None:
            tokens = [door.new_token(person) for person in people]
            if options.open_browser:
                _open_browser(f"{address}?token={tokens[0]}")
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    return 0


def allowed_hosts(host: str, port: int, names: Sequence[str] = ()) -> list[str]:
    """Host headers that mean this server; the first one is for the printed address."""
    shown = [f"[{host}]" if ":" in host else host]
    if host in ("0.0.0.0", "::"):
        shown = [socket.gethostname().lower()]
    hosts = [*[n.lower() for n in names], *shown]
    if is_loopback(host):
        hosts += ["localhost", "127.0.0.1", "[::1]"]
    bare = list(dict.fromkeys(hosts))
    with_port = [h if h.rpartition(":")[2].isdecimal() else f"{h}:{port}" for h in bare]
    return [*with_port, *(bare if port in (80, 443) or names else ())]


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_network(options: ReviewOptions) -> None:
    if (options.tls_cert is None) != (options.tls_key is None):
        raise InputError("--tls-cert and --tls-key go together")
    for path in (options.tls_cert, options.tls_key):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: no such file")
    if options.tls_cert is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.tls_cert, options.tls_key)
        except (ssl.SSLError, OSError) as error:
            raise InputError(
                f"--tls-cert {options.tls_cert}, --tls-key {options.tls_key}: are no certificate"
                f" and its key in PEM ({error.strerror or error})"
            ) from None
    open_to_all = not is_loopback(options.host) and options.tls_cert is None
    if open_to_all and not options.insecure_network:
        raise InputError(
            f"--host {options.host} would send films over the network in clear: give --tls-cert"
            " and --tls-key, or --insecure-network if something else encrypts"
        )


def _proxy(options: ReviewOptions) -> ProxyRule | None:
    if not options.proxy_header:
        return None
    secret = os.environ.get(_SECRET_VARIABLE, "")
    if len(secret) < _SHORTEST_SECRET:
        raise InputError(
            f"--proxy-header needs ${_SECRET_VARIABLE} of {_SHORTEST_SECRET} characters or more,"
            " which the proxy sends as X-Endplate-Proxy-Secret"
        )
    if not options.users:
        raise InputError("--proxy-header needs --user NAME:ROLE for everybody who may come in")
    return ProxyRule(options.proxy_header.lower(), secret)


@contextlib.contextmanager
def _listening(options: ReviewOptions) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # With its protocol named asyncio switches off Nagle's delay on what is accepted; without, the
    # second half of each answer waits 40 ms for the browser to acknowledge the first.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((options.host, options.port))
        except OSError as error:
            raise InputError(
                f"--host {options.host} --port {options.port}: cannot listen: {error.strerror}"
            ) from error
        listener.listen(64)  # the printed link works from now on
        yield listener


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second server off the folder; the lock goes with the process."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror}") from error
    taken = f"{folder.parent}: is being reviewed by another endplate review"
    with hold(folder / "lock", taken):
        yield


def _open_browser(address: str) -> None:
    import webbrowser

    webbrowser.open(address)
