"""Handles as their fetches end, from any source of requests, with a bounded number of them alive."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from types import FunctionType
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from fetch_engine.core.task import CompletionQueue, FetchTask
from fetch_engine.inspect import known_types
from fetch_engine.model.errors import EngineClosed
from fetch_engine.model.requests import AnyRequest

if TYPE_CHECKING:
    from fetch_engine.core.engine import FetchEngine

MOST_HELD = 10_000  # fetches beyond the window while hosts rest: some 20 MB

AT_ONCE = 500  # requests that are submitted in one turn of the loop

Requests = Iterable[AnyRequest | None] | AsyncIterable[AnyRequest | None]


class Feed:
    """What a task of the engine has read ahead from an async source, at most `ahead` requests.

    That task refers to this and never to the iterator: it would keep the iterator's handles alive.
    """

    __slots__ = ("_ahead", "_read", "_room", "_scope", "ended", "error", "finished")

    def __init__(self, ahead: int, finished: CompletionQueue) -> None:
        self._ahead = ahead
        self._read: deque[AnyRequest] = deque()
        self._room: anyio.Event | None = None
        self._scope: anyio.CancelScope | None = None
        self.ended = False
        self.error: BaseException | None = None
        self.finished = finished

    async def read(self, source: AsyncIterable[AnyRequest | None]) -> None:
        """Read the source to its end, or until `stop`."""
        if self.ended:
            return
        try:
            with anyio.CancelScope() as scope:
                self._scope = scope
                await self._read_all(source)
        finally:
            self._scope = None
            if not self.ended and self.error is None:
                self.error = EngineClosed("the engine was closed before the source of requests had ended")
            self.ended = True
            self.finished.notify()

    async def _read_all(self, source: AsyncIterable[AnyRequest | None]) -> None:
        try:
            try:
                async for request in source:
                    if request is None:
                        continue
                    self._read.append(request)
                    self.finished.notify()
                    while len(self._read) >= self._ahead:
                        self._room = anyio.Event()
                        await self._room.wait()
            finally:
                # Left to the collector, a generator that was not read to its end is a warning on trio.
                if isinstance(source, AsyncGenerator):
                    await source.aclose()
            self.ended = True
        except Exception as error:  # noqa: BLE001 - the source is the caller's, and so is its error
            if not self.ended:
                self.error = error

    def pop(self) -> AnyRequest | None:
        """The next request, or None if none has been read ahead."""
        if not self._read:
            return None
        if self._room is not None:
            self._room.set()
            self._room = None
        return self._read.popleft()

    def stop(self) -> None:
        """Nobody wants more."""
        self.ended = True
        self.error = None
        if self._scope is not None:
            self._scope.cancel()


class AsCompleted:
    """The iterator behind `FetchEngine.as_completed`.

    Its source may grow while it is read. What ends it is that the source has nothing more when no fetch is left that
    could add to it.

    A class, not an async generator: a dropped generator is finished later by the loop, and the handles in it with it.
    Dropping this drops its handles at once.
    """

    __slots__ = ("__weakref__", "_engine", "_finished", "_grows", "_owned", "_source", "_window", "feed")

    def __init__(self, engine: FetchEngine, requests: Requests, window: int) -> None:
        if window < 1:
            raise ValueError("window must be at least 1")
        self._engine = engine
        self._window = window
        self._owned: dict[int, FetchTask] = {}
        self._finished = CompletionQueue()
        engine.hosts.watch(self._finished)  # when a host begins to rest there is room for more
        self.feed: Feed | None = None
        self._source: Iterator[AnyRequest | None] | None = None
        self._grows = False  # whether the source is asked again after it had nothing
        if isinstance(requests, AsyncIterable):
            self.feed = Feed(window, self._finished)
        elif isinstance(requests, list):
            self._source = _Growing(requests)
            self._grows = True
        else:
            self._source = iter(requests)
            # An iterator of the caller's own making. Generators that have ended stay so, and a file could block.
            self._grows = isinstance(getattr(type(self._source), "__next__", None), FunctionType)

    def __aiter__(self) -> AsyncIterator[FetchTask]:
        return self

    async def __anext__(self) -> FetchTask:
        try:
            while True:
                is_full = self._fill()
                while (ended := self._finished.pop()) is not None:
                    task = self._owned.pop(ended[0], None)
                    if task is not None:
                        return task
                if not self._owned and (self.feed is None or self.feed.ended):
                    raise StopAsyncIteration
                if is_full:
                    self._engine.check_loop()
                    await self._finished.wait()
                else:
                    await anyio.lowlevel.checkpoint()
        finally:
            # asyncio keeps a cancelled wait's exception, and so this frame, in a cycle: without the handles' owner.
            del self

    def _has_room(self) -> bool:
        """In the window, or beside it for as many as wait for hosts that rest: they must keep no other host back."""
        count = len(self._owned)
        return count < self._window or count < self._window + min(self._engine.hosts.held, MOST_HELD)

    def _fill(self) -> bool:
        """Submit more, as far as there is room. False if that was too much for one turn of the loop."""
        try:
            for _ in range(AT_ONCE):
                if not self._has_room() or (request := self._next()) is None:
                    return True
                task = self._engine.submit(request, watcher=self._finished)
                self._owned[task.id] = task
        except BaseException:
            self._owned.clear()
            self._source = None
            raise
        return False

    def _next(self) -> AnyRequest | None:
        """The next request, or None if there is none for now."""
        if self.feed is not None:
            request = self.feed.pop()
            if request is None and self.feed.error is not None:
                error, self.feed.error = self.feed.error, None
                try:
                    raise error
                finally:
                    del error
            return request
        if self._source is None:
            return None
        try:
            return next(self._source)
        except StopIteration:
            if not self._grows:
                self._source = None
            return None


class _Growing(Iterator[AnyRequest | None]):
    """Reads a list that may grow. Its own iterator ends for good at the first end."""

    __slots__ = ("_place", "_requests")

    def __init__(self, requests: Sequence[AnyRequest | None]) -> None:
        self._requests = requests
        self._place = 0

    def __next__(self) -> AnyRequest | None:
        if self._place >= len(self._requests):
            raise StopIteration
        self._place += 1
        return self._requests[self._place - 1]


known_types.NAMES.append((AsCompleted, "as_completed iterator"))
