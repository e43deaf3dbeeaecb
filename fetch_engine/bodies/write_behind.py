"""Pieces of long bodies that threads work on while the loop goes on receiving."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import anyio

from fetch_engine.model.limits import KIB
from fetch_engine.model.loop_waker import waker

BLOCK = 512 * KIB  # bytes handed over at a time, at least
AHEAD = 4 * BLOCK  # bytes of one body that may be received while a thread is busy with those before them
MOST_AHEAD = 64 * BLOCK  # bytes of all bodies that threads may be busy with; past it nothing is received ahead
_KEPT_BY_MALLOC = 16 * 1024 * KIB

Work = Callable[[Sequence[bytes]], None]


class WorkerThreads:
    """So many threads for one kind of work, started when there is some. busy_with: bytes."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self.busy_with = 0

    def start(self, work: Work, pieces: Sequence[bytes], size: int) -> Future[None]:
        """Have it done; may be called from any thread."""
        with self._lock:
            self.busy_with += size
            if self._executor is None:
                _keep_freed_memory()
                self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)
        return self._executor.submit(self._run, work, pieces, size)

    def _run(self, work: Work, pieces: Sequence[bytes], size: int) -> None:
        try:
            work(pieces)
        finally:
            with self._lock:
                self.busy_with -= size


class WriteBehind:
    """The pieces of one body in their order: one block is worked on at a time, the next one gathers meanwhile."""

    __slots__ = ("_crew", "_job", "_pieces", "size")

    def __init__(self, crew: WorkerThreads) -> None:
        self._crew = crew
        self._pieces: list[bytes] = []
        self._job: Future[None] | None = None
        self.size = 0  # bytes that wait

    def add(self, data: bytes) -> None:
        """Bytes for the next block."""
        self._pieces.append(data)
        self.size += len(data)

    @property
    def is_free(self) -> bool:
        """Whether nothing is being worked on."""
        return self._job is None or self._job.done()

    @property
    def is_due(self) -> bool:
        """Whether enough waits for a thread, or too much for one that is busy."""
        if self.size < BLOCK:
            return False
        return self.is_free or self.size >= AHEAD or self._crew.busy_with > MOST_AHEAD

    def take(self) -> list[bytes]:
        """What waits, which then does so no longer."""
        pieces, self._pieces, self.size = self._pieces, [], 0
        return pieces

    def hand_over(self, work: Work) -> None:
        """Begin with what waits; only after `settle`."""
        size = self.size
        self._job = self._crew.start(work, self.take(), size)

    async def settle(self) -> OSError | None:
        """Wait for what is worked on; returns what the disk had against it. Nothing is lost by a cancellation."""
        if self._job is None:
            return None
        if not self._job.done():
            event = anyio.Event()
            wake = waker(event.set)

            def ended(_: Future[None]) -> None:
                with contextlib.suppress(RuntimeError):  # nobody waits any more, and the loop is closed
                    wake()

            self._job.add_done_callback(ended)
            await event.wait()
        job, self._job = self._job, None
        error = job.exception()  # not raised here: with this frame it would be part of a cycle
        if error is None or isinstance(error, OSError):
            return error
        raise error


def _keep_freed_memory() -> None:
    """Have glibc keep memory that is freed rather than give it back and take it again page by page.

    Once a block of this size has been freed, smaller ones come from the heap, and twice as much of it is kept
    (mallopt(3), M_MMAP_THRESHOLD). Measured, a body of a GiB costs up to 400,000 page faults and a second of CPU less.
    """
    bytes(_KEPT_BY_MALLOC)
