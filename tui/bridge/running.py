"""What is shown of fetches that have not ended."""

from __future__ import annotations

import time
from dataclasses import replace

from fetch_engine import FetchRequest
from fetch_engine.fetch.host_backoff import HostRest
from fetch_engine.lints.facts import Activity, FetchFacts, fetch_facts
from fetch_engine.model.recorder import Recorder
from tui.bridge.snapshot import ActiveRow, Wait
from tui.text.meter import Meter


class Account:
    """One such fetch; its recorder keeps nothing alive."""

    __slots__ = ("_activity", "_meter", "_rested", "pinned", "recorder", "request")

    def __init__(self, request: FetchRequest, recorder: Recorder, now: float) -> None:
        self.request = request
        self.recorder = recorder
        self.pinned = False
        self._meter = Meter(now)
        self._activity = Activity()
        self._rested = 0.0  # when its host was last seen to rest

    def row(self, task_id: int, now: float, warnings: tuple[str, ...], rest: HostRest | None = None) -> ActiveRow:
        """Its row; `now` as `time.monotonic()`. rest: of the host that it waits for."""
        recorder = self.recorder
        if rest is not None:
            self._rested = time.perf_counter()
        return ActiveRow(
            id=task_id,
            url=self.request.url,
            state=recorder.state,
            body_size=recorder.body_size,
            expected_size=recorder.expected_size,
            rate=self._meter.read(recorder.bytes_received, now),
            age=time.perf_counter() - recorder.submitted,
            attempt=max(1, recorder.attempts),
            pinned=self.pinned,
            warnings=warnings,
            request=self.request,
            wait=_wait(recorder, rest),
        )

    def facts(self, task_id: int) -> FetchFacts:
        """What the lints look at; asked from time to time, it knows how long nothing has moved."""
        now = time.perf_counter()
        facts = fetch_facts(task_id, self.recorder, self._activity.quiet(self.recorder, now), now)
        # As long as its host rests it does not wait for a place.
        return replace(facts, queued=min(facts.queued, now - self._rested)) if self._rested else facts


def _wait(recorder: Recorder, rest: HostRest | None) -> Wait | None:
    if rest is not None:
        return Wait(str(rest.status), rest.left, rest.host)
    if recorder.retry_at is None:
        return None
    return Wait(recorder.retry_cause, max(0.0, recorder.retry_at - time.perf_counter()))
