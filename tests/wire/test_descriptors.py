"""With few descriptors fetches are slower, and none fails."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from .servers import RawServer, echoing

SCRIPT = """
    import os, resource, socket, sys
    import anyio
    import trio  # with ctypes, whose library keeps a descriptor for its own code (libffi 3.5)
    from fetch_engine.model.limits import Limits, Timeouts
    from fetch_engine.model.recorder import Recorder
    from fetch_engine.http.httpx_transport import TransportOptions, open_httpx_transport
    from fetch_engine.model.transport import WireRequest
    from fetch_engine.net.tls import build_ssl_context

    backend, port, hogged = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    def descriptors():
        return sorted(fd for fd in os.listdir("/dev/fd"))

    async def main():
        transport = open_httpx_transport(None, Limits(concurrency=100), build_ssl_context())
        hog = []
        for _ in range(hogged):
            # Taken by somebody else after the budget was made: the kernel says EMFILE.
            try:
                hog.append(os.dup(0))
            except OSError:
                break
        for fd in hog[-6:]:
            os.close(fd)
        del hog[-6:]
        ok = 0

        async def fetch(number):
            nonlocal ok
            host = f"127.0.{number % 7}.{number % 50 + 1}" if number % 4 else "localhost"
            request = WireRequest("GET", f"http://{host}:{port}/{number}")
            async with transport.stream(request, Timeouts(), Recorder()) as response:
                body = b"".join([chunk async for chunk in response.chunks()])
            assert f"GET /{number} ".encode() in body
            ok += 1

        async with anyio.create_task_group() as fetches:
            for number in range(300):
                fetches.start_soon(fetch, number)
        most = transport.pool.budget.limit
        await transport.aclose()
        for fd in hog:
            os.close(fd)
        return ok, most

    before = descriptors()
    options = {"use_uvloop": backend == "uvloop"} if backend != "trio" else {}
    ok, limit = anyio.run(main, backend="trio" if backend == "trio" else "asyncio", backend_options=options)
    assert limit < 64, limit
    # uvloop keeps descriptors of a closed loop for the process.
    assert backend == "uvloop" or descriptors() == before, (before, descriptors())
    print(ok)
"""


@pytest.mark.parametrize("hogged", [0, 64], ids=["alone", "with a hog"])
@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_300_requests_with_64_descriptors(backend: str, hogged: int) -> None:
    with RawServer(echoing, host="0.0.0.0") as server:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT), backend, str(server.port), str(hogged)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.stderr[-2000:] == ""
    assert ended.stdout.strip() == "300"
