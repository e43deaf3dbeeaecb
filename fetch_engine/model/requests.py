"""What to fetch, and how it goes out."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Protocol

from fetch_engine.bodies.save_to import SaveTo
from fetch_engine.fetch.decoders import ACCEPT_ENCODING
from fetch_engine.model.checksum import Checksum
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest
from fetch_engine.model.urls import Target

if TYPE_CHECKING:
    from fetch_engine.cookies.jar import CookieJar

Headers = tuple[tuple[str, str], ...]


class URLObject(Protocol):
    """What httpx.URL and yarl.URL have in common."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    def __str__(self) -> str: ...


TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\uffff\U00010000-\U0010ffff]*")
# They frame the message or belong to the connection (RFC 9110 section 7.6.1): the transport's business.
TRANSPORT_HEADERS = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

# What is not shown unless asked for.
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"})


Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class InputTag:
    """Where a request stands in its run, so that its result can be matched to it.

    index: its place among all that the run was asked for, from 1. id: what the input calls it, any JSON scalar.
    """

    index: int = 0
    id: Scalar = None


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One request as a user gives it. `url` is kept as given; whether it is valid is found out when it runs.

    method: as in curl -X. headers: pairs, or a mapping, sent as given, text beyond ASCII as UTF-8. body: bytes, or
    text, sent as UTF-8. An object is taken for a URL that gives its own as text, such as httpx.URL and yarl.URL.
    timeouts: None takes the engine's. follow_redirects: False makes a redirect the result.
    trust_redirects: credentials and other secret headers follow to other origins. insecure: accept any
    certificate. proxy: as in TransportOptions, "" for none, None takes the engine's.
    save: where the body goes, None to keep no more than its preview. checksum: what it must hash to.
    raw: content codings are neither asked for nor undone; the body is what came.
    invalid: why there is nothing to fetch, where whoever read it has found out; it fails with `invalid-url`.
    tag: the caller's own, any immutable value; the engine never looks at it, and outputs do at an InputTag.
    """

    url: str
    method: str = "GET"
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeouts: Timeouts | None = None
    follow_redirects: bool = True
    insecure: bool = False
    proxy: str | None = field(default=None, repr=False)
    save: SaveTo | None = None
    checksum: Checksum | None = None
    raw: bool = False
    invalid: str | None = None
    tag: object = field(default=None, repr=False, compare=False)
    trust_redirects: bool = False

    def __post_init__(self) -> None:
        """Raises TypeError for headers and a body of another kind."""
        if type(self.url) is not str:
            object.__setattr__(self, "url", url_text(self.url))
        if self.headers and type(self.headers) is not tuple:
            object.__setattr__(self, "headers", _pairs(self.headers))
        if type(self.body) is not bytes:
            object.__setattr__(self, "body", _octets(self.body))


AnyRequest = str | URLObject | FetchRequest


def url_text(url: object) -> str:
    """The URL as text. Raises TypeError for an object that is none."""
    if isinstance(url, str):
        return str(url)
    # Duck typing, as that of httpx and yarl has nothing else in common: an object with a scheme and a host.
    if hasattr(url, "scheme") and hasattr(url, "host"):
        return str(url)
    raise TypeError(f"a URL must be text or a URL object, not {type(url).__name__}")


def _pairs(headers: object) -> Headers:
    given = headers.items() if isinstance(headers, Mapping) else headers
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError("headers must be a mapping, or pairs, of names and values")
    pairs = tuple(tuple(pair) if not isinstance(pair, (str, bytes)) else () for pair in given)
    if not all(len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in pairs):
        raise TypeError("headers must be pairs of text, a name and a value")
    return pairs


def _octets(body: object) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise TypeError(f"a body must be bytes or text, not {type(body).__name__}")


def as_new(request: FetchRequest) -> FetchRequest:
    """The same to be made once more: without its tag and what a subclass adds, such as the number in a run."""
    if type(request) is FetchRequest:
        return request if request.tag is None else replace(request, tag=None)
    values = {each.name: getattr(request, each.name) for each in fields(FetchRequest)}
    return FetchRequest(**{**values, "tag": None})


def tag_of(request: FetchRequest) -> InputTag:
    """Its InputTag; of a request without one, an empty one."""
    return request.tag if isinstance(request.tag, InputTag) else _UNTAGGED


_UNTAGGED = InputTag()


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
        raise AttemptFailed(ErrorKind.PROTOCOL, "the request method is no HTTP token")
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


def has_header(headers: Headers, name: str) -> bool:
    """Whether a header of this name (in lower case) is there."""
    return any(key.lower() == name for key, _ in headers)


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
        raise AttemptFailed(ErrorKind.PROTOCOL, "a request header's name is no HTTP token")
    if name.lower() in TRANSPORT_HEADERS:
        raise AttemptFailed(ErrorKind.PROTOCOL, f"request header {name} cannot be given, the connection sets it")
    if not _VALUE.fullmatch(value):
        raise AttemptFailed(ErrorKind.PROTOCOL, f"control character in the request header {name}")
    try:
        return name, value.strip(" \t").encode().decode("latin-1")
    except UnicodeEncodeError:
        raise AttemptFailed(ErrorKind.PROTOCOL, f"the request header {name} is not valid Unicode") from None
