"""The hashes of a body: of a long one in a thread beside the event loop, which goes on receiving meanwhile.

OpenSSL lets go of the interpreter's lock while it hashes. Measured, SHA-256 of a GiB takes more CPU than receiving it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from anyio import to_thread

from fetch_engine.limits import KIB

if TYPE_CHECKING:
    from hashlib import _Hash

LONG = 1024 * KIB  # bytes from which on a thread is worth its while
BATCH = 256 * KIB  # bytes handed over at a time, at least
BACKLOG = 8 * 1024 * KIB  # bytes of all bodies that may wait for the thread


class Hashes:
    """SHA-256, and one more if `algorithm` names another. Await `settle` whenever `is_due`, and `finish` at the end."""

    __slots__ = ("_given", "_pending", "_pieces", "_size", "all", "checked", "sha256")

    def __init__(self, algorithm: str = "sha256") -> None:
        self.sha256 = self.checked = hashlib.sha256()
        self.all: tuple[_Hash, ...] = (self.sha256,)
        if algorithm != "sha256":
            self.checked = hashlib.new(algorithm, usedforsecurity=False)
            self.all = self.sha256, self.checked
        self._size = 0
        self._pieces: list[bytes] = []
        self._pending = 0
        self._given: deque[Future[None]] | None = None

    def update(self, data: bytes) -> None:
        """Add bytes."""
        if self._size < LONG:
            self._size += len(data)
            for each in self.all:
                each.update(data)
            return
        self._pieces.append(data)
        self._pending += len(data)
        if self._pending >= BATCH:
            self._hand_over()

    @property
    def is_due(self) -> bool:
        """Whether the thread is too far behind."""
        return bool(self._given) and _THREAD.backlog > BACKLOG

    async def settle(self) -> None:
        """Let the thread catch up."""
        while self._given and _THREAD.backlog > BACKLOG:
            await _done(self._given.popleft())

    async def finish(self) -> None:
        """Wait for everything; from then on the digests are those of all that was added."""
        if self._pieces:
            self._hand_over()
        while self._given:
            await _done(self._given.popleft())

    def _hand_over(self) -> None:
        if self._given is None:
            self._given = deque()
        while self._given and self._given[0].done():
            self._given.popleft().result()
        self._given.append(_THREAD.hash(self.all, self._pieces, self._pending))
        self._pieces, self._pending = [], 0


class _Thread:
    """One for all bodies, as it hashes faster than one loop receives; started for the first long one."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self.backlog = 0  # bytes

    def hash(self, hashes: Sequence[_Hash], pieces: Sequence[bytes], size: int) -> Future[None]:
        """Feed the pieces to each, after all that was given before."""
        with self._lock:
            self.backlog += size
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="hashing")
        return self._executor.submit(self._hash, hashes, pieces, size)

    def _hash(self, hashes: Sequence[_Hash], pieces: Sequence[bytes], size: int) -> None:
        for piece in pieces:
            for each in hashes:
                each.update(piece)
        with self._lock:
            self.backlog -= size


_THREAD = _Thread()


async def _done(future: Future[None]) -> None:
    if not future.done():
        await to_thread.run_sync(future.result, abandon_on_cancel=True)
