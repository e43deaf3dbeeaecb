"""A server on 127.0.0.1 that counts what it is asked for, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import cast

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Counting:
    """Answers everything with 200 and a short body, after `delay` seconds. asked: by method and target."""

    def __init__(self, delay: float) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.delay = delay
        self.url = ""


class _Connection(asyncio.Protocol):
    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, rest = self._data.split(b"\r\n\r\n", 1)
            lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if len(rest) < sum(lengths):
                return
            self._data = rest[sum(lengths) :]
            method, target, _ = head.decode("latin-1").split(" ", 2)
            self._counting.asked[method, target] += 1
            if self._counting.delay:
                asyncio.get_running_loop().call_later(self._counting.delay, self._transport.write, RESPONSE)
            else:
                self._transport.write(RESPONSE)


@contextlib.contextmanager
def counting_server(delay: float = 0.0) -> Iterator[Counting]:
    """Run one."""
    counting, ready = Counting(delay), threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(counting), "127.0.0.1", 0, backlog=1024)
        counting.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ends.append((loop, asyncio.Event()))
        ready.set()
        await ends[0][1].wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert ready.wait(30)
    try:
        yield counting
    finally:
        loop, stop = ends[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()
