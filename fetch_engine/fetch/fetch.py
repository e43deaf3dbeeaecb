"""One fetch from its request to its result: attempts, redirects, deadline, decoding."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Protocol

import anyio

from fetch_engine.bodies.saving import Saving
from fetch_engine.bodies.sink import JoinFailed
from fetch_engine.fetch.context import FetchContext
from fetch_engine.fetch.hop import HopRequest, first_hop
from fetch_engine.fetch.host_backoff import HostBackoff, SlowDown
from fetch_engine.fetch.receive import drain, header, receive
from fetch_engine.fetch.redirects import RedirectTrail, without
from fetch_engine.fetch.retry import parse_retry_after
from fetch_engine.model.bugs import describe_bug
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.requests import FetchRequest, has_header
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult
from fetch_engine.model.transport import Transport, WireResponse
from fetch_engine.model.urls import parse_url

RANGE_HEADERS = frozenset({"range", "if-range"})


class Slot(Protocol):
    """The place that a fetch has among those that run, as whoever schedules them gives it."""

    async def move(self, host: str) -> None:
        """Exchange it for one with another host; returns when that one is free."""

    async def rest(self, host: str, seconds: float) -> None:
        """Give it back; returns after so long, with another one for this host, which may have to rest meanwhile."""

    def rest_for(self, told: SlowDown) -> float | None:
        """For how long the host is going to rest if it asks for that; None if nobody is to wait so long."""

    def slow_down(self, told: SlowDown) -> None:
        """The host asks for less: start nothing there for so long."""


async def fetch(
    request: FetchRequest, transport: Transport, terms: FetchContext, recorder: Recorder, place: Slot | None = None
) -> FetchResult:
    """Fetch and return the response, whatever its status. Raises AttemptFailed, or the loop's cancellation.

    place: asked before each hop to another host than that of the hop before it, and to wait before a retry; neither is
    part of the total deadline. None: there is no limit to keep.
    """
    failure: AttemptFailed | None = None
    try:
        return await _Fetch(request, transport, terms, recorder, place).run()
    except AttemptFailed as caught:
        failure = AttemptFailed(caught.kind, caught.message)
    except Exception as caught:  # noqa: BLE001 - a bug of ours is an outcome of its own; none may end the engine
        failure = AttemptFailed(ErrorKind.INTERNAL, describe_bug(caught))
    # Raised out here, it refers to no other exception, and through none to the frames of the fetch.
    try:
        raise failure
    finally:
        del failure  # it refers to this frame


def describe_failure(request: FetchRequest, recorder: Recorder, failure: AttemptFailed) -> FetchError:
    """The account of a fetch that failed, as it stands now; for a cancelled one as well."""
    recorder.end()
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
        retried=tuple(recorder.retried),
        transport=recorder.transport,
        retry_after=recorder.retry_after,
    )


@dataclass(frozen=True, slots=True)
class _Again:
    """The attempt is to be repeated, as it ended with this status or kind.

    backoff: seconds to wait by the retry policy. rest: seconds for which `resting`, a host, is not to be asked.
    """

    cause: int | ErrorKind
    backoff: float
    rest: float = 0.0
    resting: str = ""


class _Fetch:
    """What all hops of all attempts share."""

    __slots__ = ("_host", "_place", "_recorder", "_request", "_saving", "_terms", "_timeouts", "_transport")

    def __init__(
        self, request: FetchRequest, transport: Transport, terms: FetchContext, recorder: Recorder, place: Slot | None
    ) -> None:
        self._request = request
        self._transport = transport
        self._terms = terms
        self._timeouts = request.timeouts or terms.timeouts
        self._recorder = recorder
        self._place = place
        self._saving: Saving | None = None
        self._host = ""

    async def run(self) -> FetchResult:
        if self._request.invalid is not None:
            raise AttemptFailed(ErrorKind.INVALID_URL, self._request.invalid)
        target = parse_url(self._request.url)
        if self._terms.netrc is not None:
            target = self._terms.netrc.complete(target)
        self._recorder.url = target.shown
        self._host = target.host
        first = first_hop(self._request, target)
        self._terms.budgets.sent(target.host)
        began = time.perf_counter()
        while True:
            self._recorder.start_attempt()
            outcome = await self._attempt(first, began)
            if isinstance(outcome, FetchResult):
                return outcome
            await self._rest(target.host, outcome)

    async def _rest(self, host: str, again: _Again) -> None:
        """Wait before the next attempt, without the place that others may use meanwhile."""
        seconds = max(again.backoff, again.rest)
        ended = time.perf_counter()
        self._recorder.await_retry(seconds, again.cause)
        if self._place is None:
            await anyio.sleep(seconds)
        else:
            # Whoever gives the places keeps it from a host that rests, and counts that as such.
            is_kept = host == again.resting and again.backoff <= again.rest
            await self._place.rest(host, 0.0 if is_kept else seconds)
        self._host = host
        status, error = (None, again.cause) if isinstance(again.cause, ErrorKind) else (again.cause, None)
        self._recorder.end_wait(status, error, ended)

    def _again(self, cause: ErrorKind | int, began: float, rest: float = 0.0, resting: str = "") -> _Again | None:
        """How the attempt is to be repeated, if it is; this uses credit of the host. rest: of the host `resting`."""
        retry = self._terms.retry
        if self._saving is not None and self._saving.is_passed_on:
            return None
        left = math.inf if retry.max_time is None else began + retry.max_time - time.perf_counter()
        if not retry.repeats(self._request.method, self._recorder.attempts, cause) or left <= 0:
            return None
        again = _Again(cause, retry.wait(self._recorder.attempts), rest, resting)
        if max(again.backoff, rest) >= left or not self._terms.budgets.take(self._host):
            return None
        return again

    async def _attempt(self, first: HopRequest, began: float) -> FetchResult | _Again:
        total = self._timeouts.total
        deadline = math.inf if total is None else anyio.current_time() + total
        failure: AttemptFailed | None = None
        try:
            with anyio.CancelScope(deadline=deadline) as scope:
                return await self._saved(first, scope, began)
        except AttemptFailed as caught:
            failure = AttemptFailed(caught.kind, caught.message)
        if failure is None:  # the scope ended by its deadline
            failure = AttemptFailed(ErrorKind.TIMEOUT_TOTAL, f"not complete after {total:g} seconds")
        again = self._again(failure.kind, began)
        if again is not None:
            return again
        try:
            raise failure
        finally:
            del failure  # it refers to this frame

    async def _saved(self, first: HopRequest, scope: anyio.CancelScope, began: float) -> FetchResult | _Again:
        save = self._request.save
        if save is None:
            return await self._follow(first, scope, began)
        is_part = has_header(self._request.headers, "range")
        may_go_on = self._request.method == "GET" and not is_part
        if not may_go_on and save.resume:
            save = replace(save, resume=False, overwrite=True)
        goes_on = may_go_on and (save.resume or self._recorder.attempts > 1)
        claims, raw = self._terms.claims, self._request.raw
        async with Saving(save, first.target.url, claims, goes_on=goes_on, is_part=is_part, raw=raw) as self._saving:
            if self._saving.headers:
                first = first_hop(self._request, first.target, self._saving.headers)
            return await self._follow(first, scope, began)

    async def _follow(self, hop: HopRequest, scope: anyio.CancelScope, began: float) -> FetchResult | _Again:
        limits = self._terms.limits
        trail = RedirectTrail(limits.max_redirects, same_host=limits.same_host, trusted=self._request.trust_redirects)
        while True:
            if hop.target.host != self._host:
                await self._change_host(hop.target.host, scope)
            self._recorder.url = hop.target.shown
            outcome = await self._exchange(hop, trail, began)
            if not isinstance(outcome, HopRequest):
                return outcome
            hop = outcome
            self._recorder.start_hop()

    async def _change_host(self, host: str, scope: anyio.CancelScope) -> None:
        if self._place is not None:
            deadline, scope.deadline = scope.deadline, math.inf
            began = anyio.current_time()
            await self._place.move(host)
            scope.deadline = deadline + anyio.current_time() - began
        self._host = host

    async def _exchange(self, hop: HopRequest, trail: RedirectTrail, began: float) -> FetchResult | HopRequest | _Again:
        recorder = self._recorder
        cookies = self._terms.cookies
        async with self._transport.stream(hop.to_wire(cookies), self._timeouts, recorder) as response:
            status = recorder.status = response.status
            if cookies is not None:
                cookies.take(hop.target, response.headers)
            following = trail.follow(hop, status, response.headers) if self._request.follow_redirects else None
            if self._saving is not None and self._saving.starts_over(response, hop.target.url):
                await drain(response)
                return replace(hop, headers=without(hop.headers, RANGE_HEADERS))
            again = None if following is not None else self._again_after(hop, response, began)
            if following is None and again is None:
                return await self._receive(hop, response)
            await drain(response)
            head = response.reason, response.http_version, response.headers
        if following is None:
            assert again is not None
            return again
        recorder.end_hop(hop.target.shown, status, *head)
        return following

    def _again_after(self, hop: HopRequest, response: WireResponse, began: float) -> _Again | None:
        """How the attempt is to be repeated, if it is. The whole host is slowed down where it asks for that."""
        told = self._told(hop.target.host, response)
        if told is None:
            return self._again(response.status, began)
        place: Slot | HostBackoff = self._place or self._terms.backoff
        rest = place.rest_for(told)
        again = None if rest is None else self._again(response.status, began, rest, told.host)
        if self._place is not None:
            self._place.slow_down(replace(told, waits=again is not None))
        return again

    def _told(self, host: str, response: WireResponse) -> SlowDown | None:
        """What the host asks for, if it asks for less (RFC 6585 section 4, RFC 9110 section 10.2.3)."""
        status, headers, retry = response.status, response.headers, self._terms.retry
        if status < 400:
            return None
        seconds = parse_retry_after(header(headers, "retry-after"), header(headers, "date"))
        self._recorder.retry_after = seconds
        if not (status == 429 or (status == 503 and seconds is not None)) or self._terms.limits.on_429 == "ignore":
            return None
        # Where nobody asks again, nobody else is to wait for longer than for an answer.
        is_repeated = retry.retries > 0 and status in retry.statuses
        return SlowDown(host, status, seconds, None if is_repeated else self._timeouts.total)

    async def _receive(self, hop: HopRequest, response: WireResponse) -> FetchResult | HopRequest:
        recorder = self._recorder
        try:
            sink = await receive(
                self._request, response, self._terms, recorder, self._host, self._saving, hop.target.url
            )
        except JoinFailed:
            return replace(hop, headers=without(hop.headers, RANGE_HEADERS))
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
            content_type=header(response.headers, "content-type") or "",
            body_path=sink.path,
            remote_address=recorder.remote_address,
            tls=recorder.tls,
            not_spooled=sink.not_spooled,
            retried=tuple(recorder.retried),
            transport=recorder.transport,
            warnings=recorder.warnings,
            retry_after=recorder.retry_after,
        )
