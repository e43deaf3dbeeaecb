"""What the lints look at: frozen facts about fetches, held handles and the engine. Times are in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fetch_engine.core.census import HeldHandle
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import FetchResult, FetchState


@dataclass(frozen=True, slots=True)
class FetchFacts:
    """A fetch that runs, waits or has just ended.

    queued: in the queue, up to now. quiet: since something moved. phase: what it is at, None between two requests.
    elapsed, dns, tls: of the current request. reads, read_bytes: pieces of its body as they came, undecoded.
    """

    id: int
    state: FetchState
    queued: float
    quiet: float
    phase: str | None
    elapsed: float
    dns: float
    tls: float
    reads: int
    read_bytes: int


@dataclass(frozen=True, slots=True)
class HeldFacts:
    """A handle alive though its fetch has ended. kept: bytes of its body, on disk as well; by: its holders, as far as
    anybody has looked."""

    id: int
    seconds: float
    pinned: bool
    kept: int
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoopFacts:
    """How late the event loop was lately. worst: the longest; age: since the last; blamed: what it was busy with."""

    id: int
    times: int
    worst: float
    age: float
    blamed: str | None


class Activity:
    """When a fetch last gave a sign of life, as far as whoever asks from time to time can tell."""

    __slots__ = ("_since", "_state")

    def __init__(self) -> None:
        self._state: tuple[object, ...] = ()
        self._since = 0.0

    def quiet(self, recorder: Recorder, now: float) -> float:
        """Seconds since bytes came, another phase began, or it rested; `now` as `time.perf_counter()`."""
        state = (recorder.bytes_received, recorder.attempts, len(recorder.hops), recorder.phase)
        if state != self._state:
            self._state, self._since = state, now
        return now - max(self._since, min(recorder.resting_until, now))


def fetch_facts(task_id: int, recorder: Recorder, quiet: float, now: float) -> FetchFacts:
    """Of a fetch whose last sign of life is `quiet` seconds old; `now` as `time.perf_counter()`."""
    phases, phase = recorder.phases, recorder.phase
    dns, tls = phases.get("dns", 0.0), phases.get("tls", 0.0)
    if phase == "dns":
        dns += now - recorder.phase_began
    elif phase == "tls":
        tls += now - recorder.phase_began
    queued = 0.0
    if recorder.state is FetchState.QUEUED:
        queued = now - (recorder.submitted if recorder.retry_at is None else min(recorder.retry_at, now))
    return FetchFacts(
        task_id,
        recorder.state,
        queued,
        quiet,
        phase,
        now - (recorder.hop_started if recorder.attempts else now),
        dns,
        tls,
        recorder.reads,
        recorder.read_bytes,
    )


def held_facts(handle: HeldHandle, by: Sequence[str] = ()) -> HeldFacts:
    """Of a handle, and of what is known about its holders."""
    outcome = handle.outcome
    kept = 0
    if isinstance(outcome, FetchResult):
        kept = len(outcome.preview) + (outcome.body_size if outcome.body_path else 0)
    return HeldFacts(handle.id, handle.seconds, handle.pinned, kept, tuple(by))
