"""A small HTTP/1.1 server on 127.0.0.1 that behaves well and badly on request; for the demo and the tests."""

from __future__ import annotations

import argparse
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Iterator

import anyio
import anyio.from_thread
import anyio.lowlevel

from tui.demo.exchange import Exchange
from tui.demo.pages import answer


async def serve(listener: socket.socket) -> None:
    """Accept connections until cancelled."""
    async with anyio.create_task_group() as connections:
        while True:
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                await anyio.wait_readable(listener)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED):
                    raise
                await anyio.sleep(0.05)
            else:
                connections.start_soon(Exchange(sock, answer).run)
                await anyio.lowlevel.checkpoint()


def open_listener(port: int = 0) -> tuple[socket.socket, str]:
    """A listening socket on 127.0.0.1, by default on a free port, and the URL it answers under. Raises OSError."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def demo_server(port: int = 0, backend: str = "asyncio") -> Iterator[str]:
    """Run the server in a thread of its own; gives its URL. Raises OSError if the port is taken."""
    listener, url = open_listener(port)
    with listener, anyio.from_thread.start_blocking_portal(backend) as portal:
        serving = portal.start_task_soon(serve, listener)
        try:
            yield url
        finally:
            serving.cancel()


async def _serve_until_signal(listener: socket.socket) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as group:
            group.start_soon(serve, listener)
            async for _ in signals:
                group.cancel_scope.cancel()


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal comes; prints the URL first."""
    parser = argparse.ArgumentParser(prog="python -m tui.demo.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    try:
        listener, url = open_listener(parser.parse_args(argv).port)
    except (OSError, OverflowError) as error:
        print(f"demo_server: {error}", file=sys.stderr)
        return 2
    with listener:
        print(url, flush=True)
        anyio.run(_serve_until_signal, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
