"""One fetch from its request to its result: attempts, redirects, deadline, decoding."""

from __future__ import annotations

import contextlib
import math
import os
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType

import anyio
import anyio.lowlevel

from fetch_engine.body import BodySink, check_size
from fetch_engine.decoders import open_decoder
from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import KIB, Limits, Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.redirects import RedirectTrail
from fetch_engine.requests import FetchRequest, Headers, HopRequest, first_hop
from fetch_engine.results import ErrorKind, FetchError, FetchResult
from fetch_engine.retry import RetryPolicy, parse_retry_after
from fetch_engine.spool import SpoolFolder
from fetch_engine.transports.protocol import Transport, WireResponse
from fetch_engine.urls import parse_url

HopGate = Callable[[str], Awaitable[None]]

# The body of a redirect is read only so that its connection can be used again.
DRAIN_BYTES = 16 * KIB
DRAIN_SECONDS = 0.5

# Decoding lets the loop go on after this long. A thread would give no more: measured, it holds the interpreter's lock
# for as long as a slice.
SLICE_SECONDS = 0.002


async def fetch(
    request: FetchRequest,
    transport: Transport,
    limits: Limits,
    timeouts: Timeouts,
    retry: RetryPolicy,
    recorder: Recorder,
    hop_gate: HopGate | None = None,
    turns: anyio.Lock | None = None,
    spool: SpoolFolder | None = None,
) -> FetchResult:
    """Fetch and return the response, whatever its status. Raises AttemptFailed, or the loop's cancellation.

    timeouts: unless the request has its own. hop_gate: awaited with the host before each hop to another host than the
    hop before it (the first hop not counted); the wait is not part of the total deadline. turns: shared by all fetches
    of a loop, so that of those with long bodies to decode one runs between two turns of the loop, and not all. spool:
    for bodies longer than the preview.
    """
    turns = turns or anyio.Lock(fast_acquire=True)
    failure: AttemptFailed | None = None
    try:
        timeouts = request.timeouts or timeouts
        return await _Fetch(request, transport, limits, timeouts, retry, recorder, hop_gate, turns, spool).run()
    except AttemptFailed as caught:
        failure = AttemptFailed(caught.kind, caught.message)
    except Exception as caught:  # noqa: BLE001 - a bug of ours is an outcome of its own; none may end the engine
        failure = AttemptFailed(ErrorKind.INTERNAL, _describe_bug(caught))
    # Raised out here, it refers to no other exception, and through none to the frames of the fetch.
    try:
        raise failure
    finally:
        del failure  # it refers to this frame


def describe_failure(request: FetchRequest, recorder: Recorder, failure: AttemptFailed) -> FetchError:
    """The account of a fetch that failed, as it stands now; for a cancelled one as well."""
    timings = recorder.timings()
    return FetchError(
        kind=failure.kind,
        message=failure.message,
        final_url=recorder.url,
        status=recorder.status,
        redirects=tuple(recorder.hops),
        attempts=recorder.attempts,
        elapsed=timings.total,
        bytes_received=recorder.bytes_received,
        body_size=recorder.body_size,
        timings=timings,
        tls=recorder.tls,
    )


@dataclass(frozen=True, slots=True)
class _Again:
    """The attempt is to be repeated."""

    retry_after: float | None = None


class _Fetch:
    """What all hops of all attempts share."""

    __slots__ = (
        "_gate",
        "_host",
        "_limits",
        "_recorder",
        "_request",
        "_retry",
        "_spool",
        "_timeouts",
        "_transport",
        "_turns",
    )

    def __init__(
        self,
        request: FetchRequest,
        transport: Transport,
        limits: Limits,
        timeouts: Timeouts,
        retry: RetryPolicy,
        recorder: Recorder,
        gate: HopGate | None,
        turns: anyio.Lock,
        spool: SpoolFolder | None,
    ) -> None:
        self._request = request
        self._transport = transport
        self._limits = limits
        self._timeouts = timeouts
        self._retry = retry
        self._recorder = recorder
        self._gate = gate
        self._turns = turns
        self._spool = spool
        self._host = ""

    async def run(self) -> FetchResult:
        target = parse_url(self._request.url)
        self._recorder.url = target.shown
        self._host = target.host
        first = first_hop(self._request, target)
        while True:
            self._recorder.start_attempt()
            outcome = await self._attempt(first)
            if isinstance(outcome, FetchResult):
                return outcome
            await anyio.sleep(self._retry.wait(self._recorder.attempts, outcome.retry_after))

    async def _attempt(self, first: HopRequest) -> FetchResult | _Again:
        total = self._timeouts.total
        deadline = math.inf if total is None else anyio.current_time() + total
        failure: AttemptFailed | None = None
        try:
            with anyio.CancelScope(deadline=deadline) as scope:
                return await self._follow(first, scope)
        except AttemptFailed as caught:
            failure = AttemptFailed(caught.kind, caught.message)
        if failure is None:  # the scope ended by its deadline
            failure = AttemptFailed(ErrorKind.TIMEOUT_TOTAL, f"not complete after {total:g} seconds")
        if self._retry.repeats(self._request.method, self._recorder.attempts, failure.kind):
            return _Again()
        try:
            raise failure
        finally:
            del failure  # it refers to this frame

    async def _follow(self, hop: HopRequest, scope: anyio.CancelScope) -> FetchResult | _Again:
        trail = RedirectTrail(self._limits.max_redirects)
        while True:
            if hop.target.host != self._host:
                await self._change_host(hop.target.host, scope)
            self._recorder.url = hop.target.shown
            outcome = await self._exchange(hop, trail)
            if not isinstance(outcome, HopRequest):
                return outcome
            hop = outcome
            self._recorder.start_hop()

    async def _change_host(self, host: str, scope: anyio.CancelScope) -> None:
        if self._gate is not None:
            deadline, scope.deadline = scope.deadline, math.inf
            began = anyio.current_time()
            await self._gate(host)
            scope.deadline = deadline + anyio.current_time() - began
        self._host = host

    async def _exchange(self, hop: HopRequest, trail: RedirectTrail) -> FetchResult | HopRequest | _Again:
        recorder = self._recorder
        async with self._transport.stream(hop.to_wire(), self._timeouts, recorder) as response:
            status = recorder.status = response.status
            following = trail.follow(hop, status, response.headers) if self._request.follow_redirects else None
            if following is None and not self._retry.repeats(self._request.method, recorder.attempts, status):
                return await self._receive(hop, response)
            await _drain(response)
        if following is None:
            return _Again(parse_retry_after(_header(response.headers, "retry-after")))
        recorder.end_hop(hop.target.shown, status)
        return following

    async def _receive(self, hop: HopRequest, response: WireResponse) -> FetchResult:
        async with BodySink(self._limits, self._spool) as sink:
            if hop.method == "HEAD" or response.status in (204, 304):
                await _drain(response)
            else:
                await self._read_body(response, sink)
                await sink.finish()
        recorder = self._recorder
        recorder.end()
        timings = recorder.timings()
        return FetchResult(
            url=self._request.url,
            final_url=hop.target.shown,
            status=response.status,
            reason=response.reason,
            http_version=response.http_version,
            headers=response.headers,
            redirects=tuple(recorder.hops),
            attempts=recorder.attempts,
            elapsed=timings.total,
            timings=timings,
            bytes_received=recorder.bytes_received,
            body_size=sink.size,
            sha256=sink.sha256,
            preview=sink.preview,
            content_type=_header(response.headers, "content-type") or "",
            body_path=sink.path,
            remote_address=recorder.remote_address,
            tls=recorder.tls,
            not_spooled=sink.not_spooled,
        )

    async def _read_body(self, response: WireResponse, sink: BodySink) -> None:
        recorder = self._recorder
        codings = (value for name, value in response.headers if name.lower() == "content-encoding")
        decoder = open_decoder(codings, self._limits.max_codings)
        if decoder is None:
            recorder.expected_size = _content_length(response.headers)
            check_size(recorder.expected_size or 0, self._limits)
        turn = time.perf_counter()
        async with _Chunks(response) as chunks:
            async for chunk in chunks:
                for piece in (chunk,) if decoder is None else decoder.feed(chunk):
                    sink.write(piece)
                    recorder.body_size = sink.size
                    if sink.is_due:
                        await sink.flush()
                    if time.perf_counter() - turn > SLICE_SECONDS:
                        async with self._turns:
                            await anyio.lowlevel.checkpoint()
                        turn = time.perf_counter()
        if decoder is not None:
            decoder.finish()


class _Chunks:
    """The chunks of a response; an async generator among them is closed here, not whenever it is collected."""

    __slots__ = ("_chunks",)

    def __init__(self, response: WireResponse) -> None:
        self._chunks = response.chunks()

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        aclose = getattr(self._chunks, "aclose", None)
        if aclose is not None:
            await aclose()


async def _drain(response: WireResponse) -> None:
    left = DRAIN_BYTES
    # Whatever goes wrong with a body nobody wants, its head has been received.
    with anyio.CancelScope(deadline=anyio.current_time() + DRAIN_SECONDS), contextlib.suppress(AttemptFailed):
        async with _Chunks(response) as chunks:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return


def _header(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name), None)


def _content_length(headers: Headers) -> int | None:
    value = (_header(headers, "content-length") or "").strip(" \t")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def _describe_bug(exc: Exception) -> str:
    place = ""
    for frame, line in traceback.walk_tb(exc.__traceback__):
        place = f" at {os.path.basename(frame.f_code.co_filename)}:{line}"
    return f"{type(exc).__name__}{place}: {' '.join(str(exc)[:200].split())}"
