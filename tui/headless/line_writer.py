"""Writes lines to a descriptor without ever blocking the event loop, whatever its reader does."""

from __future__ import annotations

import math
import os
import select
import threading
from collections import deque
from collections.abc import Callable

import anyio

from fetch_engine.model.loop_waker import waker
from tui.run.delivery import OutputFailed

ROOM = 256 * 1024  # bytes that may wait
PIECE = 4096  # up to PIPE_BUF bytes reach a pipe whole or not at all, so that a forced end leaves no half line


class LineWriter:
    """A thread that writes what is put, at once and in order; at most ROOM bytes and a line wait for it.

    The thread is a daemon: if the reader never reads again, the program can end all the same. Open it inside the event
    loop whose tasks call it. on_written: called in the thread after each write, with how many lines have been written
    by now, and how many bytes this time. held: lines wait until `allow` lets them go.
    """

    def __init__(
        self, descriptor: int, on_written: Callable[[int, int], object] = lambda _, __: None, *, held: bool = False
    ) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._waiting = 0  # bytes in `_lines` and in the piece being written
        self._written = 0
        self._on_written = on_written
        self._taken = 0  # lines that were written, or are being
        self._allowed: float = 0 if held else math.inf
        self._closed = False
        self._failure: tuple[int, str] | None = None
        self._state = threading.Condition()
        self._progress: anyio.Event | None = None  # while somebody waits for it: waking the loop costs more than a line
        self._failed = anyio.Event()
        self._wake = waker(self._report)
        threading.Thread(target=self._run, name="line writer", daemon=True).start()

    async def put(self, line: bytes) -> None:
        """Queue the line, then wait until there is room for another. Raises OutputFailed."""
        self.put_nowait(line)
        while self._waiting > ROOM:
            await self._next_progress(ROOM)
        self._check()

    def put_nowait(self, line: bytes) -> None:
        """Queue the line, whether there is room or not; after a failure it is lost."""
        with self._state:
            if self._failure is None and line:
                self._lines.append(line)
                self._waiting += len(line)
                self._state.notify()

    def allow(self, lines: int) -> None:
        """So many lines may be written by now, from the first on. Any thread."""
        with self._state:
            self._allowed = max(self._allowed, lines)
            self._state.notify()

    async def drain(self, patience: float | None = None) -> None:
        """Wait until all is written. Raises OutputFailed, also if nothing moved for `patience` seconds: then what waits
        is not written any more."""
        while self._waiting:
            written = self._written
            deadline = float("inf") if patience is None else anyio.current_time() + patience
            with anyio.CancelScope(deadline=deadline) as scope:
                await self._next_progress(0)
            if scope.cancelled_caught and written == self._written:
                self._forget()
                raise OutputFailed(0, "its reader does not read")
        self._check()

    @property
    def is_broken(self) -> bool:
        """Whether writing has failed."""
        return self._failure is not None

    async def failed(self) -> None:
        """Wait until writing has failed."""
        await self._failed.wait()

    def _forget(self) -> None:
        with self._state:
            self._waiting -= sum(map(len, self._lines))
            self._lines.clear()

    def close(self) -> None:
        """End the thread when all is written that may be."""
        with self._state:
            self._closed = True
            self._state.notify()

    async def _next_progress(self, enough: int) -> None:
        """Wait until something is written, or writing fails; not at all where no more than `enough` bytes wait."""
        progress = self._progress = self._progress or anyio.Event()
        if self._waiting > enough:  # looked at after that: a piece that is not yet counted here will be told of
            await progress.wait()

    def _check(self) -> None:
        if self._failure is not None:
            raise OutputFailed(*self._failure)

    def _report(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.set()
        if self._failure is not None:
            self._failed.set()

    def _run(self) -> None:
        while piece := self._next_piece():
            try:
                self._write(piece)
            except OSError as error:
                with self._state:
                    self._failure = (error.errno or 0, error.strerror or str(error))
                    self._lines.clear()
                    self._waiting = 0
            else:
                with self._state:
                    self._waiting -= len(piece)
                    self._written += len(piece)
                self._on_written(self._taken, len(piece))
            if self._progress is None and self._failure is None:
                continue
            try:
                self._wake()
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _next_piece(self) -> bytes:
        with self._state:
            while not (self._lines and self._taken < self._allowed):
                if self._closed:
                    return b""
                self._state.wait()
            piece = [self._lines.popleft()]
            size = len(piece[0])
            most = self._allowed - self._taken
            while self._lines and len(piece) < most and size + len(self._lines[0]) <= PIECE:
                piece.append(self._lines.popleft())
                size += len(piece[-1])
            self._taken += len(piece)
            return b"".join(piece)

    def _write(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # non-blocking as we inherited it
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
