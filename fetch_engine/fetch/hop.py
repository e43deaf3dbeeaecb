"""One request of a fetch as it goes out: with its default headers, credentials and cookies."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fetch_engine.fetch.decoders import ACCEPT_ENCODING
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest
from fetch_engine.model.urls import Target

if TYPE_CHECKING:
    from fetch_engine.cookies.jar import CookieJar
from fetch_engine.model.requests import TOKEN, FetchRequest, Headers, has_header

_VALUE = re.compile(r"[\t\x20-\x7e\x80-\uffff\U00010000-\U0010ffff]*")


# They frame the message or belong to the connection (RFC 9110 section 7.6.1): the transport's business.
TRANSPORT_HEADERS = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


@dataclass(slots=True)
class HopRequest:
    """What one hop asks for: headers and body may differ from those of the hop before it. Nobody changes it."""

    target: Target
    method: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    insecure: bool = False
    proxy: str | None = field(default=None, repr=False)

    def to_wire(self, jar: CookieJar | None = None) -> WireRequest:
        """As the transport takes it, with the credentials of the URL unless a header gives others, and the cookies of
        `jar` besides those of a header."""
        headers = self.headers
        if jar is not None:
            headers = _with_cookies(headers, jar, self.target)
        if self.target.authorization is not None and not has_header(headers, "authorization"):
            headers = (*headers, ("Authorization", self.target.authorization))
        return WireRequest(self.method, self.target.url, headers, self.body, self.insecure, self.proxy)


def first_hop(request: FetchRequest, target: Target, more: Headers = ()) -> HopRequest:
    """The request to `target`, its URL read, checked and completed by the default headers; `more` go before those.

    Raises AttemptFailed of kind protocol for a method or header that HTTP does not allow (RFC 9110 sections 5.1, 5.5,
    9.1) or that the transport sets itself.
    """
    if not TOKEN.fullmatch(request.method):
        raise AttemptFailed(ErrorKind.PROTOCOL, "invalid request method: not an HTTP token")
    if request.raw:
        more = (*more, ("Accept-Encoding", "identity"))
    headers = _completed(request.headers, more) if request.headers or more else _default_headers()
    return HopRequest(target, request.method, headers, request.body, request.insecure, request.proxy)


def _completed(headers: Headers, more: Headers) -> Headers:
    given = tuple(_checked(name, value) for name, value in headers)
    # A part of a coded body cannot be decoded (Fetch standard, HTTP-network-or-cache fetch).
    coding = "identity" if has_header(given, "range") else ACCEPT_ENCODING
    names = {name.lower() for name, _ in given}
    missing = []
    for name, value in (*more, ("User-Agent", user_agent()), ("Accept", "*/*"), ("Accept-Encoding", coding)):
        if name.lower() not in names:
            names.add(name.lower())
            missing.append((name, value))
    return (*missing, *given)


@functools.cache
def _default_headers() -> Headers:
    return _completed((), ())


def _with_cookies(headers: Headers, jar: CookieJar, target: Target) -> Headers:
    """With one header Cookie, as RFC 6265 section 5.4 wants it, if there is any cookie."""
    given = [value for name, value in headers if name.lower() == "cookie"]
    value = jar.header(target, "; ".join(given))
    others = tuple(pair for pair in headers if pair[0].lower() != "cookie")
    return (*others, ("Cookie", value)) if value else others


@functools.cache
def user_agent() -> str:
    """Name and version of this program."""
    from importlib.metadata import PackageNotFoundError, version  # half of what this module would take to import

    try:
        return f"weakfetch-tui/{version('weakfetch-tui')}"
    except PackageNotFoundError:
        return "weakfetch-tui"


def _checked(name: str, value: str) -> tuple[str, str]:
    if not TOKEN.fullmatch(name):
        raise AttemptFailed(ErrorKind.PROTOCOL, "malformed request header: its name is not an HTTP token")
    if name.lower() in TRANSPORT_HEADERS:
        raise AttemptFailed(ErrorKind.PROTOCOL, f"request header {name} cannot be given, the connection sets it")
    if not _VALUE.fullmatch(value):
        raise AttemptFailed(ErrorKind.PROTOCOL, f"control character in the request header {name}")
    try:
        return name, value.strip(" \t").encode().decode("latin-1")
    except UnicodeEncodeError:
        raise AttemptFailed(ErrorKind.PROTOCOL, f"the request header {name} is not valid Unicode") from None
