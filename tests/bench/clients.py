"""A client in a process of its own: fetches the same 1 KiB again and again and prints what it took, as JSON.

python -m tests.bench.clients httpx|aiohttp|transport|engine|fast URL CONNECTIONS REQUESTS [--uvloop]
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import httpx

from fetch_engine import FetchEngine, FetchResult
from fetch_engine.limits import Limits, Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.transports.httpx_transport import open_httpx_transport
from fetch_engine.transports.options import Client, TransportOptions
from fetch_engine.transports.protocol import WireRequest
from fetch_engine.transports.tls import build_ssl_context

from .server import BODY

RunMany = Callable[[int], Awaitable[None]]


def _check(size: int) -> None:
    if size != len(BODY):
        raise RuntimeError(f"a body of {size} bytes")


async def _by_workers(fetch: Callable[[], Awaitable[int]], connections: int, count: int) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            _check(await fetch())

    async with anyio.create_task_group() as workers:
        for _ in range(connections):
            workers.start_soon(worker)


@contextlib.asynccontextmanager
async def plain_httpx(url: str, connections: int) -> AsyncIterator[RunMany]:
    """As a script would use it: one AsyncClient, as many workers as connections."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def fetch() -> int:
            return len((await client.get(url)).content)

        async def run(count: int) -> None:
            await _by_workers(fetch, connections, count)

        yield run


@contextlib.asynccontextmanager
async def plain_aiohttp(url: str, connections: int) -> AsyncIterator[RunMany]:
    """The same with aiohttp, which is not among the test dependencies."""
    aiohttp = importlib.import_module("aiohttp")
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:

        async def fetch() -> int:
            async with session.get(url) as response:
                return len(await response.read())

        async def run(count: int) -> None:
            await _by_workers(fetch, connections, count)

        yield run


@contextlib.asynccontextmanager
async def our_transport(url: str, connections: int) -> AsyncIterator[RunMany]:
    """The transport without the engine: no body kept, nothing decoded, hashed or retried."""
    transport = open_httpx_transport(None, Limits(concurrency=connections), build_ssl_context())
    request = WireRequest("GET", url, (("User-Agent", "bench"), ("Accept", "*/*")))

    async def fetch() -> int:
        size = 0
        async with transport.stream(request, Timeouts(), Recorder()) as response:
            async for chunk in response.chunks():
                size += len(chunk)
        return size

    async def run(count: int) -> None:
        await _by_workers(fetch, connections, count)

    try:
        yield run
    finally:
        await transport.aclose()


@contextlib.asynccontextmanager
async def our_engine(url: str, connections: int, client: Client = "httpx") -> AsyncIterator[RunMany]:
    """The engine as a program would use it."""
    limits = Limits(concurrency=connections, per_host=connections, preview_size=0)
    async with FetchEngine(limits=limits, transport=TransportOptions(client=client)) as engine:

        async def run(count: int) -> None:
            async for task in engine.as_completed(itertools.repeat(url, count)):
                outcome = task.outcome
                if not isinstance(outcome, FetchResult):
                    raise TypeError(f"failed: {outcome}")
                _check(outcome.body_size)

        yield run


CLIENTS = {"httpx": plain_httpx, "aiohttp": plain_aiohttp, "transport": our_transport, "engine": our_engine}
CLIENTS["fast"] = functools.partial(our_engine, client="fast")


async def measure(name: str, url: str, connections: int, requests: int) -> dict[str, float]:
    """Requests a second and CPU of this process, once every connection is open."""
    async with CLIENTS[name](url, connections) as run:
        await run(connections * 3)
        wall, cpu = time.perf_counter(), time.process_time()
        await run(requests)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"requests/s": requests / wall, "CPU µs/fetch": cpu / requests * 1e6}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.clients")
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("url")
    parser.add_argument("connections", type=int)
    parser.add_argument("requests", type=int)
    parser.add_argument("--uvloop", action="store_true")
    given = parser.parse_args()
    figures = anyio.run(
        measure,
        given.client,
        given.url,
        given.connections,
        given.requests,
        backend_options={"use_uvloop": given.uvloop},
    )
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
