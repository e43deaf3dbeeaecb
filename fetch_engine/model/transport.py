"""What the engine asks of a transport: one request to one URL, streamed, undecoded, with its failures named.

Redirects, content codings, limits on the body, hashes, retries and deadlines are the engine's, the same for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder


@dataclass(slots=True)  # not frozen: that takes three times as long to make, and there is one for each hop
class WireRequest:
    """One request as it goes out. Nobody changes it.

    `url` is absolute, normalised, without userinfo and fragment; `headers` are complete but for Host, Content-Length
    and Connection, which the transport adds. insecure: accept any certificate. proxy: through this one, "" for none;
    None leaves it to the transport.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    insecure: bool = False
    proxy: str | None = field(default=None, repr=False)


class WireResponse(Protocol):
    """The head of a response, and its body as it came (transfer coding undone, content coding not)."""

    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def http_version(self) -> str: ...  # "HTTP/1.1", "HTTP/2"
    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...  # in order, repeated ones kept, bytes as latin-1
    def chunks(self) -> AsyncIterator[bytes]: ...


class Transport(Protocol):
    """One opened HTTP client. Every failure is an `AttemptFailed`; nothing else comes out but cancellation.

    One that counts its sockets may tell them by a property `connections`.
    """

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        """Send the request; the response's connection is free again, or closed, when the block is left.

        Leaving before the body was read to its end closes the connection. A response whose body ends early, or runs
        over what was promised, raises `AttemptFailed` from `chunks()`. Connect, read, write and pool timeouts
        are kept here; phases and wire bytes go to the recorder.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. Called once, when nothing is running."""
        ...
