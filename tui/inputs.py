"""Reads URL lists from files, pipes and terminals: as they come, in bounded memory, without blocking the event loop."""

from __future__ import annotations

import os
import select
import stat
from collections import deque
from collections.abc import AsyncIterator, Sequence

import anyio
import anyio.to_thread

CHUNK = 64 * 1024
MAX_LINE = 128 * 1024  # bytes; well above the longest URL that the engine takes
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\x0b\x0c"


class LineSplitter:
    """Cuts a stream of bytes into URLs: one a line, LF or CR LF, without blank lines and `#` comments.

    White space around a URL goes, and so does a byte order mark at the start. Bytes that are no UTF-8 become lone
    surrogates. Of a line above MAX_LINE bytes only the start is kept, with a space and an ellipsis: no URL any more,
    so that it fails as invalid instead of fetching something else.
    """

    def __init__(self) -> None:
        self._tail = bytearray()
        self._too_long = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """The URLs that this chunk completes."""
        first, *rest = chunk.split(b"\n")
        self._extend(first)
        if not rest:
            return []
        *whole, last = rest
        lines = [self._take(), *(self._text(line, too_long=len(line) > MAX_LINE) for line in whole)]
        self._extend(last)
        return [line for line in lines if line]

    def finish(self) -> list[str]:
        """The URL on a last line without an end."""
        line = self._take()
        return [line] if line else []

    def _extend(self, part: bytes) -> None:
        room = MAX_LINE - len(self._tail)
        self._tail += part[:room]
        self._too_long = self._too_long or len(part) > room

    def _take(self) -> str:
        line = self._text(bytes(self._tail), too_long=self._too_long)
        self._tail.clear()
        self._too_long = False
        return line

    def _text(self, line: bytes, *, too_long: bool) -> str:
        line = line[:MAX_LINE]
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        line = line.strip(_BLANK)
        if line.startswith(b"#"):
            return ""
        text = line.decode("utf-8", "surrogateescape")
        return f"{text} …" if too_long else text


class DescriptorLines:
    """An async iterator of the URLs that a descriptor brings; cancelling a wait loses nothing. Raises OSError."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._splitter = LineSplitter()
        self._ready: deque[str] = deque()
        self._at_end = False
        self._regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._pollable = not self._regular

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._ready:
            if self._at_end:
                raise StopAsyncIteration
            chunk = await self._read()
            self._at_end = not chunk
            self._ready += self._splitter.feed(chunk) if chunk else self._splitter.finish()
        return self._ready.popleft()

    async def _read(self) -> bytes:
        if self._regular:
            return await anyio.to_thread.run_sync(os.read, self._descriptor, CHUNK)
        while True:
            await self._wait()
            try:
                return os.read(self._descriptor, CHUNK)
            except BlockingIOError:  # non-blocking as we inherited it, and somebody else was quicker
                continue

    async def _wait(self) -> None:
        if self._pollable:
            try:
                await anyio.wait_readable(self._descriptor)
            except PermissionError:  # epoll refuses /dev/null and its like
                self._pollable = False
            else:
                return
        # Short waits in a thread: a cancelled one is over soon, so that no thread outlives the program's end.
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        while not await anyio.to_thread.run_sync(poll.poll, 200, abandon_on_cancel=True):
            pass


class UrlSource:
    """URLs given one by one, then those of each descriptor in turn: an async iterator.

    A descriptor that cannot be read ends the source; `error` says why. Reading starts with the first URL asked for.
    The source owns its descriptors, all but standard input, and closes each at its end.
    """

    def __init__(self, urls: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        self._urls = deque(urls)
        self._descriptors = deque(descriptors)
        self._lines: DescriptorLines | None = None
        self.error: str | None = None

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self._urls:
            return self._urls.popleft()
        while self._descriptors:
            if self._lines is None:
                self._lines = DescriptorLines(self._descriptors[0])
            try:
                return await anext(self._lines)
            except StopAsyncIteration:
                self._close_first()
            except OSError as error:
                self.error = error.strerror or str(error)
                self.close()
        raise StopAsyncIteration

    def close(self) -> None:
        """Give nothing any more."""
        self._urls.clear()
        while self._descriptors:
            self._close_first()

    def _close_first(self) -> None:
        self._lines = None
        descriptor = self._descriptors.popleft()
        if descriptor != 0:
            os.close(descriptor)


def open_input(name: str) -> int:
    """A descriptor to read the list `name` from; `-` is standard input. Raises OSError."""
    if name == "-":
        os.fstat(0)
        return 0
    descriptor = os.open(name, os.O_RDONLY)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(None, "it is a directory", name)
    return descriptor
