"""Writing to a terminal without ever waiting for it."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

STALLED = 0.3  # seconds without room for one byte after which a stop no longer waits
STOP_LIMIT = 2.0  # seconds a stop waits for a terminal that takes something now and then
_CHUNK = 16384


def _own_description(fd: int) -> tuple[int, bool]:
    """A second opening of the terminal behind `fd`: non-blocking there must not make the shell's non-blocking too."""
    try:
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC), True
    except OSError:  # no tty, or none with a name in this container
        return os.dup(fd), False


class TtyWriter(threading.Thread):
    """Takes text from any thread and writes it to the terminal behind `fd` as fast as that takes it.

    What there is room for at once is written by who calls: a thread that has to be woken first comes late in a busy
    program. `on_hang_up` is called once, in this thread, when the terminal is gone. Nothing here bounds the queue: who
    writes looks at `pending` (bytes not yet taken) and leaves out what can wait.
    """

    def __init__(self, fd: int, on_hang_up: Callable[[], None]) -> None:
        super().__init__(name="tty-writer", daemon=True)
        self._tty, self._own = _own_description(fd)
        self._on_hang_up = on_hang_up
        self._lock = threading.Lock()
        self._queue: deque[bytes] = deque()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
        self._finished = False  # the descriptors are closed
        self.pending = 0
        self.written = 0

    def write(self, text: str) -> None:
        """Queue text; dropped when the terminal is gone or the writer was stopped."""
        data = text.encode("utf-8", "replace")
        with self._lock:
            if not data or self._stopping or self._finished:
                return
            if not self.pending and self._own:
                data = self._write_now(data)
            if data:
                self._queue.append(data)
                self.pending += len(data)
                self._wake()

    def stop(self) -> None:
        """Write what is queued, as long as the terminal takes it, and end. Returns within STOP_LIMIT."""
        with self._lock:
            self._stopping = True
            if not self._finished:
                self._wake()
        if self.is_alive():
            # a terminal opened by somebody else may block inside write(); the thread is a daemon then
            self.join(STOP_LIMIT + STALLED)

    def _write_now(self, data: bytes) -> bytes:
        try:
            count = os.write(self._tty, data[:_CHUNK])
        except OSError:  # it is full; or gone, which the thread will notice
            return data
        self.written += count
        return data[count:]

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # it is full of wake-ups
            os.write(self._wake_write, b"\0")

    def run(self) -> None:
        gone = False
        try:
            self._pump()
        except OSError:
            gone = True
        finally:
            with self._lock:
                self._finished = True
                self._queue.clear()
                self.pending = 0
                for fd in (self._tty, self._wake_read, self._wake_write):
                    os.close(fd)
        if gone:
            self._on_hang_up()

    def _pump(self) -> None:
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        poller.register(self._tty, 0)  # hanging up is reported even so
        data = b""
        stop_at = moved_at = 0.0
        while True:
            if not data:
                data = self._take()
            wait: float | None = None
            if self._stopping:
                if not data:
                    return
                now = time.monotonic()
                stop_at = stop_at or now + STOP_LIMIT
                moved_at = moved_at or now
                wait = min(stop_at, moved_at + STALLED) - now
                if wait <= 0:
                    return
            poller.modify(self._tty, select.POLLOUT if data else 0)
            for fd, event in poller.poll(None if wait is None else wait * 1000):
                if fd == self._wake_read:
                    os.read(self._wake_read, 4096)
                elif event & (select.POLLHUP | select.POLLERR):
                    raise OSError("the terminal is gone")
                elif data:
                    data = self._write_some(data)
                    moved_at = time.monotonic()

    def _take(self) -> bytes:
        with self._lock:
            data = b"".join(self._queue)
            self._queue.clear()
            return data

    def _write_some(self, data: bytes) -> bytes:
        try:
            count = os.write(self._tty, data[:_CHUNK])
        except BlockingIOError:
            return data
        with self._lock:
            self.pending -= count
            self.written += count
        return data[count:]
