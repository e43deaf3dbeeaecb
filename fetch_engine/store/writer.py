"""Writes one run into the store as it goes: from a thread of its own, in batches, never in the event loop's way."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fetch_engine.model.requests import FetchRequest
from fetch_engine.store.file import RunLocks, connect, patiently
from fetch_engine.store.place import DamagedStore, StoreError, describe, identity, is_damage, set_aside
from fetch_engine.store.pruning import Bounds, Pruning
from fetch_engine.store.session import Batch, Op, RunToWrite, StoreSession
from fetch_engine.store.values import Outcome, StoredRequest, numbered

BATCH = 500  # records in a transaction
EVERY = 0.2  # seconds from one transaction to the next, unless there is a whole batch
NO_MORE = 1 << 62  # places that are "on the disk" when nothing is written any more
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
        self._next_place = what.first_place
        self._handed = self._taken = 0  # records, those that were written before among them
        self._sent: deque[tuple[int, Callable[[], object]]] = deque()  # to be called when so many are written
        self._urgent = False
        self._delivery: tuple[int, int] = (0, what.sitting.end)
        self._is_delivery_new = False
        self._saved = what.first_place
        self._on_saved: Callable[[int], object] = lambda _: None
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
            place = self._next_place
            self._next_place += 1
            self._put(lambda session: session.result(place, number, fetch, outcome, at, notes), weight)

    def sent(self, number: int, noted: Callable[[], object]) -> None:
        """This request is about to be sent, and must not be sent twice. noted: called once, in any thread, when that is
        on the disk, or nothing is written any more."""
        with self._state:
            if self.problem is None:
                self._put(lambda session: session.sent(number))
                self._sent.append((self._handed, noted))
                self._urgent = True
                self._state.notify()
                return
        noted()

    def delivered(self, written: int, end: int) -> None:
        """So many lines of results have been written out; `end` as in `Sitting`. Costs next to nothing."""
        self._delivery = (written, end)
        if not self._is_delivery_new:
            with self._state:
                self._is_delivery_new = True
                self._state.notify()

    def tell_saved(self, listener: Callable[[int], object]) -> None:
        """Have somebody told, in the writer's thread, how many places of results are on the disk, or NO_MORE when
        nothing is written any more; at once how many are now."""
        self._on_saved = listener
        listener(self._saved)

    def settle(self, limit: float) -> None:
        """Wait until what was handed in by now is on the disk, or nothing is written any more; for so many seconds."""
        self.hurry()
        places = self._next_place
        with self._state:
            self._state.wait_for(lambda: self._saved >= places, limit)

    def hurry(self) -> None:
        """Write what was handed in by now without waiting for more."""
        with self._state:
            self._urgent = True
            self._state.notify()

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

    def note_input(self, index: int, facts: dict[str, Any]) -> None:
        """Keep this of a list of URLs. count: how many it has in all. ended: nothing more of it is wanted."""
        with self._state:
            self._put(lambda session: session.note_input(index, facts))

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
        self._handed += 1
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
            self._taken = self._handed
        self._on_problem(problem)
        self._tell(NO_MORE)

    def _write_all(self, database: sqlite3.Connection) -> None:
        # What was handed in before the start is in the run from its first instant.
        if not self._popped:
            self._popped = self._pop(self._first)
        if not (self._popped or self._what.inputs or self._what.run) and not self._is_asked_for():
            return
        first = self._popped
        session = patiently(lambda: StoreSession.begin(database, self._what, self._locks, self._with_secrets, first))
        self._popped = []
        self.run = session.run
        self._written(first)
        self._tell(session.places)
        pruning = Pruning(database, self._path, self._bounds, self._locks, session.run)
        while True:
            batch = self._take(None if pruning.idle else 0.05)
            if batch or self._is_delivery_new:
                self._write(database, session, batch)
                pruning.grown(len(batch))
            elif self._closing:
                break
            pruning.step()
        patiently(lambda: session.end(complete=self._complete))

    def _write(self, database: sqlite3.Connection, session: StoreSession, batch: Batch) -> None:
        """One transaction."""
        self._is_delivery_new = False  # before it is read: what comes meanwhile is for the next time
        delivery = self._delivery
        with self._state:
            is_sent = bool(self._sent) and self._sent[0][0] <= self._taken
        if is_sent:  # what must not be sent twice is to survive a crash of the machine
            database.execute("PRAGMA synchronous = FULL")
        patiently(lambda: session.write([*batch, (0, lambda session: session.deliver(*delivery))]))
        if is_sent:
            database.execute("PRAGMA synchronous = NORMAL")
        self._written(batch)
        self._tell(session.places)

    def _tell(self, saved: int) -> None:
        """Tell those who wait for it that so much is on the disk."""
        with self._state:
            self._saved = saved
            self._state.notify_all()
        self._on_saved(saved)
        while True:
            with self._state:
                if not self._sent or self._sent[0][0] > self._taken:
                    return
                _, noted = self._sent.popleft()
            noted()

    def _written(self, batch: Batch) -> None:
        with self._state:
            self._records -= len(batch)
            self._bytes -= sum(weight for weight, _ in batch)

    def _pop(self, count: int) -> Batch:
        with self._state:
            self._taken += count
            return [self._ops.popleft() for _ in range(count)]

    def _is_asked_for(self) -> bool:
        """Wait until something is; False where nothing ever was: a run of nothing is not kept."""
        with self._state:
            self._state.wait_for(lambda: self._ops or self._closing)
            return bool(self._ops)

    def _take(self, limit: float | None) -> Batch:
        """The next batch, as soon as it is worth a transaction; empty when closing, or after `limit` seconds."""
        with self._state:
            self._state.wait_for(lambda: self._ops or self._closing or self._is_delivery_new, limit)
            if (self._ops or self._is_delivery_new) and not self._closing:
                self._state.wait_for(lambda: len(self._ops) >= BATCH or self._closing or self._urgent, EVERY)
            self._urgent = self._urgent and len(self._ops) > BATCH
            return self._pop(min(BATCH, len(self._ops)))
