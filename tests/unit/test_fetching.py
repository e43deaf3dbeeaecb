"""One fetch against a transport without a wire: attempts, redirects, deadlines, limits, and what stays behind."""

from __future__ import annotations

import gc
import gzip
import hashlib
import time
import weakref
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType

import anyio
import anyio.lowlevel
import pytest

from fetch_engine.fetch.context import FetchContext
from fetch_engine.fetch.fetch import Slot, describe_failure, fetch
from fetch_engine.fetch.host_backoff import HostBackoff, SlowDown
from fetch_engine.fetch.receive import DRAIN_BYTES, SLICE_SECONDS
from fetch_engine.fetch.retry import RetryPolicy
from fetch_engine.fetch.speed_floor import SpeedFloor
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult
from fetch_engine.model.transport import WireRequest, WireResponse

pytestmark = pytest.mark.anyio

Headers = tuple[tuple[str, str], ...]
AT_ONCE = RetryPolicy(retries=2, delay=0)


class Fault:
    """An exception to be raised, made each time anew: a kept one keeps the frames it passed."""

    def __init__(self, kind: ErrorKind | type[Exception], *args: object) -> None:
        self.kind = kind
        self.args = args

    def raised(self) -> Exception:
        if isinstance(self.kind, ErrorKind):
            return AttemptFailed(self.kind, str(self.args[0]))
        return self.kind(*self.args)


@dataclass
class Answer:
    """What one request is answered with. `body`: chunks; a fault in it is raised, a float slept."""

    status: int = 200
    headers: Headers = ()
    body: Sequence[bytes | float | Fault] = ()
    failure: Fault | None = None
    delay: float = 0.0
    reason: str = "Fine"
    http_version: str = "HTTP/1.1"
    chunks_given: int = 0
    on_chunk: Callable[[], None] = lambda: None
    closed: bool = False
    open_iterators: int = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        self.open_iterators += 1
        try:
            for part in self.body:
                await anyio.lowlevel.checkpoint()
                if isinstance(part, bytes):
                    self.chunks_given += 1
                    self.on_chunk()
                    yield part
                elif isinstance(part, float):
                    await anyio.sleep(part)
                else:
                    raise part.raised()
        finally:
            self.open_iterators -= 1


def redirect(location: str, status: int = 302, **more: object) -> Answer:
    return Answer(status, (("Location", location),), **more)  # type: ignore[arg-type]


@dataclass
class Scripted:
    """Answers one request after the other; the last answer stands for all that follow."""

    answers: list[Answer]
    requests: list[WireRequest] = field(default_factory=list)
    timeouts: list[Timeouts] = field(default_factory=list)

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        self.requests.append(request)
        self.timeouts.append(timeouts)
        return _Exchange(self.answers[min(len(self.requests), len(self.answers)) - 1], recorder)

    async def aclose(self) -> None:
        raise AssertionError("closed by the fetch")

    @property
    def sent(self) -> list[str]:
        return [f"{request.method} {request.url}" for request in self.requests]


class _Exchange(AbstractAsyncContextManager[WireResponse]):
    def __init__(self, answer: Answer, recorder: Recorder) -> None:
        self.answer = answer
        self.recorder = recorder

    async def __aenter__(self) -> WireResponse:
        self.recorder.begin("wait")
        await anyio.sleep(self.answer.delay)
        if self.answer.failure is not None:
            raise self.answer.failure.raised()
        self.recorder.begin("receive")
        self.recorder.bytes_received += 10
        return self.answer

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.answer.open_iterators == 0, "left with a suspended generator"
        self.answer.closed = True


async def run(
    request: FetchRequest | str,
    *answers: Answer,
    transport: Scripted | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    retry: RetryPolicy | None = None,
    recorder: Recorder | None = None,
    place: Slot | None = None,
    terms: FetchContext | None = None,
) -> FetchResult | FetchError:
    request = FetchRequest(request) if isinstance(request, str) else request
    recorder = recorder or Recorder()
    recorder.start()
    try:
        terms = terms or FetchContext(limits, timeouts, retry)
        return await fetch(request, transport or Scripted(list(answers)), terms, recorder, place)
    except AttemptFailed as failure:
        return describe_failure(request, recorder, failure)


async def succeeds(request: FetchRequest | str, *answers: Answer, **options: object) -> FetchResult:
    outcome = await run(request, *answers, **options)  # type: ignore[arg-type]
    assert isinstance(outcome, FetchResult), outcome
    return outcome


async def fails(request: FetchRequest | str, *answers: Answer, **options: object) -> FetchError:
    outcome = await run(request, *answers, **options)  # type: ignore[arg-type]
    assert isinstance(outcome, FetchError), outcome
    return outcome


async def test_result() -> None:
    headers = (("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2"))
    answer = Answer(404, headers, [b"hel", b"lo"], reason="Not Found")
    result = await succeeds("http://user:secret@a.example/x#f", answer)
    assert (result.url, result.final_url) == ("http://user:secret@a.example/x#f", "http://a.example/x#f")
    assert (result.status, result.reason, result.http_version) == (404, "Not Found", "HTTP/1.1")
    assert (result.headers, result.content_type) == (headers, "text/plain")
    assert (result.body_size, result.preview, result.preview_complete) == (5, b"hello", True)
    assert result.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (result.attempts, result.redirects, result.bytes_received) == (1, (), 10)
    assert result.timings.wait is not None
    assert result.timings.queued is not None
    assert result.elapsed == result.timings.total > 0
    assert answer.closed


@pytest.mark.parametrize(
    ("request_", "kind", "final_url"),
    [
        (FetchRequest("http://u:secret@a.example:99999/"), ErrorKind.INVALID_URL, None),
        (FetchRequest("file:///etc/passwd"), ErrorKind.UNSUPPORTED_SCHEME, None),
        (FetchRequest("http://u:secret@a.example/", "GE T"), ErrorKind.PROTOCOL, "http://a.example/"),
        (FetchRequest("http://a.example/", headers=(("X", "a\nb"),)), ErrorKind.PROTOCOL, "http://a.example/"),
    ],
)
async def test_refused_before_anything_is_sent(request_: FetchRequest, kind: ErrorKind, final_url: str | None) -> None:
    transport = Scripted([Answer()])
    error = await fails(request_, transport=transport, retry=AT_ONCE)
    assert (error.kind, error.final_url, error.attempts, transport.sent) == (kind, final_url, 0, [])
    assert "secret" not in repr(error)


# Redirects


async def test_redirects_are_followed_and_recorded() -> None:
    transport = Scripted(
        [redirect("/b", 301, body=[b"moved"]), redirect("https://b.example/c?d#g", 307), Answer(body=[b"hello"])]
    )
    recorder = Recorder()
    result = await succeeds("http://u:p@a.example/a#f", transport=transport, recorder=recorder)
    assert transport.sent == ["GET http://a.example/a", "GET http://a.example/b", "GET https://b.example/c?d"]
    assert ["Authorization" in dict(request.headers) for request in transport.requests] == [True, True, False]
    assert [(hop.url, hop.status) for hop in result.redirects] == [
        ("http://a.example/a#f", 301),
        ("http://a.example/b#f", 307),
    ]
    assert result.final_url == recorder.url == "https://b.example/c?d#g"
    assert result.redirects[0].timings.wait is not None
    assert result.bytes_received == 30


async def test_redirect_may_be_the_result() -> None:
    request = FetchRequest("http://a.example/", follow_redirects=False)
    result = await succeeds(request, redirect("/b", body=[b"moved"]))
    assert (result.status, result.preview, result.redirects) == (302, b"moved", ())


async def test_endless_redirect_body_is_left() -> None:
    answer = redirect("/b", body=[bytes(4096)] * 10_000)
    await succeeds("http://a.example/", answer, Answer())
    assert answer.closed
    assert answer.chunks_given <= DRAIN_BYTES // 4096 + 1


@pytest.mark.parametrize("body", [[b"x", 30.0], [b"x", Fault(ErrorKind.INCOMPLETE, "cut off")]])
async def test_broken_redirect_body_does_not_matter(body: list[bytes | float | Fault]) -> None:
    with anyio.fail_after(60):
        result = await succeeds("http://a.example/", redirect("/b", body=body), Answer())
    assert result.final_url == "http://a.example/b"


async def test_redirect_body_is_not_decoded() -> None:
    answer = Answer(302, (("Location", "/b"), ("Content-Encoding", "gzip")), [b"no gzip"])
    await succeeds("http://a.example/", answer, Answer())


async def test_redirect_loop() -> None:
    transport = Scripted([redirect("/")])
    error = await fails("http://a.example/", transport=transport, limits=Limits(max_redirects=3))
    assert error.kind is ErrorKind.TOO_MANY_REDIRECTS
    assert "loop" in error.message
    assert (len(error.redirects), len(transport.sent), error.status) == (3, 4, 302)


async def test_redirect_refused() -> None:
    error = await fails("http://a.example/", redirect("/b"), redirect("file:///etc/passwd"))
    assert (error.kind, error.final_url, error.status) == (ErrorKind.REDIRECT_REFUSED, "http://a.example/b", 302)
    assert len(error.redirects) == 1


# Bodies


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_responses_without_a_body(method: str, status: int) -> None:
    headers: Headers = (("Content-Length", "99999"),)
    coded = await succeeds(FetchRequest("http://a.example/", method), Answer(status, (("Content-Encoding", "x"),)))
    assert coded.body_size == 0
    result = await succeeds(
        FetchRequest("http://a.example/", method), Answer(status, headers), limits=Limits(max_body=10)
    )
    assert (result.body_size, result.sha256) == (0, hashlib.sha256().hexdigest())


async def test_body_is_decoded() -> None:
    body = gzip.compress(b"one, ") + gzip.compress(b"two")
    recorder = Recorder()
    answer = Answer(headers=(("content-encoding", "gzip"), ("Content-Length", "9")), body=[body[:9], body[9:]])
    result = await succeeds("http://a.example/", answer, recorder=recorder)
    assert (result.preview, result.body_size) == (b"one, two", 8)
    assert recorder.expected_size is None
    assert recorder.body_size == 8


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)[:-1]),
        ("gzip", b"hello"),
        (", ".join(["gzip"] * 6), b"hello"),
    ],
)
async def test_body_that_cannot_be_decoded(coding: str, body: bytes) -> None:
    answer = Answer(headers=(("Content-Encoding", coding),), body=[body])
    error = await fails("http://a.example/", answer)
    assert (error.kind, error.status) == (ErrorKind.DECODE, 200)
    assert answer.closed


@pytest.mark.parametrize("coding", ["utf-8", "aws-chunked", "binary", "gzip, x", "x, gzip", ", ".join(["x"] * 6)])
async def test_a_coding_that_nobody_knows_leaves_the_body_as_it_came(coding: str) -> None:
    result = await succeeds("http://a.example/", Answer(headers=(("Content-Encoding", coding),), body=[b"hello"]))
    assert (result.preview, result.status) == (b"hello", 200)
    assert result.warnings == (f"unknown content coding {coding!r}: the body is left as it came",)


async def test_none_is_no_coding() -> None:
    result = await succeeds("http://a.example/", Answer(headers=(("Content-Encoding", "none"),), body=[b"hello"]))
    assert (result.preview, result.warnings) == (b"hello", ())


@pytest.mark.parametrize(
    ("status", "covers", "decoded"),
    [(206, "bytes 0-9/100", False), (206, "bytes 5-24/25", False), (206, None, False), (206, "whole", True)],
)
async def test_a_part_of_a_coded_body_is_left_as_it_came(status: int, covers: str | None, decoded: bool) -> None:
    body = gzip.compress(b"hello", mtime=0)
    if covers == "whole":
        covers = f"bytes 0-{len(body) - 1}/{len(body)}"
    headers = (("Content-Encoding", "gzip"), *((("Content-Range", covers),) if covers else ()))
    result = await succeeds(
        FetchRequest("http://a.example/", headers=(("Range", "bytes=0-"),)), Answer(status, headers, [body])
    )
    assert result.preview == (b"hello" if decoded else body)
    assert bool(result.warnings) is not decoded


async def test_warnings_are_those_of_the_last_hop() -> None:
    first = Answer(302, (("Location", "/b"), ("Content-Encoding", "x")), [b"x"])
    assert (await succeeds("http://a.example/", first, Answer(body=[b"y"]))).warnings == ()


async def test_broken_body_keeps_its_count() -> None:
    answer = Answer(body=[b"hello", Fault(ErrorKind.INCOMPLETE, "cut off")])
    error = await fails("http://a.example/", answer)
    assert (error.kind, error.message, error.body_size) == (ErrorKind.INCOMPLETE, "cut off", 5)


async def test_size_limit() -> None:
    limits = Limits(max_body=10)
    assert (await succeeds("http://a.example/", Answer(body=[b"12345", b"67890"]), limits=limits)).body_size == 10
    endless = Answer(body=[b"12345"] * 100)
    error = await fails("http://a.example/", endless, limits=limits)
    assert (error.kind, endless.chunks_given, endless.closed) == (ErrorKind.TOO_LARGE, 3, True)
    announced = Answer(headers=(("Content-Length", "11"),), body=[b"1"])
    assert (await fails("http://a.example/", announced, limits=limits)).kind is ErrorKind.TOO_LARGE
    assert announced.chunks_given == 0


async def test_least_speed() -> None:
    limits = Limits(min_rate=1000, min_rate_time=0.3)
    steady = Answer(body=[b"x" * 300, 0.05] * 10)
    assert (await succeeds("http://a.example/", steady, limits=limits)).body_size == 3000
    for slow in (Answer(body=[b"x" * 20, 0.05] * 1000), Answer(body=[b"x" * 10_000, 60.0])):
        error = await fails("http://a.example/", slow, limits=limits)
        assert (error.kind, error.message) == (ErrorKind.TIMEOUT_READ, "slower than 1000 bytes/s for 0.3 s")
        assert slow.closed


async def test_a_rest_of_our_own_is_not_slow() -> None:
    floor = SpeedFloor(1000, 0.5)
    deadline = floor.scope.deadline
    floor.take(1, rested=10.0)
    assert floor.scope.deadline == deadline + 10


def bomb(mib: int) -> bytes:
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = deflate.compress(bytes(1024**2)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(block * mib + deflate.flush())


@pytest.mark.timing
async def test_bomb_lets_others_run() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    answer = Answer(headers=(("Content-Encoding", "deflate, gzip"),), body=[bomb(10_240)])
    async with anyio.create_task_group() as group:
        group.start_soon(count)
        error = await fails("http://a.example/", answer, limits=Limits(max_body=200 * 1024**2))
        group.cancel_scope.cancel()
    assert error.kind is ErrorKind.TOO_LARGE
    assert turns > 10


async def turn_length(bombs: int) -> float:
    """The median time, in seconds, of the turns of the loop in which something decoded, with so many bombs at once."""
    body, terms = bomb(10_240), FetchContext(timeouts=Timeouts(total=0.5))
    gaps: list[float] = []

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await anyio.lowlevel.checkpoint()
            gaps.append(time.perf_counter() - before)

    async def decode() -> None:
        answer = Answer(headers=(("Content-Encoding", "deflate, gzip"),), body=[body])
        error = await fails("http://a.example/", answer, terms=terms)
        assert error.kind is ErrorKind.TIMEOUT_TOTAL

    async with anyio.create_task_group() as group:
        group.start_soon(beat)
        async with anyio.create_task_group() as fetches:
            for _ in range(bombs):
                fetches.start_soon(decode)
        group.cancel_scope.cancel()
    busy = sorted(gap for gap in gaps if gap > SLICE_SECONDS)  # the passes in which something decoded
    return busy[len(busy) // 2]


@pytest.mark.timing
async def test_many_bombs_hold_the_loop_no_longer_than_one() -> None:
    assert await turn_length(16) < 4 * await turn_length(1)


async def test_deadline_holds_inside_a_bomb() -> None:
    answer = Answer(headers=(("Content-Encoding", "deflate, gzip"),), body=[bomb(10_240)])
    error = await fails("http://a.example/", answer, limits=Limits(max_body=2**40), timeouts=Timeouts(total=0.2))
    assert error.kind is ErrorKind.TIMEOUT_TOTAL
    assert error.elapsed < 5


# Deadlines


async def test_total_deadline_over_all_hops() -> None:
    answer = redirect("/", delay=0.05)
    with anyio.fail_after(60):
        error = await fails(
            "http://a.example/", answer, limits=Limits(max_redirects=10_000), timeouts=Timeouts(total=0.3)
        )
    assert error.kind is ErrorKind.TIMEOUT_TOTAL
    assert error.message == "not complete after 0.3 seconds"
    assert error.redirects


async def test_total_deadline_of_a_dripping_body() -> None:
    answer = Answer(body=[b"x", 0.05] * 10_000)
    with anyio.fail_after(60):
        error = await fails("http://a.example/", answer, timeouts=Timeouts(total=0.3))
    assert (error.kind, error.status) == (ErrorKind.TIMEOUT_TOTAL, 200)
    assert error.body_size > 0
    assert answer.closed


async def test_timeouts_of_the_request_come_first() -> None:
    transport = Scripted([Answer()])
    own = Timeouts(total=None, read=1)
    await succeeds(FetchRequest("http://a.example/", timeouts=own), transport=transport, timeouts=Timeouts(total=0.001))
    assert transport.timeouts == [own]


class Seat:
    """A place that notes what is asked of it, and takes its time."""

    def __init__(self, takes: float = 0.0, limits: Limits | None = None) -> None:
        self.takes = takes
        self.asked: list[object] = []
        self.backoff = HostBackoff(limits or Limits())

    async def move(self, host: str) -> None:
        self.asked.append(host)
        await anyio.sleep(self.takes)

    async def rest(self, host: str, seconds: float) -> None:
        self.asked.append(("rest", host, seconds))
        await anyio.sleep(self.takes)

    def rest_for(self, told: SlowDown) -> float | None:
        return self.backoff.rest_for(told)

    def slow_down(self, told: SlowDown) -> None:
        self.backoff.heed(told)
        self.asked.append(told)


async def test_waiting_for_another_host_is_not_part_of_the_deadline() -> None:
    seat = Seat(0.4)
    answers = [
        redirect("/b"),
        redirect("http://b.example/"),
        redirect("http://b.example:81/"),
        redirect("http://a.example/"),
        Answer(503),
        Answer(),
    ]
    await succeeds("http://a.example/", *answers, timeouts=Timeouts(total=0.3), place=seat, retry=AT_ONCE)
    assert seat.asked == ["b.example", "a.example", ("rest", "a.example", 0)]


async def test_a_new_attempt_goes_back_to_the_first_host() -> None:
    seat = Seat()
    answers = [redirect("http://b.example/"), Answer(503), redirect("http://b.example/"), Answer()]
    result = await succeeds("http://a.example/", *answers, place=seat, retry=AT_ONCE)
    assert seat.asked == ["b.example", ("rest", "a.example", 0), "b.example"]
    assert (result.attempts, len(result.redirects), result.final_url) == (2, 1, "http://b.example/")


# Retries


@pytest.mark.parametrize(
    "first",
    [
        Answer(503, body=[b"busy"] * 100_000),
        Answer(failure=Fault(ErrorKind.RESET, "reset")),
        Answer(body=[b"x", Fault(ErrorKind.INCOMPLETE, "cut off")]),
        Answer(delay=60.0),
    ],
)
async def test_retry(first: Answer) -> None:
    transport = Scripted([first, Answer(body=[b"hello"])])
    timeouts = Timeouts(total=0.2)
    with anyio.fail_after(60):
        result = await succeeds("http://a.example/", transport=transport, retry=AT_ONCE, timeouts=timeouts)
    assert (result.attempts, result.preview, len(transport.sent)) == (2, b"hello", 2)


async def test_last_attempt_is_the_outcome() -> None:
    result = await succeeds("http://a.example/", Answer(503, body=[b"busy"]), retry=AT_ONCE)
    assert (result.status, result.attempts, result.preview) == (503, 3, b"busy")
    error = await fails("http://a.example/", Answer(failure=Fault(ErrorKind.DNS, "no")), retry=AT_ONCE)
    assert (error.kind, error.attempts) == (ErrorKind.DNS, 3)


# Hosts that ask for less


def asks(seconds: str | None, status: int = 429, date: str | None = None) -> Answer:
    headers = [(name, value) for name, value in (("Retry-After", seconds), ("Date", date)) if value is not None]
    return Answer(status, tuple(headers), body=[b"busy"])


async def test_a_wait_that_is_allowed_is_left_to_the_place() -> None:
    seat = Seat()
    result = await succeeds("http://a.example/", asks("7"), Answer(), place=seat, retry=AT_ONCE)
    assert seat.asked == [SlowDown("a.example", 429, 7.0, None, True), ("rest", "a.example", 0.0)]
    assert (result.attempts, result.retry_after) == (2, None)
    assert [(attempt.status, attempt.retry_after) for attempt in result.retried] == [(429, 7.0)]


async def test_a_longer_wait_of_ours_is_waited_for_without_a_place() -> None:
    seat = Seat()
    await succeeds("http://a.example/", asks("0"), Answer(), place=seat, retry=RetryPolicy(retries=1, delay=10.0))
    assert seat.asked[0] == SlowDown("a.example", 429, 0.0, None, True)
    rest = seat.asked[1]
    assert isinstance(rest, tuple)
    assert rest[:2] == ("rest", "a.example")
    assert 0 < rest[2] <= 10


async def test_a_host_behind_a_redirect_is_waited_for_before_the_first_one_is_asked_again() -> None:
    seat = Seat()
    answers = [redirect("http://b.example/"), asks("5"), redirect("http://b.example/"), Answer()]
    await succeeds("http://a.example/", *answers, place=seat, retry=AT_ONCE)
    told = SlowDown("b.example", 429, 5.0, None, True)
    assert seat.asked == ["b.example", told, ("rest", "a.example", 5.0), "b.example"]


@pytest.mark.parametrize("seat", [Seat, lambda: None])
async def test_a_wait_that_is_not_allowed_ends_it_with_its_own_response(seat: Callable[[], Seat | None]) -> None:
    result = await succeeds("http://a.example/", asks("61"), Answer(), place=seat(), retry=AT_ONCE)
    assert (result.status, result.attempts, result.preview, result.retry_after) == (429, 1, b"busy", 61.0)


@pytest.mark.parametrize(
    ("limits", "answer", "attempts"),
    [
        (Limits(max_host_wait=0), asks("1"), 1),
        (Limits(max_host_wait=0), asks(None), 1),
        (Limits(max_host_wait=0), asks("0"), 2),
        (Limits(on_429="fail"), asks("0"), 1),
        (Limits(on_429="fail"), asks(None), 1),
        (Limits(on_429="fail"), asks("5", 503), 1),
        (Limits(on_429="fail"), Answer(503), 2),  # does not ask for less
        (Limits(on_429="ignore"), asks("3600"), 2),
        (Limits(), asks("3600", 500), 2),
    ],
)
async def test_what_is_repeated_of_what_asks_for_less(limits: Limits, answer: Answer, attempts: int) -> None:
    answers = [answer, Answer()]
    result = await succeeds("http://a.example/", *answers, limits=limits, place=Seat(limits=limits), retry=AT_ONCE)
    assert result.attempts == attempts


async def test_the_time_for_all_attempts_is_looked_at_before_the_wait() -> None:
    for seconds, attempts in (("2", 2), ("6", 1)):
        seat = Seat()
        retry = RetryPolicy(retries=1, delay=0, max_time=3.0)
        result = await succeeds("http://a.example/", asks(seconds), Answer(), place=seat, retry=retry)
        assert result.attempts == attempts
        assert seat.asked[0] == SlowDown("a.example", 429, float(seconds), None, attempts == 2)
    error = await fails(  # a wait of our own too: it is drawn from 0 to 1e9 seconds
        "http://a.example/", Answer(failure=Fault(ErrorKind.RESET, "no")),
        retry=RetryPolicy(retries=1, delay=1e9, max_delay=1e9, max_time=1.0),
    )  # fmt: skip
    assert error.attempts == 1


@pytest.mark.parametrize("retry", [RetryPolicy(), RetryPolicy(retries=2, statuses=frozenset())])
async def test_where_nothing_is_repeated_a_host_rests_no_longer_than_for_an_answer(retry: RetryPolicy) -> None:
    seat = Seat()
    timeouts = Timeouts(total=4.0)
    result = await succeeds("http://a.example/", asks("30"), place=seat, retry=retry, timeouts=timeouts)
    assert (result.status, result.attempts, result.retry_after) == (429, 1, 30.0)
    assert seat.asked == [SlowDown("a.example", 429, 30.0, 4.0, False)]


async def test_dates_count_by_the_clock_of_the_response() -> None:
    seat = Seat()
    answer = asks("Thu, 29 Feb 2024 12:00:08 GMT", date="Thu, 29 Feb 2024 12:00:00 GMT")
    result = await succeeds("http://a.example/", answer, place=seat)
    assert result.retry_after == 8.0


@pytest.mark.parametrize(
    ("method", "kind"), [("GET", ErrorKind.TLS), ("POST", ErrorKind.RESET), ("GET", ErrorKind.INTERNAL)]
)
async def test_not_retried(method: str, kind: ErrorKind) -> None:
    answer = Answer(failure=Fault(kind, "no"))
    assert (await fails(FetchRequest("http://a.example/", method), answer, retry=AT_ONCE)).attempts == 1


# Bugs, cancellation, and what stays behind


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (Answer(failure=Fault(KeyError, "x\ud800")), "KeyError"),
        (Answer(body=[Fault(ExceptionGroup, "g", [OSError(5, "x")])]), "ExceptionGroup"),
    ],
)
async def test_any_other_exception_is_a_bug_of_ours(answer: Answer, name: str) -> None:
    error = await fails("http://a.example/", answer, retry=AT_ONCE)
    assert (error.kind, error.attempts) == (ErrorKind.INTERNAL, 1)
    assert error.message.startswith(f"{name} at test_fetching.py:")


async def test_cancellation_passes() -> None:
    begun = anyio.Event()
    answer = Answer(body=[b"x", 60.0], on_chunk=begun.set)
    outcomes: list[object] = []

    async def go() -> None:
        outcomes.append(await run("http://a.example/", answer, retry=AT_ONCE))

    async with anyio.create_task_group() as group:
        group.start_soon(go)
        await begun.wait()
        group.cancel_scope.cancel()
    assert outcomes == []
    assert answer.closed


class Watched(Recorder):
    """A recorder that can be referred to weakly."""


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([Answer(body=[b"x"])], None),
        ([redirect("/b"), Answer(body=[b"x"])], None),
        ([Answer(503), Answer(body=[b"x"])], None),
        ([Answer(failure=Fault(ErrorKind.RESET, "reset"))], ErrorKind.RESET),
        ([Answer(failure=Fault(KeyError, "x"))], ErrorKind.INTERNAL),
        ([Answer(body=[b"x", Fault(ErrorKind.INCOMPLETE, "cut off")])], ErrorKind.INCOMPLETE),
        ([Answer(headers=(("Content-Encoding", "br"),), body=[b"x"])], ErrorKind.DECODE),
        ([redirect("file:///x")], ErrorKind.REDIRECT_REFUSED),
        ([redirect("http://[")], ErrorKind.REDIRECT_REFUSED),
        ([redirect("/b", body=[b"x", 60.0]), Answer()], None),
        ([Answer(delay=60.0)], ErrorKind.TIMEOUT_TOTAL),
        ([Answer(body=[b"x", 60.0])], ErrorKind.TIMEOUT_TOTAL),
    ],
)
async def test_nothing_stays_behind_with_the_collector_off(answers: list[Answer], kind: ErrorKind | None) -> None:
    gc.collect()
    gc.disable()
    try:
        recorder = Watched()
        ref = weakref.ref(recorder)
        outcome = await run(
            "http://a.example/", *answers, recorder=recorder, retry=AT_ONCE, timeouts=Timeouts(total=0.6)
        )
        del recorder
        await anyio.lowlevel.checkpoint()
        assert (outcome.kind if isinstance(outcome, FetchError) else None) is kind
        assert ref() is None, gc.get_referrers(ref())
    finally:
        gc.enable()


async def test_failure_refers_to_no_other_exception() -> None:
    answer = Answer(failure=Fault(ErrorKind.RESET, "reset"))
    with pytest.raises(AttemptFailed) as caught:
        await fetch(FetchRequest("http://a.example/"), Scripted([answer]), FetchContext(), Recorder())
    assert caught.value.__context__ is None


async def test_invalid_url_stays_behind_in_no_frame() -> None:
    gc.disable()
    try:
        recorder = Watched()
        ref = weakref.ref(recorder)
        assert (await fails("http://", recorder=recorder)).kind is ErrorKind.INVALID_URL
        del recorder
        assert ref() is None
    finally:
        gc.enable()
