"""Reads URL lists from files, pipes, terminals and the web: in bounded memory, without blocking the event loop."""

from __future__ import annotations

import os
import select
import stat
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

import anyio
import anyio.to_thread

from tui.inputs.list_formats import ListReader, open_reader
from tui.inputs.list_length import count_urls
from tui.inputs.sitemap import index_of
from tui.inputs.unpacked import Bytes, UnpackedBytes

CHUNK = 64 * 1024
MOST_LISTS = 50_000  # that one list names: as many as a sitemap index may have
DEEPEST = 3  # lists that are named by lists that are named: a URL, an index there, its sitemaps


class ListFailed(Exception):
    """A list that cannot be fetched; says why."""


class FetchedBytes:
    """A list that was fetched, in pieces."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)

    async def read(self) -> bytes:
        piece, self._body = self._body[:CHUNK], self._body[CHUNK:]
        return bytes(piece)


class DescriptorBytes:
    """The bytes that a descriptor brings."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._pollable = not self._regular

    async def read(self) -> bytes:
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


class ListUrls:
    """An async iterator of the URLs of one list; `nested`: lists it has named so far. Raises OSError, ListFailed."""

    def __init__(self, source: Bytes, reader: ListReader, depth: int = 0) -> None:
        self._source = UnpackedBytes(source)
        self._reader = reader
        self._ready: deque[str] = deque()
        self._at_end = False
        self.depth = depth
        self.nested = reader.nested

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._ready:
            if self._reader.error is not None:
                raise ListFailed(self._reader.error)
            if self._at_end:
                raise StopAsyncIteration
            chunk = await self._source.read()
            self._at_end = not chunk
            self._ready += self._reader.feed(chunk) if chunk else self._reader.finish()
        return self._ready.popleft()


class UrlSource:
    """URLs given one by one, then those of each descriptor in turn and of the lists they name: an async iterator.

    form: of the lists, as `open_reader` takes it. fetch: gets a list from the web, whole; raises ListFailed.
    A list that cannot be read ends the source; `error` says why. Reading starts with the first URL asked for. The
    source owns its descriptors, all but standard input, and closes each at its end.
    """

    def __init__(
        self,
        urls: Iterable[str],
        descriptors: Sequence[int] = (),
        *,
        form: str = "auto",
        fetch: Callable[[str], Awaitable[bytes]] | None = None,
    ) -> None:
        self._urls = iter(urls)
        self._descriptors = deque(descriptors)
        self._form = form
        self._fetch = fetch
        self._lists: list[ListUrls] = []  # each named by the one before it
        self._named: set[str] = set()
        self.error: str | None = None

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        for url in self._urls:
            return url
        while self._descriptors:
            try:
                if not self._lists:
                    self._lists.append(ListUrls(DescriptorBytes(self._descriptors[0]), open_reader(self._form)))
                return await anext(self._lists[-1])
            except StopAsyncIteration:
                await self._go_on()
            except (OSError, ListFailed) as error:
                self._fail(getattr(error, "strerror", None) or str(error))
        raise StopAsyncIteration

    async def _go_on(self) -> None:
        """The innermost list is at its end: open the next one that is named, or leave this one."""
        innermost = self._lists[-1]
        if not innermost.nested:
            self._lists.pop()
            if not self._lists:
                self._close_first()
            return
        url = innermost.nested[0]
        try:
            if url not in self._named:
                await self._open_named(url, innermost.depth + 1)
        except ListFailed as failure:
            self._fail(f"{url}: {failure}")
        else:
            innermost.nested.popleft()

    async def _open_named(self, url: str, depth: int) -> None:
        if self._fetch is None or depth > DEEPEST or len(self._named) >= MOST_LISTS:
            raise ListFailed("too many lists within lists" if self._fetch else "lists on the web are not fetched here")
        body = await self._fetch(url)
        self._named.add(url)
        self._lists.append(ListUrls(FetchedBytes(body), open_reader("auto"), depth))

    def count(self, tell: Callable[[int], object]) -> None:
        """Tell how many URLs it is going to give, at once or from a thread, where that can be known."""
        if len(self._descriptors) == 1:
            count_urls(self._descriptors[0], self._form, tell)

    def _fail(self, why: str) -> None:
        self.error = why
        self.close()

    def close(self) -> None:
        """Give nothing any more."""
        self._urls = iter(())
        self._lists.clear()
        while self._descriptors:
            self._close_first()

    def _close_first(self) -> None:
        self._lists.clear()
        self._named.clear()
        descriptor = self._descriptors.popleft()
        if descriptor != 0:
            os.close(descriptor)


def open_input(name: str) -> int:
    """A descriptor to read the list `name` from; `-` is standard input. Raises OSError.

    Where it is a URL, that is a list which names this one.
    """
    if name == "-":
        os.fstat(0)
        return 0
    if is_url(name):
        with tempfile.TemporaryFile() as file:
            file.write(index_of(name))
            file.seek(0)
            return os.dup(file.fileno())
    descriptor = os.open(name, os.O_RDONLY)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(None, "it is a directory", name)
    return descriptor


def is_url(name: str) -> bool:
    """Whether the list of this name is on the web."""
    return name.lower().startswith(("http://", "https://"))
