"""What is shown of fetches that have not ended."""

from __future__ import annotations

import time

from fetch_engine import FetchRequest
from fetch_engine.lint_facts import Activity, FetchFacts, fetch_facts
from fetch_engine.recorder import Recorder
from tui.meter import Meter
from tui.snapshot import ActiveRow


class Account:
    """One such fetch; its recorder keeps nothing alive."""

    __slots__ = ("_activity", "_meter", "pinned", "recorder", "request")

    def __init__(self, request: FetchRequest, recorder: Recorder, now: float) -> None:
        self.request = request
        self.recorder = recorder
        self.pinned = False
        self._meter = Meter(now)
        self._activity = Activity()

    def row(self, task_id: int, now: float, warnings: tuple[str, ...]) -> ActiveRow:
        """Its row; `now` as `time.monotonic()`."""
        recorder = self.recorder
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
        )

    def facts(self, task_id: int) -> FetchFacts:
        """What the lints look at; asked from time to time, it knows how long nothing has moved."""
        now = time.perf_counter()
        return fetch_facts(task_id, self.recorder, self._activity.quiet(self.recorder, now), now)
