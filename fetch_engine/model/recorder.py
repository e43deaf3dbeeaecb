"""The running account of one fetch: plain counters that transport and runner write and everybody may read.

It refers to nothing but values, so that a trace hook which keeps it keeps no fetch alive (DESIGN section 2).
"""

from __future__ import annotations

import time

from fetch_engine.model.results import (
    Attempt,
    ErrorKind,
    FetchError,
    FetchResult,
    FetchState,
    Hop,
    Timings,
    final_state,
)
from fetch_engine.model.tls_facts import TlsFacts

MOST_WARNINGS = 10

PHASES = ("dns", "connect", "tls", "send", "wait", "receive")


class Recorder:
    """Counters and phase times of one fetch.

    The transport calls `begin(phase)` when a phase of the current hop starts and `end()` when the last one is over;
    beginning a phase ends the one before it. It adds bytes read from the socket to `bytes_received`.
    submitted: as time.perf_counter(), now if it is not given.
    """

    __slots__ = (
        "_phase",
        "attempt_started",
        "attempts",
        "body_size",
        "bytes_received",
        "expected_size",
        "hop_started",
        "hops",
        "host_rest",
        "paced",
        "phase_began",
        "phases",
        "queued",
        "read_bytes",
        "reads",
        "remote_address",
        "resting_until",
        "retried",
        "retry_after",
        "retry_at",
        "retry_cause",
        "started",
        "state",
        "status",
        "submitted",
        "tls",
        "transport",
        "url",
        "warnings",
    )

    def __init__(self, submitted: float | None = None) -> None:
        self.state = FetchState.QUEUED
        self.submitted = time.perf_counter() if submitted is None else submitted
        self.started: float | None = None
        self.queued: float | None = None
        self.url: str | None = None  # of the current hop, without user and password
        self.warnings: tuple[str, ...] = ()  # of the current hop: what was wrong with it, and borne
        self.status: int | None = None  # of the current hop
        self.attempts = 0
        self.attempt_started = self.submitted
        self.retried: list[Attempt] = []
        self.retry_at: float | None = None  # not before this perf_counter, while it waits for its next attempt
        self.retry_cause = ""  # what the attempt before ended with
        self.retry_after: float | None = None  # seconds that the current hop's response asked for, or a busy host
        self.host_rest = 0.0  # seconds that it waited for a host that had asked for less
        self.bytes_received = 0
        self.paced = 0  # of them, those that were counted against a bound on bytes a second
        self.body_size = 0
        self.expected_size: int | None = None
        self.resting_until = 0.0  # as perf_counter: before this it reads nothing, so as to keep to a rate
        self.reads = 0  # pieces in which the body of the current hop came
        self.read_bytes = 0  # in them, undecoded
        self.remote_address: str | None = None
        self.transport: str | None = None  # that carried the last hop, or tried to
        self.tls: TlsFacts | None = None  # of the current hop
        self.hops: list[Hop] = []
        self.hop_started = self.submitted
        self.phases: dict[str, float] = {}
        self._phase: str | None = None
        self.phase_began = 0.0

    @property
    def phase(self) -> str | None:
        """What the current hop is at since `phase_began`; None between two of them."""
        return self._phase

    def start(self) -> None:
        """The fetch leaves the queue."""
        self.started = time.perf_counter()
        self.queued = self.started - self.submitted

    def start_attempt(self) -> None:
        """A new attempt begins: counted, its hops forgotten."""
        self.attempts += 1
        self.attempt_started = time.perf_counter()
        self.hops.clear()
        self._begin_hop(self.attempt_started)

    def await_retry(self, seconds: float, cause: int | ErrorKind) -> None:
        """The attempt is over by this status or kind, and the next one is to start in so many seconds."""
        self.end()
        self.state = FetchState.QUEUED
        self.retry_at = time.perf_counter() + seconds
        self.retry_cause = str(cause)

    def end_wait(self, status: int | None, error: ErrorKind | None, ended: float) -> None:
        """The wait after an attempt that ended with this status or kind, at perf_counter `ended`, is over."""
        self.retry_at = None
        now = time.perf_counter()
        self.retried.append(Attempt(status, error, ended - self.attempt_started, now - ended, self.retry_after))

    def start_hop(self) -> None:
        """A request to one URL begins; its phases start empty."""
        self._begin_hop(time.perf_counter())

    def _begin_hop(self, now: float) -> None:
        self.hop_started = now
        self.phases = {}
        self._phase = None
        self.status = None
        self.retry_after = None
        self.tls = None
        self.warnings = ()
        self.expected_size = None
        self.body_size = 0
        self.reads = 0
        self.read_bytes = 0

    def warn(self, text: str) -> None:
        """Something is wrong with the response, and can be borne; a few of them are kept."""
        if text not in self.warnings and len(self.warnings) < MOST_WARNINGS:
            self.warnings += (text,)

    def begin(self, phase: str) -> None:
        """`phase` (one of PHASES) starts now. A phase begun twice in a hop adds up."""
        now = time.perf_counter()
        self._close(now)
        self._phase = phase
        self.phase_began = now
        self.state = _STATES[phase]

    def end(self) -> None:
        """The current phase is over."""
        self._close(time.perf_counter())

    def _close(self, now: float) -> None:
        if self._phase is not None:
            self.phases[self._phase] = self.phases.get(self._phase, 0.0) + now - self.phase_began
            self._phase = None

    def end_hop(
        self, url: str, status: int, reason: str = "", http_version: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """The current hop answered with a redirect that will be followed."""
        self.end()
        timings = self.timings(since=self.hop_started)
        self.hops.append(Hop(url, status, timings, self.tls, reason, http_version, headers, self.remote_address))

    def timings(self, *, since: float | None = None) -> Timings:
        """The phases of the current hop; `total` counts from `since`, by default from submit."""
        if since is not None:
            return Timings(queued=self.queued, total=time.perf_counter() - since, **self.phases)
        total, rest = time.perf_counter() - self.submitted, self.host_rest or None
        return Timings(queued=self.queued, total=total, host_rest=rest, **self.phases)


def account_of(outcome: FetchResult | FetchError, submitted: float) -> Recorder:
    """The account of a fetch that has ended, from what it left behind. What no outcome tells, it does not either: how a
    body came in pieces, when an attempt and a hop began, and of a failure the address of the server."""
    timings = outcome.timings
    recorder = Recorder(submitted)
    recorder.state = final_state(outcome)
    recorder.queued = timings.queued
    recorder.started = None if timings.queued is None else submitted + timings.queued
    recorder.url = outcome.final_url
    recorder.status = outcome.status
    recorder.attempts = outcome.attempts
    recorder.retried = list(outcome.retried)
    recorder.bytes_received = outcome.bytes_received
    recorder.body_size = outcome.body_size
    recorder.transport = outcome.transport
    recorder.tls = outcome.tls
    recorder.retry_after = outcome.retry_after
    recorder.host_rest = timings.host_rest or 0.0
    recorder.hops = list(outcome.redirects)
    recorder.phases = {phase: took for phase in PHASES if (took := getattr(timings, phase)) is not None}
    if isinstance(outcome, FetchResult):
        recorder.remote_address = outcome.remote_address
        recorder.warnings = outcome.warnings
    return recorder


_STATES = {
    "dns": FetchState.CONNECTING,
    "connect": FetchState.CONNECTING,
    "tls": FetchState.CONNECTING,
    "send": FetchState.SENDING,
    "wait": FetchState.WAITING,
    "receive": FetchState.RECEIVING,
}
