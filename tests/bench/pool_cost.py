"""What a request costs: stock `httpx.AsyncClient` beside our transport, same run, 1 KiB from a loopback server.

Prints requests/s and CPU per request of this process at 1, 16 and 100 connections:

    python tests/bench/pool_cost.py [asyncio|uvloop|trio] [requests]
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator

import anyio
import httpx

from fetch_engine.limits import Limits, Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.transports.httpx_transport import open_httpx_transport
from fetch_engine.transports.protocol import WireRequest
from fetch_engine.transports.tls import build_ssl_context

BODY = b"x" * 1024
NGINX = """
daemon off; worker_processes 1; pid {root}/pid; error_log {root}/log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; sendfile on;
  client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root};
  scgi_temp_path {root};
  server {{ listen 127.0.0.1:{port} backlog=1024; root {root}/www; }}
}}
"""
FALLBACK = """
import asyncio, sys
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 1024\\r\\n\\r\\n" + b"x" * 1024
class Server(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(ANSWER * data.count(b"\\r\\n\\r\\n"))
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""


@contextlib.contextmanager
def server() -> Iterator[tuple[str, str]]:
    """A loopback server in a process of its own: its name, and the URL of 1 KiB."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as root:
        if shutil.which("nginx"):
            www = pathlib.Path(root, "www")
            www.mkdir(mode=0o755)
            pathlib.Path(root).chmod(0o755)
            (www / "k").write_bytes(BODY)
            configuration = pathlib.Path(root, "nginx.conf")
            configuration.write_text(NGINX.format(root=root, port=port))
            name, command = "nginx", ["nginx", "-c", str(configuration), "-e", f"{root}/log"]
        else:
            name, command = "asyncio", [sys.executable, "-c", FALLBACK, str(port)]
        with subprocess.Popen(command) as process:
            try:
                for _ in range(200):
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                        break
                    time.sleep(0.05)
                yield name, f"http://127.0.0.1:{port}/k"
            finally:
                process.terminate()


async def measure(fetch: Callable[[], Awaitable[int]], connections: int, requests: int) -> tuple[float, float]:
    """Requests a second, and CPU milliseconds a request."""

    async def run(count: int) -> None:
        left = count

        async def worker() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                if await fetch() != len(BODY):
                    raise RuntimeError("wrong body")

        async with anyio.create_task_group() as workers:
            for _ in range(connections):
                workers.start_soon(worker)

    await run(connections * 3)
    wall, cpu = time.perf_counter(), time.process_time()
    await run(requests)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return requests / wall, cpu / requests * 1000


async def main(requests: int) -> None:
    context = build_ssl_context()
    with server() as (name, url):
        print(f"server: {name}; {requests} requests of 1 KiB")
        print(f"{'connections':>11}  {'client':<12} {'requests/s':>10} {'CPU ms/request':>15}")
        for connections in (1, 16, 100):
            limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
            async with httpx.AsyncClient(limits=limits, verify=context, trust_env=False) as client:

                async def stock(client: httpx.AsyncClient = client) -> int:
                    return len((await client.get(url)).content)

                rate, cpu = await measure(stock, connections, requests)
                print(f"{connections:>11}  {'httpx':<12} {rate:>10.0f} {cpu:>15.2f}")

            transport = open_httpx_transport(None, Limits(concurrency=connections), context)
            request = WireRequest("GET", url, (("User-Agent", "bench"), ("Accept", "*/*")))

            async def ours(request: WireRequest = request, transport=transport) -> int:  # type: ignore[no-untyped-def]
                size = 0
                async with transport.stream(request, Timeouts(), Recorder()) as response:
                    async for chunk in response.chunks():
                        size += len(chunk)
                return size

            rate, cpu = await measure(ours, connections, requests)
            await transport.aclose()
            print(f"{connections:>11}  {'ours':<12} {rate:>10.0f} {cpu:>15.2f}")


if __name__ == "__main__":
    backend = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    if backend == "trio":
        anyio.run(main, count, backend="trio")
    else:
        anyio.run(main, count, backend_options={"use_uvloop": backend == "uvloop"})
