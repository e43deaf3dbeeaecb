"""A request as text that can be edited: method, URL, headers one a line, body."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fetch_engine import FetchRequest
from fetch_engine.fetch.hop import TRANSPORT_HEADERS
from fetch_engine.model.requests import SECRET_HEADERS, TOKEN, Headers
from tui.text.plain_text import safe

HIDDEN = "***"  # stands for the value that a secret header had
MAX_BODY = 256 * 1024  # characters; a longer body is kept, but not edited


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being edited. url: may hold globs. body: None keeps the body of `base`, which cannot be shown as text.

    base: the request it began with; what has no field here stays as it is there.
    """

    base: FetchRequest
    method: str
    url: str
    headers: str
    body: str | None

    @classmethod
    def of(cls, request: FetchRequest) -> Draft:
        """The draft that makes `request` again."""
        lines = (
            f"{name}: {HIDDEN if name.lower() in SECRET_HEADERS and value else safe(value, len(value) + 1)}"
            for name, value in request.headers
        )
        return cls(request, request.method, request.url, "\n".join(lines), body_text(request.body))

    def request(self) -> FetchRequest:
        """The request that the fields make. Raises ValueError with what is wrong."""
        method = self.method.strip() or "GET"
        if not TOKEN.fullmatch(method):
            raise ValueError("the method is not valid")
        if not self.url.strip():
            raise ValueError("there is no URL")
        body = self.base.body if self.body is None else self.body.encode("utf-8", "surrogateescape")
        return replace(self.base, method=method, url=self.url.strip(), headers=self._headers(), body=body)

    def _headers(self) -> Headers:
        before = list(self.base.headers)
        headers: list[tuple[str, str]] = []
        for number, line in enumerate(self.headers.split("\n"), 1):
            name, colon, value = (part.strip() for part in line.partition(":"))
            if not line.strip():
                continue
            if not colon or not TOKEN.fullmatch(name):
                raise ValueError(f"malformed header in line {number}: expected 'Name: value'")
            if name.lower() in TRANSPORT_HEADERS:
                raise ValueError(f"{name} cannot be given, the connection sets it")
            known = next((pair for pair in before if pair[0].lower() == name.lower() and _shown(pair) == value), None)
            if known is not None:
                before.remove(known)
                value = known[1]
            elif name.lower() in SECRET_HEADERS and value == HIDDEN:
                raise ValueError(f"{name} has no value that {HIDDEN} could stand for")
            headers.append((name, value))
        return tuple(headers)


def body_text(body: bytes) -> str | None:
    """The body as text that shows as itself and can be turned back, None if there is no such text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if len(text) > MAX_BODY:
        return None
    plain = text.replace("\n", "").replace("\t", "")
    return text if safe(plain, len(plain) + 1) == plain else None


def _shown(pair: tuple[str, str]) -> str:
    """The value as `Draft.of` wrote it."""
    name, value = pair
    return HIDDEN if name.lower() in SECRET_HEADERS and value else safe(value, len(value) + 1).strip()
