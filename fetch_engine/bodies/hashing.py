"""The hashes of a body: of a long one in a thread beside the event loop, which goes on receiving meanwhile.

OpenSSL lets go of the interpreter's lock while it hashes. Measured, SHA-256 of a GiB takes more CPU than receiving it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fetch_engine.bodies.write_behind import WorkerThreads, WriteBehind
from fetch_engine.model.limits import KIB

if TYPE_CHECKING:
    from hashlib import _Hash

LONG = 1024 * KIB  # bytes from which on a thread is worth its while
_CREW = WorkerThreads("hashing", 1)  # for all bodies, as it hashes faster than one loop receives


class Hashes:
    """SHA-256, and one more if `algorithm` names another. Await `flush` whenever `is_due`, and `finish` at the end."""

    __slots__ = ("_behind", "_size", "all", "checked", "sha256")

    def __init__(self, algorithm: str = "sha256") -> None:
        self.sha256 = self.checked = hashlib.sha256()
        self.all: tuple[_Hash, ...] = (self.sha256,)
        if algorithm != "sha256":
            self.checked = hashlib.new(algorithm, usedforsecurity=False)
            self.all = self.sha256, self.checked
        self._size = 0
        self._behind: WriteBehind | None = None

    def update(self, data: bytes) -> None:
        """Add bytes."""
        if self._behind is not None:
            self._behind.add(data)
            return
        for each in self.all:
            each.update(data)
        self._size += len(data)
        if self._size >= LONG:
            self._behind = WriteBehind(_CREW)

    @property
    def is_due(self) -> bool:
        """Whether `flush` is to be awaited before more is added."""
        return self._behind is not None and self._behind.is_due

    async def flush(self) -> None:
        """Let the thread have what waits, once it is done with what came before."""
        if self._behind is not None:
            await self._behind.settle()
            if self._behind.size:
                self._behind.hand_over(self._hash)

    async def finish(self) -> None:
        """Wait for everything; from then on the digests are those of all that was added."""
        if self._behind is not None:
            await self.flush()
            await self._behind.settle()

    def _hash(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            for each in self.all:
                each.update(piece)
