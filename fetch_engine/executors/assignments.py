"""Which fetch is on which worker of a cluster, and what becomes of those whose worker is lost.

Values and counts only: whoever owns the connections tells what happened, and carries out what comes out.
Whatever happens, each fetch is given back once: it ended, or its fate is a `LossReason`.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

LARGEST_BATCH = 128
SMALLEST_BATCH = 8  # a worker is given so many before the next one is given any, since each batch has its price
MOST_RUNS = 10  # for a fetch whose worker was lost so often without having died of it
POISON_DEATHS = 3  # a fetch that was alone when a worker died is to blame if that was the third time
QUARANTINE = 30.0  # seconds in which a worker with suspects is given nothing else; what kills does so soon


class LossReason(enum.Enum):
    """Why a fetch whose worker was lost is not run again."""

    STOPPED = "it was to end anyway"
    UNKNOWN = "it must not be run twice"
    POISON = "workers died of it"
    WORN_OUT = "its worker was lost too often"


@dataclass(frozen=True, slots=True)
class Batch:
    """Fetches that go to a worker together."""

    number: int
    worker: str
    ids: tuple[int, ...]


class _Flight:
    __slots__ = ("batch", "deaths", "repeatable", "runs", "stopping", "worker")

    def __init__(self, repeatable: bool) -> None:
        self.repeatable = repeatable
        self.worker: str | None = None
        self.batch = 0
        self.runs = 0
        self.deaths = 0
        self.stopping = False


class _Worker:
    __slots__ = ("flying", "room", "suspects", "suspects_since")

    def __init__(self, room: int) -> None:
        self.room = room
        self.flying: dict[int, None] = {}
        self.suspects: set[int] = set()
        self.suspects_since = 0.0

    def is_quarantined(self, now: float) -> bool:
        return bool(self.suspects) and now - self.suspects_since < QUARANTINE


class Assignments:
    """Fetches that were handed over and have not ended, by id.

    One that was on a worker that died runs again as any other. From the second death on those that were there are
    suspects: halves of them run on different workers or one after the other, until the one to blame is alone.
    rerun, late: how many were run again, and how many outcomes came for a run that no longer counts.
    """

    def __init__(self) -> None:
        self._flights: dict[int, _Flight] = {}
        self._workers: dict[str, _Worker] = {}
        self._waiting: deque[int] = deque()
        self._groups: deque[tuple[int, ...]] = deque()
        self._batches = 0
        self.rerun = 0
        self.late = 0

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def workers(self) -> tuple[str, ...]:
        """Those that take fetches."""
        return tuple(self._workers)

    def flying(self, worker: str) -> int:
        """How many fetches are there."""
        known = self._workers.get(worker)
        return 0 if known is None else len(known.flying)

    def where(self, flight_id: int) -> str | None:
        """The worker that has it; None while it waits for one."""
        flight = self._flights.get(flight_id)
        return None if flight is None else flight.worker

    def run(self, flight_id: int) -> int:
        """How often it was given to a worker."""
        flight = self._flights.get(flight_id)
        return 0 if flight is None else flight.runs

    def add(self, flight_id: int, *, repeatable: bool) -> None:
        """One more that waits for a worker. repeatable: it may be run again when a worker was lost."""
        self._flights[flight_id] = _Flight(repeatable)
        self._waiting.append(flight_id)

    def join(self, worker: str, room: int) -> None:
        """A worker that takes so many at a time."""
        if worker not in self._workers:
            self._workers[worker] = _Worker(room)

    def plan(self, now: float) -> list[Batch]:
        """Give those that wait to workers; `now` in seconds, of any clock."""
        given: dict[str, list[int]] = {}
        self._give_groups(now, given)
        open_to_all = [name for name, worker in self._workers.items() if not worker.is_quarantined(now)]
        while self._waiting and open_to_all:
            name = min(open_to_all, key=lambda one: len(self._workers[one].flying))
            worker = self._workers[name]
            count = min(SMALLEST_BATCH, worker.room - len(worker.flying), LARGEST_BATCH - len(given.get(name, ())))
            if count <= 0:
                open_to_all.remove(name)
                continue
            while self._waiting and count:
                flight_id = self._waiting.popleft()
                if flight_id in self._flights:
                    self._assign(flight_id, name, given)
                    count -= 1
        return [self._batch(name, ids) for name, ids in given.items()]

    def hold(self, flight_id: int) -> None:
        """It waits for something else than a worker, until `release`."""
        if flight_id in self._waiting:
            self._waiting.remove(flight_id)

    def release(self, flight_id: int) -> None:
        """It waits for a worker again."""
        if flight_id in self._flights and not any(flight_id in group for group in self._groups):
            self._waiting.append(flight_id)

    def stop(self, flight_id: int) -> str | None:
        """It is to end: one that waits has ended with this; else the worker that has to be told."""
        flight = self._flights.get(flight_id)
        if flight is None:
            return None
        if flight.worker is None:
            del self._flights[flight_id]
            return None
        flight.stopping = True
        return flight.worker

    def end(self, flight_id: int, batch: int) -> bool:
        """Its outcome came, of its run in this batch; False if that does not count."""
        flight = self._flights.get(flight_id)
        if flight is None or flight.worker is None or flight.batch != batch:
            self.late += 1
            return False
        self._forget(flight_id, flight)
        return True

    def unended(self, batch: Batch) -> list[int]:
        """Those of a batch that are still in it."""
        return [i for i in batch.ids if (one := self._flights.get(i)) is not None and one.batch == batch.number]

    def withdraw(self, ids: Iterable[int]) -> dict[int, LossReason]:
        """These were taken from their worker, which did not die: they wait again, or what becomes of them."""
        return self._lose(list(ids), died=False, alone=False)[1]

    def leave(self, worker: str, *, died: bool) -> dict[int, LossReason]:
        """A worker is lost; those that were there wait again, or what becomes of them. died: not by intention."""
        gone = self._workers.pop(worker, None)
        if gone is None:
            return {}
        alone = len(gone.flying) == 1
        verdicts: dict[int, LossReason] = {}
        # Those that were there beside suspects are no better from now on, but are told from them.
        for kind in (
            [i for i in gone.flying if i in gone.suspects],
            [i for i in gone.flying if i not in gone.suspects],
        ):
            again, ended = self._lose(kind, died=died, alone=alone)
            verdicts |= ended
            suspected = [i for i in again if died and self._flights[i].deaths > 1]
            for flight_id in suspected:
                self._waiting.remove(flight_id)
            half = (len(suspected) + 1) // 2
            self._groups.extend(group for group in (tuple(suspected[:half]), tuple(suspected[half:])) if group)
        return verdicts

    def clear(self) -> list[int]:
        """Forget everything; returns what had not ended."""
        ids = list(self._flights)
        for table in (self._flights, self._workers, self._waiting, self._groups):
            table.clear()
        return ids

    def _give_groups(self, now: float, given: dict[str, list[int]]) -> None:
        while self._groups:
            group = [i for i in self._groups[0] if i in self._flights]
            free = [name for name, one in self._workers.items() if not one.is_quarantined(now)]
            if group and not free:
                return
            self._groups.popleft()
            if group:
                name = min(free, key=lambda one: len(self._workers[one].flying))
                worker = self._workers[name]
                worker.suspects, worker.suspects_since = set(group), now
                for flight_id in group:
                    self._assign(flight_id, name, given)

    def _assign(self, flight_id: int, name: str, given: dict[str, list[int]]) -> None:
        flight = self._flights[flight_id]
        flight.worker = name
        flight.runs += 1
        self.rerun += flight.runs > 1
        self._workers[name].flying[flight_id] = None
        given.setdefault(name, []).append(flight_id)

    def _batch(self, name: str, ids: list[int]) -> Batch:
        self._batches += 1
        for flight_id in ids:
            self._flights[flight_id].batch = self._batches
        return Batch(self._batches, name, tuple(ids))

    def _forget(self, flight_id: int, flight: _Flight) -> None:
        del self._flights[flight_id]
        self._unseat(flight_id, flight)

    def _unseat(self, flight_id: int, flight: _Flight) -> None:
        worker = self._workers.get(flight.worker or "")
        if worker is not None:
            worker.flying.pop(flight_id, None)
            worker.suspects.discard(flight_id)

    def _lose(self, ids: list[int], *, died: bool, alone: bool) -> tuple[list[int], dict[int, LossReason]]:
        again: list[int] = []
        verdicts: dict[int, LossReason] = {}
        for flight_id in ids:
            flight = self._flights[flight_id]
            flight.deaths += died
            verdict = self._verdict(flight, alone=alone)
            if verdict is None:
                again.append(flight_id)
                self._unseat(flight_id, flight)
                flight.worker = None
            else:
                verdicts[flight_id] = verdict
                self._forget(flight_id, flight)
        self._waiting.extendleft(reversed(again))
        return again, verdicts

    def _verdict(self, flight: _Flight, *, alone: bool) -> LossReason | None:
        if flight.stopping:
            return LossReason.STOPPED
        if not flight.repeatable:
            return LossReason.UNKNOWN
        if alone and flight.deaths >= POISON_DEATHS:
            return LossReason.POISON
        return LossReason.WORN_OUT if flight.runs >= MOST_RUNS + flight.deaths else None
