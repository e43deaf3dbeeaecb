"""The engine over a transport that answers at once, in a process of its own; prints CPU and bytes as JSON.

python -m tests.bench.overhead_probe fetch|one-by-one|handles|bare|census|stream COUNT [--lines]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import json
import sys
import time
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import anyio
import anyio.lowlevel
import psutil

from fetch_engine import FetchEngine, FetchTask, Limits
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import Transport, WireRequest, WireResponse
from fetch_engine.outputs.ndjson import ndjson_line

BODY = b"x" * 1024
CPU = "CPU µs"


class Answer:
    """A response of 1 KiB; made once, used by all."""

    status = 200
    reason = "OK"
    http_version = "HTTP/1.1"
    headers = (("Content-Type", "text/plain"), ("Content-Length", str(len(BODY))))

    async def chunks(self) -> AsyncIterator[bytes]:
        yield BODY

    async def __aenter__(self) -> WireResponse:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Never(Answer):
    """A response that does not come."""

    async def __aenter__(self) -> WireResponse:
        await anyio.sleep_forever()
        return self


class InstantTransport:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        return self._answer

    async def aclose(self) -> None:
        return None


def engine_over(answer: Answer, concurrency: int) -> FetchEngine:
    async def open_transport() -> Transport:
        return InstantTransport(answer)

    limits = Limits(concurrency=concurrency, per_host=concurrency, preview_size=0)
    return FetchEngine(limits=limits, open_transport=open_transport)


def urls(count: int) -> Iterator[str]:
    return (f"http://host-{number % 100}.example/{number}" for number in range(count))


async def fetch(count: int, lines: bool) -> dict[str, float]:
    """Fetches by `as_completed`, each handle let go as it comes."""
    given = list(urls(count))
    async with engine_over(Answer(), 64) as engine:
        async for task in engine.as_completed(urls(100)):
            del task
        cpu = time.process_time()
        async for task in engine.as_completed(given):
            if lines and task.outcome is not None:
                ndjson_line(task.request, task.outcome)
            del task
        cpu = time.process_time() - cpu
    return {f"{CPU}/fetch": cpu / count * 1e6}


async def one_by_one(count: int) -> dict[str, float]:
    """Each fetch submitted when the one before has been awaited."""
    given = list(urls(count))
    async with engine_over(Answer(), 64) as engine:
        await engine.submit("http://host.example/")
        cpu = time.process_time()
        for url in given:
            await engine.submit(url)
        cpu = time.process_time() - cpu
    return {f"{CPU}/fetch": cpu / count * 1e6}


async def handles(count: int) -> dict[str, float]:
    """Handles of queued fetches, made and dropped; their bytes; and those of handles whose fetch has ended."""
    async with engine_over(Never(), 1) as engine:
        busy = engine.submit("http://host.example/busy")
        made, dropped = await _make_and_drop(engine, count)
        queued = await _bytes_each(engine, count)
        busy.cancel()
    async with engine_over(Answer(), 64) as engine:
        await engine.submit("http://host.example/")
        finished = await _bytes_each(engine, count)
    return {
        f"{CPU} made": made,
        f"{CPU} let go": dropped,
        "bytes queued": queued,
        "bytes finished, kept": finished,
    }


async def _make_and_drop(engine: FetchEngine, count: int) -> tuple[float, float]:
    given = list(urls(count))
    before = engine.alive
    gc.collect()
    start = time.process_time()
    held = [engine.submit(url) for url in given]
    made = time.process_time()
    held.clear()
    while engine.alive > before:
        await anyio.lowlevel.checkpoint()
    dropped = time.process_time()
    return (made - start) / count * 1e6, (dropped - made) / count * 1e6


async def _bytes_each(engine: FetchEngine, count: int) -> float:
    """The URL's string is the caller's and not counted."""
    given = list(urls(count))
    held: list[FetchTask | None] = [None] * count
    with _traced() as size:
        for place, url in enumerate(given):
            held[place] = engine.submit(url)
        if engine.census().running != 1:
            await engine.join()
        gc.collect()
        each = size() / count
    held.clear()
    while engine.census().queued:
        await anyio.lowlevel.checkpoint()
    return each


def bare(count: int) -> dict[str, float]:
    """The two mechanisms without an engine: what no handle of this kind can be cheaper than."""

    class Handle:
        __slots__ = ("__weakref__",)

    registry: weakref.WeakValueDictionary[int, Handle] = weakref.WeakValueDictionary()
    gone: list[int] = []

    def make(place: int) -> Handle:
        handle = registry[place] = Handle()
        weakref.finalize(handle, gone.append, place).atexit = False
        return handle

    gc.collect()
    start = time.process_time()
    held = [make(place) for place in range(count)]
    made = time.process_time()
    held.clear()
    dropped = time.process_time()
    assert len(gone) == count
    gone.clear()
    with _traced() as size:
        held = [make(place) for place in range(count)]
        each = size() / count
    return {
        f"{CPU} made": (made - start) / count * 1e6,
        f"{CPU} let go": (dropped - made) / count * 1e6,
        "bytes queued": each,
    }


async def stream(count: int) -> dict[str, float]:
    """What the process grows by from the first hundredth of a long list to its end, the collector off."""
    process = psutil.Process()
    before, seen = 0, 0
    gc.collect()
    gc.disable()
    async with engine_over(Answer(), 64) as engine:
        async for task in engine.as_completed(urls(count)):
            del task
            seen += 1
            if seen == count // 100:
                before = process.memory_info().rss
        grown = process.memory_info().rss - before
        census = engine.census()
    return {"RSS grown, MB": grown / 1e6, "alive at the end": census.alive, "fetches": census.closed}


async def census(count: int) -> dict[str, float]:
    """The cost of asking, with so many handles alive."""
    calls = 10_000
    async with engine_over(Never(), 1) as engine:
        held = [engine.submit(url) for url in urls(count)]
        assert engine.alive == count
        cpu = time.process_time()
        for _ in range(calls):
            engine.census()
        cpu = time.process_time() - cpu
        held.clear()
    return {f"{CPU}/call": cpu / calls * 1e6}


@contextlib.contextmanager
def _traced() -> Iterator[Callable[[], int]]:
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overhead_probe")
    parser.add_argument("what", choices=["fetch", "one-by-one", "handles", "bare", "census", "stream"])
    parser.add_argument("count", type=int)
    parser.add_argument("--lines", action="store_true")
    given = parser.parse_args()
    count: int = given.count
    probes: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
        "fetch": lambda: fetch(count, given.lines),
        "one-by-one": lambda: one_by_one(count),
        "handles": lambda: handles(count),
        "census": lambda: census(count),
        "stream": lambda: stream(count),
    }
    if given.what == "bare":
        figures = bare(count)
    else:
        uvloop = importlib.util.find_spec("uvloop") is not None

        async def probe() -> dict[str, float]:
            return await probes[given.what]()

        figures = anyio.run(probe, backend_options={"use_uvloop": uvloop})
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
