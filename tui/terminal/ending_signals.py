"""Signals that end the program, seen by a thread of their own: whatever the event loop does, or has stopped doing."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
PATIENCE = 2.0  # seconds from a signal until the event loop has taken it up
TAKE_DOWN = 8.0  # seconds from then on until the screen is down


class EndingSignals:
    """While entered (in the main thread), the first signal that asks for the end is handed to whoever takes it.

    Where the event loop does not take it within PATIENCE, or is not through within TAKE_DOWN, `emergency` is called
    with its number, in another thread, and the process exits with 128 + that number when it returns. A signal that
    comes meanwhile ends the process at once. The signals come by the descriptor that Python's own handler in C writes
    to, so that they are seen while the main thread is busy or blocked. number: of the first one, 0 without one.
    """

    def __init__(self, emergency: Callable[[int], object]) -> None:
        self.number = 0
        self._emergency = emergency
        self._taker: Callable[[int], object] | None = None
        self._is_meant: Callable[[int], bool] = lambda _: True
        self._deadline: float | None = None
        self._lock = threading.Lock()
        self._over = self._is_emergency = False
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> EndingSignals:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # Python writes the number only for signals that it has a handler for.
        self._before = [(number, signal.signal(number, _nothing)) for number in ENDING_SIGNALS]
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._over = True
        if self._is_emergency:
            threading.Event().wait()  # the other thread ends the process
        for number, handler in self._before:
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.write(self._write, b"\0")
        self._thread.join()
        os.close(self._read)
        os.close(self._write)

    def hand_to(self, take: Callable[[int], object], is_meant: Callable[[int], bool]) -> None:
        """From now on a signal calls `take`, in the watching thread. is_meant: whether one is for this program."""
        with self._lock:
            self._taker, self._is_meant = take, is_meant
            number = self.number
        if number:
            take(number)

    def taken(self) -> None:
        """Say that the signal was seen by whoever is to end things."""
        with self._lock:
            self._deadline = time.monotonic() + TAKE_DOWN

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while True:
            deadline = self._deadline
            # Looked at now and then too: `taken` moves it.
            poll.poll(None if deadline is None else max(0, min(deadline - time.monotonic(), 0.5)) * 1000)
            with suppress(BlockingIOError):
                for number in os.read(self._read, 512):
                    self._note(number)
            if self._over:
                return
            if self._deadline is not None and time.monotonic() >= self._deadline and self._begin_emergency():
                return

    def _note(self, number: int) -> None:
        if number not in ENDING_SIGNALS or self.number or not self._is_meant(number):
            return
        with self._lock:
            self.number = number
            self._deadline = time.monotonic() + PATIENCE
            take = self._taker
        if take is not None:
            take(number)

    def _begin_emergency(self) -> bool:
        with self._lock:
            if self._over:
                return False
            self._is_emergency = True
        threading.Thread(target=self._end_at_next, name="last-signal", daemon=True).start()
        try:
            self._emergency(self.number)
        finally:
            os._exit(128 + self.number)

    def _end_at_next(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while True:
            poll.poll()
            with suppress(BlockingIOError):
                if any(number in ENDING_SIGNALS for number in os.read(self._read, 512)):
                    os._exit(128 + self.number)


def _nothing(_number: int, _frame: object) -> None:
    """A handler in Python, so that the signal is noted at all."""
