"""What a fetch leaves behind: frozen values that keep no frame, traceback or response alive."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from fetch_engine.model.tls_facts import TlsFacts


class FetchState(enum.StrEnum):
    """Where a fetch stands. The last three are final."""

    QUEUED = "queued"
    CONNECTING = "connecting"
    SENDING = "sending"
    WAITING = "waiting"
    RECEIVING = "receiving"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the fetch has ended and nothing about it changes any more."""
        return self in _FINAL


_FINAL = frozenset({FetchState.DONE, FetchState.FAILED, FetchState.CANCELLED})


class ErrorKind(enum.StrEnum):
    """The closed list of reasons for which a fetch has no response."""

    INVALID_URL = "invalid-url"
    UNSUPPORTED_SCHEME = "unsupported-scheme"
    BLOCKED = "blocked"
    DNS = "dns"
    CONNECT = "connect"
    RESET = "reset"
    INCOMPLETE = "incomplete"
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT_CONNECT = "timeout-connect"
    TIMEOUT_READ = "timeout-read"
    TIMEOUT_WRITE = "timeout-write"
    TIMEOUT_POOL = "timeout-pool"
    TIMEOUT_TOTAL = "timeout-total"
    PROTOCOL = "protocol"
    DECODE = "decode"
    TOO_LARGE = "too-large"
    TOO_MANY_REDIRECTS = "too-many-redirects"
    REDIRECT_REFUSED = "redirect-refused"
    HOST_BUSY = "host-busy"
    CANCELLED = "cancelled"
    STORAGE = "storage"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds spent in each phase; None where the phase did not happen or could not be seen.

    A request on a kept connection has no `dns`, `connect` and `tls`. host_rest: of the whole fetch, waiting for a host
    that had asked for less; it is part of `queued`, and of the waits between attempts.
    """

    queued: float | None = None
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    send: float | None = None
    wait: float | None = None
    receive: float | None = None
    total: float = 0.0
    host_rest: float | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One redirect that was followed: the URL that answered, its head, and what it took."""

    url: str
    status: int
    timings: Timings = Timings()
    tls: TlsFacts | None = field(default=None, repr=False)
    reason: str = ""
    http_version: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    remote_address: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was followed by another one: its status or the kind of its failure, and the seconds it took.

    waited: seconds between its end and the start of the next one, waiting for a free place included. retry_after: the
    seconds that its response asked for, None without any.
    """

    status: int | None
    error: ErrorKind | None
    elapsed: float
    waited: float
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class FetchError:
    """Why a fetch has no result, and what was known by then. `message` is plain text for a person.

    `final_url` is the URL of the hop that failed (without user and password), None if no URL could be made out.
    `body_size` counts decoded bytes and `bytes_received` bytes from the wire, up to the failure. `retried`: the
    attempts before the last. `carried_by`: the worker that it ran on, None where the engine is. `transport`: as in
    FetchResult, None where none was asked. `retry_after`: of `host-busy`, the seconds that the host had asked for.
    """

    kind: ErrorKind
    message: str
    final_url: str | None = None
    status: int | None = None
    redirects: tuple[Hop, ...] = ()
    attempts: int = 0
    elapsed: float = 0.0
    bytes_received: int = 0
    body_size: int = 0
    timings: Timings = Timings()
    tls: TlsFacts | None = field(default=None, repr=False)
    retried: tuple[Attempt, ...] = ()
    carried_by: str | None = None
    transport: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class FetchResult:
    """One HTTP response, whatever its status.

    url: as given. final_url: of the response, without user and password. headers: in order, repeated ones kept.
    elapsed: seconds from submit to the end. bytes_received: from the wire, all hops and attempts.
    body_size and sha256: of the decoded body. preview: its first bytes, at most `Limits.preview_size`.
    timings: of the last hop, with `queued` from submit and `total` as `elapsed`. tls: of the last hop's connection.
    body_path: file with the whole decoded body, where it was saved, or longer than the preview and the engine has a
    spool, from which it may be gone by now. In a sink: where the worker sees it, a path or a URL without password.
    not_spooled: why a body that was to be spooled is not.
    retried: the attempts before the last. carried_by: the worker that it ran on, None where the engine is.
    transport: what carried the last hop: httpx or fast. warnings: what was wrong with the last hop's response,
    and borne: header lines that were dropped, a coding that nobody knows. retry_after: the seconds that the Retry-After
    of a response from 400 on asks for.
    """

    url: str
    final_url: str
    status: int
    reason: str
    http_version: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    redirects: tuple[Hop, ...]
    attempts: int
    elapsed: float
    timings: Timings = field(repr=False)
    bytes_received: int
    body_size: int
    sha256: str
    preview: bytes = field(repr=False)
    content_type: str
    body_path: str | None = None
    remote_address: str | None = None
    tls: TlsFacts | None = field(default=None, repr=False)
    not_spooled: str | None = None
    retried: tuple[Attempt, ...] = ()
    carried_by: str | None = None
    transport: str | None = None
    warnings: tuple[str, ...] = ()
    retry_after: float | None = None

    @property
    def preview_complete(self) -> bool:
        """Whether `preview` is the whole body."""
        return len(self.preview) == self.body_size

    def header(self, name: str) -> str | None:
        """The first header of this name (any case), or None."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)


def final_state(outcome: FetchResult | FetchError) -> FetchState:
    """What became of a fetch with this outcome."""
    if isinstance(outcome, FetchResult):
        return FetchState.DONE
    return FetchState.CANCELLED if outcome.kind is ErrorKind.CANCELLED else FetchState.FAILED
