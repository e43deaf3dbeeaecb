"""Look-ups of names: in threads of their own, shared by all who ask for one name at a time, bounded in number.

A look-up cannot be ended: who waits for it may go, and its thread stays until the system's resolver gives up. So there
is a bound on those that somebody waits for, and a wider one on all, those that nobody waits for any more among them: a
name server that hangs holds up its own names, and threads do not grow with the fetches that were dropped meanwhile.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

import anyio

from fetch_engine.model.loop_waker import waker

MOST_LOOKUPS = 32  # that are waited for
WITH_ABANDONED = 4  # times as many threads in all

Resolve = Callable[[str, int], list[str]]
Name = tuple[str, int]


class _Lookup:
    __slots__ = ("addresses", "error", "name", "resolve", "running", "waiters")

    def __init__(self, name: Name, resolve: Resolve) -> None:
        self.name = name
        self.resolve = resolve
        self.running = False
        self.waiters: dict[anyio.Event, Callable[[], None]] = {}  # with what wakes each, from any thread
        self.addresses: list[str] | None = None
        self.error: Exception | None = None

    def answer(self) -> list[str]:
        if self.error is not None:
            raise type(self.error)(*self.error.args)  # a new one for each: an exception refers to frames
        return list(self.addresses or ())


class Lookups:
    """The look-ups of a process, for any event loop in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lookups: dict[Name, _Lookup] = {}
        self._queue: OrderedDict[_Lookup, None] = OrderedDict()
        self.running = 0  # threads
        self.wanted = 0  # of them, those whose answer somebody waits for

    async def look_up(self, host: str, family: int, resolve: Resolve, most: int = MOST_LOOKUPS) -> list[str]:
        """The addresses that `resolve(host, family)` gives, in a thread; raises what it raises.

        most: of those that are waited for, at a time; further ones wait for their turn.
        """
        event = anyio.Event()
        wake = waker(event.set)
        with self._lock:
            lookup = self._lookups.get((host, family))
            if lookup is None:
                lookup = self._lookups[host, family] = _Lookup((host, family), resolve)
                self._queue[lookup] = None
            elif lookup.running and not lookup.waiters:
                self.wanted += 1
            lookup.waiters[event] = wake
        self._start(most)
        try:
            await event.wait()
        finally:
            self._leave(lookup, event, most)
        return lookup.answer()

    def _leave(self, lookup: _Lookup, event: anyio.Event, most: int) -> None:
        with self._lock:
            if lookup.waiters.pop(event, None) is None or lookup.waiters:
                return  # it has ended, or others wait for it
            if lookup.running:
                self.wanted -= 1
            else:
                self._queue.pop(lookup, None)
                self._lookups.pop(lookup.name, None)
        self._start(most)

    def _start(self, most: int) -> None:
        while True:
            with self._lock:
                if not self._queue or self.wanted >= most or self.running >= WITH_ABANDONED * most:
                    return
                lookup, _ = self._queue.popitem(last=False)
                lookup.running = True
                self.running += 1
                self.wanted += 1
            try:
                _thread.start_new_thread(self._run, (lookup, most))  # whose start is not waited for
            except RuntimeError:
                self._end(lookup, None, OSError(errno.EAGAIN, "no thread can be started"))

    def _run(self, lookup: _Lookup, most: int) -> None:
        addresses: list[str] | None = None
        error: Exception | None = None
        try:
            addresses = lookup.resolve(*lookup.name)
        except Exception as caught:  # noqa: BLE001 - whatever it is, those who asked get it
            error = caught.with_traceback(None)
        self._end(lookup, addresses, error)
        self._start(most)

    def _end(self, lookup: _Lookup, addresses: list[str] | None, error: Exception | None) -> None:
        with self._lock:
            lookup.addresses, lookup.error = addresses, error
            self.running -= 1
            self.wanted -= bool(lookup.waiters)
            if self._lookups.get(lookup.name) is lookup:
                del self._lookups[lookup.name]
            wakes = list(lookup.waiters.values())
            lookup.waiters.clear()
        for wake in wakes:
            with contextlib.suppress(RuntimeError):  # its loop was closed
                wake()


LOOKUPS = Lookups()

os.register_at_fork(after_in_child=LOOKUPS.__init__)  # type: ignore[misc]  # the threads are the parent's
