"""What stands before every request: host, origin, session, CSRF and size; and headers after it."""

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endplate.review.people import Doorkeeper, Session

__all__ = ["MAX_BODY", "Guard", "GuardRules"]

#: Greatest size of what a browser may send, in bytes: a reading of a whole spine has 10 kB.
MAX_BODY: Final = 512 * 1024
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), usb=()"),
)
_SAFE: Final = ("GET", "HEAD")
_ENTRY: Final = "/"


@dataclass(frozen=True, slots=True)
class GuardRules:
    """What the guard lets through.

    Parameters
    ----------
    hosts : frozenset of str
        Values of the Host header, with port, that are this server.
    secure : bool
        Whether browsers come by TLS.
    cookie : str
        Name of the session's cookie. Cookies do not keep ports apart, so it holds the port.
    """

    hosts: frozenset[str]
    secure: bool
    cookie: str


class Guard:
    """ASGI middleware; puts the `Session` into ``scope["session"]``."""

    def __init__(self, app: ASGIApp, door: Doorkeeper, rules: GuardRules) -> None:
        self.app, self.door, self.rules = app, door, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets here
        headers = _Headers(scope)
        reason = self._refusal(scope["method"], headers)
        if reason:
            await _answer(send, 403, reason)
            return
        if scope["path"] == _ENTRY and b"token=" in scope["query_string"]:
            await self._enter(scope, send)
            return
        session = self._session(headers)
        if session is None:
            await _answer(send, 401, "Open the link that endplate review printed: it works once.")
            return
        if scope["method"] not in _SAFE and not hmac.compare_digest(
            headers.one("x-endplate-csrf").encode(), session.csrf.encode()
        ):
            await _answer(send, 403, "The request does not come from a page of this review.")
            return
        size = headers.one("content-length")
        if size.isdigit() and int(size) > MAX_BODY:
            await _answer(send, 413, f"More than {MAX_BODY // 1024} kB were sent.")
            return
        scope["session"] = session
        await self._pass_on(scope, receive, send)

    def _refusal(self, method: str, headers: "_Headers") -> str:
        """Why a request is refused whoever sends it, empty if it is not."""
        hosts = headers.all("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.rules.hosts:
            return "The request names another host than this server."
        scheme = "https" if self.rules.secure else "http"
        origin = headers.one("origin")
        if origin and origin.lower() not in {f"{scheme}://{h}" for h in self.rules.hosts}:
            return "The request comes from another site."
        if method not in _SAFE:
            site = headers.one("sec-fetch-site")
            if site not in ("", "same-origin") or not origin:
                return "The request comes from another site."
        return ""

    async def _enter(self, scope: Scope, send: Send) -> None:
        try:
            values = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=4)
        except ValueError:
            values = {}
        secret = self.door.enter(values.get("token", [""])[0])
        if secret is None:
            text = "This link was used before. A new one stands on the terminal of the server."
            await _answer(send, 401, text)
            return
        flags = "; HttpOnly; SameSite=Strict; Path=/" + ("; Secure" if self.rules.secure else "")
        cookie = f"{self.rules.cookie}={secret}{flags}".encode()
        where = (b"location", b"./")
        await _answer(send, 303, "", ((b"set-cookie", cookie), where))

    def _session(self, headers: "_Headers") -> Session | None:
        if self.door.proxy is not None:
            name = headers.all(self.door.proxy.header)
            secret = headers.all("x-endplate-proxy-secret")
            if len(name) == 1 and len(secret) == 1:
                return self.door.proxied(name[0], secret[0])
        return self.door.session(headers.cookie(self.rules.cookie))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def finished(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with_headers(message["headers"])}
            await send(message)

        await self.app(scope, receive, finished)


class _Headers:
    """Headers of a request, as text."""

    def __init__(self, scope: Scope) -> None:
        self._items: list[tuple[bytes, bytes]] = list(scope["headers"])

    def all(self, name: str) -> list[str]:
        return [v.decode("latin-1") for k, v in self._items if k.decode("latin-1") == name]

    def one(self, name: str) -> str:
        values = self.all(name)
        return values[0] if len(values) == 1 else ""

    def cookie(self, name: str) -> str | None:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load("; ".join(self.all("cookie")))
        except CookieError:
            return None
        return jar[name].value if name in jar else None


def _with_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = list(headers)
    names = {name.lower() for name, _ in own}
    own += [(k, v) for k, v in _HEADERS if k not in names]
    if b"cache-control" not in names:
        own.append((b"cache-control", b"no-store"))
    return own


async def _answer(
    send: Send, status: int, text: str, extra: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    body = json.dumps({"error": text}).encode() if status != 401 else text.encode()
    kind = b"text/plain; charset=utf-8" if status == 401 else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": _with_headers(headers)})
    await send({"type": "http.response.body", "body": body})
