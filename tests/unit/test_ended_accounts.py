"""The account of a fetch that has ended: made from its outcome, as nothing else is kept."""

from __future__ import annotations

import pytest

from fetch_engine.core.task import Job, Outcome
from fetch_engine.fetch.fetch import describe_failure
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.recorder import Recorder, account_of
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind, FetchResult, FetchState

pytestmark = pytest.mark.once

TOLD = (
    "state",
    "submitted",
    "queued",
    "url",
    "status",
    "attempts",
    "retried",
    "bytes_received",
    "body_size",
    "transport",
    "tls",
    "hops",
    "phases",
)


def told(recorder: Recorder) -> dict[str, object]:
    return {name: getattr(recorder, name) for name in TOLD}


def busy_recorder(submitted: float) -> Recorder:
    recorder = Recorder(submitted)
    recorder.start()
    recorder.start_attempt()
    recorder.await_retry(0.0, 503)
    recorder.end_wait(503, None, submitted)
    recorder.start_attempt()
    for url in ("http://a.example/", "http://b.example/"):
        recorder.url = url
        recorder.begin("wait")
        recorder.begin("receive")
        if url == "http://a.example/":
            recorder.end_hop(url, 302)
            recorder.start_hop()
    recorder.status, recorder.bytes_received, recorder.body_size = 200, 300, 200
    recorder.remote_address, recorder.transport = "127.0.0.1:80", "fast"
    return recorder


def result_of(recorder: Recorder) -> FetchResult:
    recorder.end()
    timings = recorder.timings()
    return FetchResult(
        url="http://a.example/",
        final_url=recorder.url or "",
        status=200,
        reason="OK",
        http_version="HTTP/1.1",
        headers=(),
        redirects=tuple(recorder.hops),
        attempts=recorder.attempts,
        elapsed=timings.total,
        timings=timings,
        bytes_received=recorder.bytes_received,
        body_size=recorder.body_size,
        sha256="",
        preview=b"",
        content_type="",
        remote_address=recorder.remote_address,
        retried=tuple(recorder.retried),
        transport=recorder.transport,
    )


def error_of(recorder: Recorder, kind: ErrorKind) -> Outcome:
    return describe_failure(FetchRequest("http://a.example/"), recorder, AttemptFailed(kind, "why"))


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (None, FetchState.DONE),
        (ErrorKind.RESET, FetchState.FAILED),
        (ErrorKind.CANCELLED, FetchState.CANCELLED),
    ],
)
def test_an_account_made_after_the_end_tells_the_same(kind: ErrorKind | None, state: FetchState) -> None:
    running = busy_recorder(12.5)
    outcome: Outcome = result_of(running) if kind is None else error_of(running, kind)
    running.state = state
    made = account_of(outcome, 12.5)
    assert told(made) == told(running)
    assert made.started == pytest.approx(running.started)
    assert made.remote_address == (running.remote_address if kind is None else None)


def test_of_a_fetch_that_never_started_too() -> None:
    made = account_of(error_of(Recorder(12.5), ErrorKind.CANCELLED), 12.5)
    assert made.state is FetchState.CANCELLED
    assert (made.started, made.queued, made.attempts) == (None, None, 0)


def test_whoever_took_the_account_sees_the_end_in_it_and_the_job_keeps_none() -> None:
    request = FetchRequest("http://a.example/")
    job = Job(1, request, "a.example", None, None, None)  # type: ignore[arg-type]
    states = [job.state]
    taken = job.recorder
    taken.begin("wait")
    states.append(job.state)
    job.conclude(error_of(taken, ErrorKind.RESET))
    states += [job.state, taken.state]
    assert states == ["queued", "waiting", "failed", "failed"]
    assert job.recorder is not taken
    assert told(job.recorder) == told(taken)
