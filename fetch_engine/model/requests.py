"""What to fetch, and how it goes out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Protocol

from fetch_engine.model.checksum import Checksum
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.save_to import SaveTo

if TYPE_CHECKING:
    pass

Headers = tuple[tuple[str, str], ...]


class URLObject(Protocol):
    """What httpx.URL and yarl.URL have in common."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    def __str__(self) -> str: ...


TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

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


def has_header(headers: Headers, name: str) -> bool:
    """Whether a header of this name (in lower case) is there."""
    return any(key.lower() == name for key, _ in headers)
