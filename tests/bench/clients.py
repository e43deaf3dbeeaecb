"""A client in a process of its own: fetches the same 1 KiB again and again and prints what it took, as JSON.

python -m tests.bench.clients httpx|aiohttp|transport|engine|fast|pycurl|sockets URL CONNECTIONS REQUESTS [--uvloop]
"""

from __future__ import annotations

import argparse
import asyncio
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
from fetch_engine.http.httpx_transport import open_httpx_transport
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import WireRequest
from fetch_engine.model.transport_options import Client, TransportOptions
from fetch_engine.net.tls import build_ssl_context

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


@contextlib.asynccontextmanager
async def plain_pycurl(url: str, connections: int) -> AsyncIterator[RunMany]:
    """libcurl's multi interface, which takes the whole thread: bodies counted and thrown away, nothing else done."""
    pycurl = importlib.import_module("pycurl")
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, connections)
    sizes: dict[object, int] = {}
    handles = []
    for _ in range(connections):
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.WRITEFUNCTION, lambda data, curl=curl: sizes.update({curl: sizes[curl] + len(data)}))
        handles.append(curl)

    async def run(count: int) -> None:
        free, started, done = list(handles), 0, 0
        while done < count:
            while free and started < count:
                curl = free.pop()
                sizes[curl] = 0
                multi.add_handle(curl)
                started += 1
            while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                pass
            _, finished, failed = multi.info_read(connections)
            for curl in finished:
                multi.remove_handle(curl)
                _check(sizes[curl])
                free.append(curl)
                done += 1
            if failed:
                raise RuntimeError(f"failed: {failed[0]}")
            if not finished:
                multi.select(1.0)

    try:
        yield run
    finally:
        for curl in handles:
            curl.close()
        multi.close()


@contextlib.asynccontextmanager
async def plain_sockets(url: str, connections: int) -> AsyncIterator[RunMany]:
    """No client at all: the same bytes sent again and again, and as many received as there must be."""
    place = httpx.URL(url)
    request = f"GET {place.raw_path.decode()} HTTP/1.1\r\nHost: {place.host}\r\n\r\n".encode()
    opened = [await asyncio.open_connection(place.host, place.port) for _ in range(connections)]

    async def run(count: int) -> None:
        numbers = iter(range(count))

        async def worker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in numbers:
                writer.write(request)
                await reader.readuntil(b"\r\n\r\n")
                _check(len(await reader.readexactly(len(BODY))))

        async with anyio.create_task_group() as workers:
            for ends in opened:
                workers.start_soon(worker, *ends)

    try:
        yield run
    finally:
        for _, writer in opened:
            writer.close()


CLIENTS = {"httpx": plain_httpx, "aiohttp": plain_aiohttp, "transport": our_transport, "engine": our_engine}
CLIENTS |= {
    "fast": functools.partial(our_engine, client="fast"),
    "pycurl": plain_pycurl,
    "sockets": plain_sockets,
}


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
