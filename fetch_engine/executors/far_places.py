"""The places of fetches that run elsewhere: the lanes are the client's, which is asked by message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from fetch_engine.executors.local import LocalExecutor
from fetch_engine.pacing import BytePacing
from fetch_engine.scheduler import Scheduler
from fetch_engine.task import Job


class FarExecutor(LocalExecutor):
    """Runs fetches here whose places are given there. tell: sends a record `(what, ...)` to the client.

    given: the client's number of each fetch, by the one that it has here.
    """

    def __init__(self, tell: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__(place=self._place_of, is_paced=False)
        self._tell = tell
        self._asked: dict[int, anyio.Event] = {}
        self.given: dict[int, int] = {}

    def go(self, given: int) -> None:
        """The client has given this fetch the place that it asked for."""
        event = self._asked.pop(given, None)
        if event is not None:
            event.set()

    def forget(self, task_id: int) -> None:
        """A fetch has ended."""
        self._asked.pop(self.given.pop(task_id, 0), None)

    def set_share(self, part: float) -> None:
        """Bytes may come at this part of the rates, the rest elsewhere."""
        limits = self._settings.limits
        self._terms.pacing = BytePacing(
            limits.byte_rate and limits.byte_rate * part, limits.host_byte_rate and limits.host_byte_rate * part
        )

    async def ask(self, given: int, host: str, seconds: float | None) -> None:
        """Ask for a place with this host, after so long in which it has none; returns when it has one."""
        event = self._asked[given] = anyio.Event()
        self._tell(("move", given, host, seconds))
        await event.wait()

    def _place_of(self, _: Scheduler, job: Job) -> FarPlace:
        return FarPlace(self, self.given[job.id])

    def slow_down(self, given: int, host: str, seconds: float | None) -> None:
        """A host asks for less."""
        self._tell(("slow", given, host, seconds))


class FarPlace:
    """The place of one fetch; see `fetching.Place`."""

    __slots__ = ("_executor", "_given")

    def __init__(self, executor: FarExecutor, given: int) -> None:
        self._executor = executor
        self._given = given

    async def move(self, host: str) -> None:
        """Exchange the place for one with another host."""
        await self._executor.ask(self._given, host, None)

    async def rest(self, host: str, seconds: float) -> None:
        """Give it back, wait, and take one with this host."""
        await self._executor.ask(self._given, host, seconds)

    def slow_down(self, host: str, seconds: float | None) -> None:
        """Start nothing there for so long."""
        self._executor.slow_down(self._given, host, seconds)
