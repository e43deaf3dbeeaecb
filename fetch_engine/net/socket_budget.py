"""A bound on open sockets, so that few descriptors mean slower fetches and not failed ones."""

from __future__ import annotations

import errno
import os
import resource
from collections import deque
from collections.abc import Callable

import anyio

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
_RECHECK = 0.05


class DescriptorBudget:
    """Counts open sockets up to `limit`. Who wants one more has the longest-idle connection closed, else waits.

    `evict` closes one idle connection and says whether there was one. `headroom` is how many descriptors are left
    to name look-ups and to the rest of the process.
    """

    def __init__(self, limit: int, headroom: int, evict: Callable[[], bool]) -> None:
        self.limit = limit
        self.headroom = headroom
        self.used = 0
        self.shortages = 0  # how often the kernel had none left
        self._evict = evict
        self._waiting: deque[anyio.Event] = deque()

    @property
    def contended(self) -> bool:
        """Whether somebody waits for a socket."""
        return bool(self._waiting)

    def try_take(self) -> bool:
        """Count one more socket if the budget, perhaps after an eviction, has room."""
        if self.used >= self.limit and not self._evict():
            return False
        self.used += 1
        return True

    def release(self) -> None:
        """One socket fewer."""
        self.used -= 1
        self.wake()

    def wake(self) -> None:
        """Let the longest-waiting one look again."""
        if self._waiting:
            self._waiting.popleft().set()

    async def wait(self, *, again: bool) -> None:
        """Until a socket may be free; the caller then looks for itself. `again` keeps its place in the line."""
        event = anyio.Event()
        if again:
            self._waiting.appendleft(event)
        else:
            self._waiting.append(event)
        try:
            await event.wait()
        except BaseException:
            if event.is_set():
                self.wake()
            else:
                self._waiting.remove(event)
            raise

    async def wait_for_descriptor(self) -> None:
        """The kernel had none although the budget had: give back an idle one, or wait until one may be free."""
        self.shortages += 1
        if not self._evict():
            # Not only our own sockets count, so nobody can tell us.
            await anyio.sleep(_RECHECK)


def descriptor_limits() -> tuple[int, int]:
    """How many sockets may be open, and how many descriptors stay free beside them (RLIMIT_NOFILE, soft)."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        soft = 1 << 20
    headroom = min(max(soft // 8, 16), 128)
    return max(1, soft - _open_descriptors() - headroom), headroom


def pool_timeout(seconds: float | None) -> AttemptFailed:
    """What to raise when no socket became free in time."""
    return AttemptFailed(ErrorKind.TIMEOUT_POOL, f"no connection became free for {seconds:g} s", unsent=True)


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return 32
