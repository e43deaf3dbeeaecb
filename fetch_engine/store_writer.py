"""Writes one run into the store as it goes: from a thread of its own, in batches, never in the event loop's way."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fetch_engine.requests import FetchRequest
from fetch_engine.store_file import RunLocks, connect, patiently
from fetch_engine.store_place import DamagedStore, StoreError, describe, identity, is_damage, set_aside
from fetch_engine.store_pruning import Bounds, Pruning
from fetch_engine.store_session import Batch, Op, RunToWrite, StoreSession
from fetch_engine.store_values import Outcome, StoredRequest, numbered

BATCH = 500  # records in a transaction
EVERY = 0.2  # seconds from one transaction to the next, unless there is a whole batch
ROOM_RECORDS = 4000  # records that may wait before `has_room` says no
ROOM_BYTES = 32 * 1024 * 1024  # and bytes of bodies


class RunWriter:
    """One run of one program. Its methods return at once and may be called from any thread; nothing is raised.

    on_problem: called once, in the writer's thread, with a sentence, when nothing is stored any more: a full disk, a
    file that is locked or newer, or was damaged while it was written. Fetching goes on. on_notice: told that a damaged
    file was set aside, where it is, and that a new one was begun. Who hands in requests looks at `has_room` before it
    takes more of them, so that no more waits here than memory is meant for.
    """

    def __init__(
        self,
        path: Path,
        what: RunToWrite,
        *,
        locks: RunLocks,
        on_problem: Callable[[str], None],
        on_notice: Callable[[str], None] = lambda _: None,
        with_secrets: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        self._path = path
        self._what = what
        self._locks = locks
        self._on_problem = on_problem
        self._on_notice = on_notice
        self._with_secrets = with_secrets
        self._bounds = bounds or Bounds()
        self._state = threading.Condition()  # reentrant
        self._ops: deque[tuple[int, Op]] = deque()
        self._first = 0  # of them, those from before the start
        self._popped: Batch = []  # those, while they are being written
        self._records = 0
        self._bytes = 0
        self._next_number = what.first_number
        self._closing = False
        self._complete = False
        self._inputs = len(what.inputs)
        self.run: int | None = what.run
        self.problem: str | None = None
        self.notice: str | None = None
        self._file: tuple[int, int] | None = None
        # A daemon: a disk that hangs must not keep the program from its end.
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)

    def start(self) -> None:
        """Open the file, in the thread, and begin the run with what was handed in by now."""
        self._first = len(self._ops)
        self._thread.start()

    @property
    def has_room(self) -> bool:
        """Whether more may be handed in."""
        return self._records < ROOM_RECORDS and self._bytes < ROOM_BYTES

    def requested(self, request: FetchRequest, *, input: int | None = None) -> StoredRequest:
        """A request was made; gives it with its number. input: the list it was read from."""
        with self._state:
            number = self._next_number
            self._next_number += 1
            stored = numbered(request, number)
            self._put(lambda session: session.request(stored, input))
        return stored

    def finished(self, number: int, fetch: int, outcome: Outcome, at: float, notes: Sequence[str] = ()) -> None:
        """The request of this number has come to an end.

        fetch: its id in the engine. at: time.time(). notes: what was odd about it.
        """
        weight = len(getattr(outcome, "preview", b""))
        with self._state:
            self._put(lambda session: session.result(number, fetch, outcome, at, notes), weight)

    def withdrawn(self, numbers: Iterable[int]) -> None:
        """These requests are not wanted any more, and never ran."""
        all_of_them = tuple(numbers)
        if all_of_them:
            with self._state:
                self._put(lambda session: session.withdraw(all_of_them))

    def added_input(self, source: dict[str, Any], template: FetchRequest) -> int:
        """The run has one more list of URLs, which are made into requests like `template`; gives its index."""
        with self._state:
            self._put(lambda session: session.add_input(source, template))
            self._inputs += 1
            return self._inputs - 1

    def ended_input(self, index: int) -> None:
        """Nothing more of this list is wanted."""
        with self._state:
            self._put(lambda session: session.end_input(index))

    def close(self, *, complete: bool, limit: float = 5.0) -> bool:
        """Write what is left and mark the run as ended. False if that took more than `limit` seconds.

        complete: nothing is left to be done.
        """
        with self._state:
            self._complete = complete
            self._closing = True
            self._state.notify()
        self._thread.join(limit)
        return not self._thread.is_alive()

    def _put(self, op: Op, weight: int = 0) -> None:
        if self.problem is not None:
            return
        self._ops.append((weight, op))
        self._records += 1
        self._bytes += weight
        if self._records in (1, BATCH):
            self._state.notify()

    # in the thread

    def _work(self) -> None:
        try:
            try:
                self._open_and_write()
            except (DamagedStore, sqlite3.Error) as error:
                if not is_damage(error):
                    raise
                self._replace(error)
                self._open_and_write()
        except StoreError as error:
            self._give_up(str(error))
        except (OSError, sqlite3.Error) as error:
            self._give_up(describe(self._path, error))
        except Exception as error:  # noqa: BLE001 - a bug of ours ends the history, not the fetches
            self._give_up(f"internal error: {error!r}")

    def _open_and_write(self) -> None:
        self._file = identity(self._path)
        with contextlib.closing(connect(self._path)) as database:
            self._file = identity(self._path)
            self._write_all(database)

    def _replace(self, error: Exception) -> None:
        """Set the damaged file aside, to go on with a new one. Raises StoreError where something is in it already."""
        aside = set_aside(self._path, self._file)
        kept = "" if aside is None else f"; it is kept as {aside}"
        reason = str(error) if isinstance(error, StoreError) else describe(self._path, error)
        if self.run is not None:
            raise StoreError(f"{reason}{kept}") from None
        self._locks.renew()
        self.notice = f"{reason}{kept}, and a new store was begun"
        self._on_notice(self.notice)

    def _give_up(self, problem: str) -> None:
        with self._state:
            self.problem = problem
            self._ops.clear()
            self._records = self._bytes = 0
        self._on_problem(problem)

    def _write_all(self, database: sqlite3.Connection) -> None:
        # What was handed in before the start is in the run from its first instant.
        if not self._popped:
            self._popped = self._pop(self._first)
        first = self._popped
        session = patiently(lambda: StoreSession.begin(database, self._what, self._locks, self._with_secrets, first))
        self._popped = []
        self._written(first)
        self.run = session.run
        pruning = Pruning(database, self._path, self._bounds, self._locks, session.run)
        while True:
            batch = self._take(None if pruning.idle else 0.05)
            if batch:
                patiently(lambda batch=batch: session.write(batch))  # type: ignore[misc]
                self._written(batch)
                pruning.grown(len(batch))
            elif self._closing:
                break
            pruning.step()
        patiently(lambda: session.end(complete=self._complete))

    def _written(self, batch: Batch) -> None:
        with self._state:
            self._records -= len(batch)
            self._bytes -= sum(weight for weight, _ in batch)

    def _pop(self, count: int) -> Batch:
        with self._state:
            return [self._ops.popleft() for _ in range(count)]

    def _take(self, limit: float | None) -> Batch:
        """The next batch, as soon as it is worth a transaction; empty when closing, or after `limit` seconds."""
        with self._state:
            self._state.wait_for(lambda: self._ops or self._closing, limit)
            if self._ops and not self._closing:
                self._state.wait_for(lambda: len(self._ops) >= BATCH or self._closing, EVERY)
            return self._pop(min(BATCH, len(self._ops)))
