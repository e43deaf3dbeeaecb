"""How far a fetch is that runs elsewhere: a copy of its recorder there, and how it is written into the one here."""

from __future__ import annotations

import time
from typing import Any

from fetch_engine.recorder import Recorder
from fetch_engine.results import FetchState

Progress = tuple[Any, ...]


def progress_of(recorder: Recorder) -> Progress:
    """Plain values, equal as long as nothing has changed that is worth telling."""
    waits = recorder.retry_at is not None
    return (
        recorder.state.value,
        recorder.phase,
        recorder.url,
        recorder.status,
        recorder.attempts,
        recorder.bytes_received,
        recorder.body_size,
        recorder.expected_size,
        recorder.reads,
        recorder.read_bytes,
        recorder.remote_address,
        round(recorder.retry_at - recorder.attempt_started, 1) if waits and recorder.retry_at is not None else None,
    )


def show_progress(recorder: Recorder, progress: Progress) -> None:
    """Have the recorder say what the one that was copied said."""
    state, phase, url, status, attempts, received, size, expected, reads, read_bytes, address, resting = progress
    if attempts != recorder.attempts:
        recorder.attempt_started = time.perf_counter()
    recorder.attempts = attempts
    if url != recorder.url:
        recorder.start_hop()
        recorder.url = url
    if phase is None:
        recorder.end()
    elif phase != recorder.phase:
        recorder.begin(phase)
    recorder.state = FetchState(state)
    recorder.status = status
    recorder.bytes_received = received
    recorder.body_size = size
    recorder.expected_size = expected
    recorder.reads, recorder.read_bytes = reads, read_bytes
    recorder.remote_address = address
    recorder.retry_at = None if resting is None else recorder.attempt_started + resting
