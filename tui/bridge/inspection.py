"""Applies the lints to what the engine does, at the pace of people, and keeps what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from fetch_engine import FetchEngine
from fetch_engine.core.facts import CollectedFacts, LeaseFacts
from fetch_engine.lints.facts import FetchFacts, HeldFacts, LoopFacts
from fetch_engine.lints.heartbeat import Heartbeat
from fetch_engine.lints.linter import Linter, at_once
from fetch_engine.lints.lints import (
    ENDED_LINTS,
    FETCH_LINTS,
    HELD_LINTS,
    BlockedLoop,
    FreedByCollector,
    HeldByScreen,
    SessionStuck,
)
from tui.bridge.screen_names import names_screen

EVERY = 1.0  # seconds between two looks
SETTLING = 3.0  # seconds in which the screen is made, in the same process

T = TypeVar("T")


class Inspection:
    """What is odd about an engine. Run its `heart` in the engine's loop."""

    def __init__(self, engine: FetchEngine) -> None:
        self._engine = engine
        self._busy_with: str | None = None
        self._next = 0.0
        self._fetches: Linter[FetchFacts] = Linter(FETCH_LINTS)
        self._handles: Linter[HeldFacts] = Linter((HeldByScreen(names_screen), *HELD_LINTS))
        self._session: Linter[LeaseFacts] = Linter([SessionStuck()])
        self._collected: Linter[CollectedFacts] = Linter([FreedByCollector()])
        self._loop: Linter[LoopFacts] = Linter([BlockedLoop()])
        self.heart = Heartbeat(self._is_busy, self._blame, settling=SETTLING)
        self.bugs: list[str] = []
        self.lines: list[str] = []  # the bugs first

    def look(self, now: float, fetches: Iterable[FetchFacts], handles: Iterable[HeldFacts]) -> None:
        """Look at these and at the engine, unless it is too early; `now` as `time.monotonic()`."""
        if now < self._next:
            return
        self._next = now + EVERY
        self._fetches.run(fetches, now)
        self._handles.run(handles, now)
        self._session.run([self._engine.lease_facts()], now)
        self._collected.run(_there(self._engine.collected()), now)
        self._loop.run(_there(self.heart.facts()), now)
        self.bugs = [line for linter in self._linters() for line in linter.summaries(bugs=True)]
        self.lines = self.bugs + [line for linter in self._linters() for line in linter.summaries(bugs=False)]

    def of_fetch(self, task_id: int) -> tuple[str, ...]:
        """What to warn of about a fetch that has not ended."""
        return self._fetches.warnings(task_id)

    def of_handle(self, task_id: int) -> tuple[str, ...]:
        """What to warn of about a handle whose fetch has ended."""
        return self._handles.warnings(task_id)

    def of_ended(self, facts: FetchFacts) -> tuple[str, ...]:
        """What to say, for good, of a fetch that has just ended."""
        return at_once(ENDED_LINTS, facts)

    def busy_with(self, what: str) -> None:
        """Say what is about to keep the event loop from everybody."""
        self._busy_with = what

    def _linters(self) -> Iterator[Linter[Any]]:
        return iter((self._session, self._handles, self._fetches, self._collected, self._loop))

    def _is_busy(self) -> bool:
        census = self._engine.census()
        return census.running + census.queued > 0

    def _blame(self) -> str | None:
        blamed, self._busy_with = self._busy_with or self._engine.blame(), None
        return blamed


def _there(thing: T | None) -> list[T]:
    return [] if thing is None else [thing]
