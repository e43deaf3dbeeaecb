"""A server for tests with clusters: it answers after a while, counts, and notices when its client goes away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pages:
    """`/MILLISECONDS/SIZE/...` answers after so long with so many bytes; `/to?URL` redirects; `/busy` says 429 once."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.running = 0
        self.peak = 0
        self.abandoned = 0
        self.connections = 0
        self.base = ""
        self.held: asyncio.Event | None = None  # while there is one, nobody is answered before it is set

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                _, path, _ = head.split(b" ", 2)
                status, headers, body = await self._answer(path.decode(), reader)
                if not status:
                    return
                head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, path: str, reader: asyncio.StreamReader) -> tuple[int, str, bytes]:
        if path == "/counts":
            return 200, "", json.dumps([self.running, self.abandoned, self.connections, self.hits]).encode()
        self.hits[path] += 1
        if path.startswith("/to?"):
            return 302, f"Location: {path[4:]}\r\n", b""
        if path.startswith("/busy") and self.hits[path] == 1:
            return 429, "Retry-After: 1\r\n", b""
        _, delay, size, *_ = [*path.split("/"), "0", "0"]
        delay = delay if delay.isdigit() else "0"
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            gone = asyncio.ensure_future(reader.read(1))
            held = asyncio.ensure_future(asyncio.sleep(int(delay) / 1000) if self.held is None else self.held.wait())
            await asyncio.wait((gone, held), return_when=asyncio.FIRST_COMPLETED)
            held.cancel()
            if gone.done():
                self.abandoned += 1
                return 0, "", b""
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone
        finally:
            self.running -= 1
        return 200, "", b"x" * int(size)


@asynccontextmanager
async def serving(host: str = "127.0.0.1") -> AsyncIterator[Pages]:
    """Serve in this loop, on a free port."""
    pages = Pages()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(pages.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, host, 0, backlog=1000)
    pages.base = f"http://{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield pages
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _main() -> None:
    async with serving(*sys.argv[2:]) as pages:
        print(pages.base, flush=True)
        await asyncio.sleep(float(sys.argv[1]))


if __name__ == "__main__":
    asyncio.run(_main())
