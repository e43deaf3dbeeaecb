"""Work beside the event loop that leaves the interpreter's lock to it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

SLICE = 0.002  # seconds of work between two pauses
PAUSE = 0.001
_EVERY = 16  # items between two looks at the clock


class Superseded(Exception):
    """Nobody wants the result any more."""


class Pace:
    """Called between small steps of work: pauses now and then, and ends work that was superseded."""

    def __init__(self) -> None:
        self.stopped = False
        self._until = time.perf_counter() + SLICE

    def __call__(self) -> None:
        """Raises Superseded."""
        if self.stopped:
            raise Superseded
        if time.perf_counter() > self._until:
            # The switch interval alone would let the loop wait 5 ms for each time it needs the lock.
            time.sleep(PAUSE)
            self._until = time.perf_counter() + SLICE

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The items, at this pace."""
        for number, item in enumerate(items):
            if not number % _EVERY:
                self()
            yield item


class Background:
    """Runs one piece of work at a time in a thread; a new one supersedes the one before it.

    Belongs to the thread of a running asyncio loop, in which results are handed over.
    """

    def __init__(self) -> None:
        self._pace: Pace | None = None

    def start(self, work: Callable[[Pace], T], done: Callable[[T], object], failed: Callable[[str], object]) -> None:
        """Call `done` with what `work` returns, or `failed` with what it raised in words; neither once superseded."""
        self.stop()
        pace = self._pace = Pace()
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def hand_over(call: Callable[[], object]) -> None:
            def in_loop() -> None:
                if not pace.stopped:
                    call()

            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(in_loop, context=context)

        def run() -> None:
            try:
                result = work(pace)
            except Superseded:
                return
            except Exception as error:  # noqa: BLE001 - a pane must not wait for ever for what has failed
                said = f"{type(error).__name__}: {error}"
                hand_over(lambda: failed(said))
                return
            hand_over(lambda: done(result))

        threading.Thread(target=run, name="background", daemon=True).start()

    def stop(self) -> None:
        """Drop the work that is under way, and its result."""
        if self._pace is not None:
            self._pace.stopped = True
            self._pace = None


def at_once() -> Pace:
    """A pace for work so small that it is done where it is asked for."""
    return _Unpaced()


class _Unpaced(Pace):
    def __call__(self) -> None:
        pass
