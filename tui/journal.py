"""The run as it is written down: every request that was asked for, and what became of it."""

from __future__ import annotations

import anyio

from fetch_engine.requests import FetchRequest
from fetch_engine.results import FetchError, FetchResult
from fetch_engine.store_file import RunLocks
from fetch_engine.store_writer import RunWriter

FULL_WAIT = 0.02  # seconds between two looks


class Journal:
    """What the engine's side says of each request. Without a writer nothing is kept, and all of it costs nothing.

    complete: whether every list of URLs was read to its end; set by who reads them.
    """

    def __init__(self, writer: RunWriter | None = None, locks: RunLocks | None = None) -> None:
        self._writer = writer
        self._locks = locks
        self._outstanding: set[int] = set()
        self.complete = False

    @property
    def has_room(self) -> bool:
        """Whether more requests may be asked for."""
        return self._writer is None or self._writer.has_room

    async def room(self) -> None:
        """Wait until there is room. Seldom: the disk is faster than the network."""
        while not self.has_room:  # noqa: ASYNC110 - an event would have the writer's thread know the loop
            await anyio.sleep(FULL_WAIT)

    @property
    def problem(self) -> str | None:
        """Why nothing is kept any more, None while all is well."""
        return None if self._writer is None else self._writer.problem

    @property
    def run(self) -> int | None:
        """The id of the run, once it has one."""
        return None if self._writer is None else self._writer.run

    def requested(self, request: FetchRequest, *, input: int | None = None) -> FetchRequest:
        """A request is to be made; gives it with its number. input: the list that it was read from."""
        if self._writer is None or getattr(request, "number", -1) >= 0:
            return request
        stored = self._writer.requested(request, input=input)
        self._outstanding.add(stored.number)
        return stored

    def resumed(self, number: int) -> None:
        """A request of an earlier time is still to be made."""
        self._outstanding.add(number)

    def finished(self, request: FetchRequest, fetch: int, outcome: FetchResult | FetchError, at: float) -> None:
        """It has come to an end. fetch: its id in the engine. at: time.time()."""
        number = getattr(request, "number", -1)
        if self._writer is not None and number >= 0:
            self._outstanding.discard(number)
            self._writer.finished(number, fetch, outcome, at)

    def withdraw_all_but(self, running: list[FetchRequest]) -> None:
        """Of what is outstanding nothing but these is still wanted."""
        if self._writer is not None:
            kept = {getattr(request, "number", -1) for request in running}
            gone = self._outstanding - kept
            self._outstanding -= gone
            self._writer.withdrawn(sorted(gone))

    def close(self) -> bool:
        """Write the rest. False if the disk did not take it in time."""
        if self._writer is None:
            return True
        in_time = self._writer.close(complete=self.complete and not self._outstanding)
        if in_time and self._locks is not None:
            self._locks.close()
        return in_time
