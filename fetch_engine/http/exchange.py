"""What HTTP/1.1 and HTTP/2 connections have in common."""

from __future__ import annotations

from typing import Protocol

from fetch_engine.http.heads import LONGEST_LINE
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.wire import RawHeaders, RawRequest, ResponseHead

MAX_INFORMATIONAL = 20


class Exchange(Protocol):
    """One request's response as it comes."""

    async def read(self) -> bytes:
        """The next bytes of the body, none at its end. Raises AttemptFailed."""
        ...

    def close(self) -> None:
        """The response is no longer wanted: its connection is kept if it can be, else closed."""
        ...


class Connection(Protocol):
    """A connection as the pool sees it."""

    idle_since: float

    async def send(self, request: RawRequest, timeouts: Timeouts, recorder: Recorder) -> tuple[ResponseHead, Exchange]:
        """Send the request and read the response's head. Raises AttemptFailed, and then has closed the exchange."""
        ...

    def fresh(self) -> bool:
        """Whether it, idle, can take a request: neither closed by the server nor holding what nobody asked for."""
        ...

    def discard(self) -> None:
        """Close it."""
        ...


class ConnectionLost(AttemptFailed):
    """The connection ended before the first byte of the answer.

    `unsent` is set where the server cannot have acted upon the request; else the request may be repeated only if
    it is idempotent (RFC 9112 section 9.3.1).
    """

    def __init__(self, message: str, *, unsent: bool = False) -> None:
        super().__init__(ErrorKind.RESET, message, unsent=unsent)


def check_size(headers: RawHeaders, limits: Limits) -> None:
    """Raise AttemptFailed (protocol) for more header fields, or bytes of them, than is allowed."""
    sizes = [len(name) + len(value) + 4 for name, value in headers]
    if sizes and max(sizes) > LONGEST_LINE:
        raise AttemptFailed(ErrorKind.PROTOCOL, f"a header line of more than {LONGEST_LINE} bytes")
    size = sum(sizes)
    if size > limits.max_header_bytes:
        raise AttemptFailed(ErrorKind.PROTOCOL, f"more than {limits.max_header_bytes} bytes of headers")
    if len(headers) > limits.max_headers:
        raise AttemptFailed(ErrorKind.PROTOCOL, f"more than {limits.max_headers} header fields")
