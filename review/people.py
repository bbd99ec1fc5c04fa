"""Who may use the review, and how a browser proves that it is theirs.

A link with a token is printed for each person. The token works once and is exchanged for a cookie
that scripts cannot read; what changes anything also needs a second secret that only a page of
this application can know.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from endplate.errors import InputError, UnknownName

__all__ = ["ROLES", "Doorkeeper", "Person", "ProxyRule", "Session", "parse_person"]

Role = Literal["reader", "reviewer"]
#: A reader corrects and signs; a reviewer also overrules, exports everything and sees the trail.
ROLES: Final[tuple[Role, ...]] = ("reader", "reviewer")
_IDLE_SECONDS: Final = 12 * 3600.0
_MAX_NAME: Final = 60
_MAX_SESSIONS: Final = 200


@dataclass(frozen=True, slots=True)
class Person:
    """Name and role of somebody who signs readings."""

    name: str
    role: Role = "reader"


@dataclass(slots=True)
class Session:
    """A browser that has come in."""

    person: Person
    csrf: str
    seen: float


@dataclass(frozen=True, slots=True)
class ProxyRule:
    """A reverse proxy that says who the user is.

    Parameters
    ----------
    header : str
        Lower-case name of the header with the user's name.
    secret : str
        What the proxy sends in ``x-endplate-proxy-secret``, so that nobody else can pose as it.
    """

    header: str
    secret: str


def parse_person(text: str) -> Person:
    """Read ``NAME`` or ``NAME:ROLE``.

    Raises
    ------
    InputError
        If the name is empty, too long or not printable.
    UnknownName
        If the role does not exist.
    """
    name, colon, role = text.partition(":")
    name = " ".join(name.split())
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise InputError(f"user {text!r}: expected NAME or NAME:ROLE, the name up to 60 letters")
    if not colon:
        return Person(name)
    if role not in ROLES:
        raise UnknownName("role", role, ROLES)
    return Person(name, role)


class Doorkeeper:
    """Hands out tokens and knows the sessions.

    Parameters
    ----------
    people : sequence of Person
    proxy : ProxyRule or None
    announce : callable, optional
        Called with person and token whenever there is a new one to print.
    clock : callable
        Seconds; replaced in tests.
    """

    def __init__(
        self,
        people: Sequence[Person],
        proxy: ProxyRule | None = None,
        announce: Callable[[Person, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = [p.name for p in people]
        if len(set(names)) != len(names):
            raise InputError("two users have the same name; a name is what readings are signed by")
        self.people = {p.name: p for p in people}
        self.proxy, self.announce, self.clock = proxy, announce, clock
        self._tokens: dict[str, Person] = {}
        self._used: dict[str, Person] = {}
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def new_token(self, person: Person) -> str:
        """A token that opens one session."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[_digest(token)] = person
        if self.announce is not None:
            self.announce(person, token)
        return token

    def enter(self, token: str) -> str | None:
        """Exchange a token for the secret of a session, None if it is not valid.

        A token that was used before opens nothing, but a new one is announced, on the terminal
        of the person who runs the server.
        """
        digest = _digest(token)
        with self._lock:
            person = self._tokens.pop(digest, None)
            again = self._used.pop(digest, None)
            if person is not None:
                self._used[digest] = person
        if person is None:
            if again is not None:
                self.new_token(again)
            return None
        return self._open(person)

    def session(self, secret: str | None) -> Session | None:
        """The session of a cookie."""
        if not secret:
            return None
        now = self.clock()
        with self._lock:
            session = self._sessions.get(_digest(secret))
            if session is None or now - session.seen > _IDLE_SECONDS:
                return None
            session.seen = now
            return session

    def proxied(self, name: str, secret: str) -> Session | None:
        """The session of a user whom the proxy names; None if the proxy is not ours."""
        if self.proxy is None or not hmac.compare_digest(
            secret.encode(), self.proxy.secret.encode()
        ):
            return None
        person = self.people.get(name)
        if person is None:
            return None
        key = _digest(f"proxy\0{name}")
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                session = Session(person, secrets.token_urlsafe(32), self.clock())
                self._sessions[key] = session
            session.seen = self.clock()
            return session

    def leave(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(secret), None)

    def _open(self, person: Person) -> str:
        secret = secrets.token_urlsafe(32)
        now = self.clock()
        with self._lock:
            for key in [k for k, s in self._sessions.items() if now - s.seen > _IDLE_SECONDS]:
                del self._sessions[key]
            while len(self._sessions) >= _MAX_SESSIONS:
                self._sessions.pop(min(self._sessions, key=lambda k: self._sessions[k].seen))
            self._sessions[_digest(secret)] = Session(person, secrets.token_urlsafe(32), now)
        return secret


def _digest(secret: str) -> str:
    """Secrets are kept as hashes, whose comparison tells nothing by its duration."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
