"""Servers on 127.0.0.1 in processes of their own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .child import ROOT

BODY = b"x" * 1024
PATIENCE = 10.0  # seconds until a server answers

NGINX = """
daemon off; worker_processes 1; pid {root}/pid; error_log {root}/log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 10000000; sendfile on;
  client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root};
  scgi_temp_path {root};
  server {{ listen 127.0.0.1:{port} backlog=1024; root {root}/www; }}
}}
"""
FALLBACK = """
import asyncio, sys
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 1024\\r\\n\\r\\n" + b"x" * 1024
MISSING = b"HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n"
class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest = transport, b""
    def data_received(self, data):
        *heads, self.rest = (self.rest + data).split(b"\\r\\n\\r\\n")
        self.transport.write(b"".join(ANSWER if head.startswith(b"GET /k") else MISSING for head in heads))
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""
DELAYED = """
import asyncio, sys
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 1024\\r\\n\\r\\n" + b"x" * 1024
class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        asyncio.get_running_loop().call_later(float(sys.argv[2]), self.transport.write, ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""
DRIP = """
import asyncio, sys
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Length: 102400\\r\\n\\r\\n"
class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(HEAD)
        self.drip(asyncio.get_running_loop())
    def drip(self, loop):
        if not self.transport.is_closing():
            self.transport.write(b"x" * 100)
            loop.call_later(1, self.drip, loop)
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""


@contextlib.contextmanager
def file_server(large: int = 0) -> Iterator[tuple[str, str]]:
    """nginx, or a small server where it is not installed: its name, and the URL under which /k has 1 KiB.

    large: bytes of /large. Raises RuntimeError where there is no nginx to serve it.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as root:
        if shutil.which("nginx"):
            www = Path(root, "www")
            www.mkdir()
            (www / "k").write_bytes(BODY)
            if large:
                with (www / "large").open("wb") as file:
                    file.truncate(large)  # without blocks on the disk: the kernel gives zeros
            for path in (Path(root), www):
                path.chmod(0o755)  # started by root, its worker is another user
            configuration = Path(root, "nginx.conf")
            configuration.write_text(NGINX.format(root=root, port=port))
            name, command = "nginx", ["nginx", "-c", str(configuration), "-e", f"{root}/log"]
        elif large:
            raise RuntimeError("large bodies need nginx")
        else:
            name, command = "asyncio server", [sys.executable, "-c", FALLBACK, str(port)]
        with _running(command) as process:
            _wait_for(port, process)
            yield name, f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def delayed_server(seconds: float) -> Iterator[str]:
    """A server that answers each request with 1 KiB after so many seconds; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with _running([sys.executable, "-c", DELAYED, str(port), str(seconds)]) as process:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def drip_server() -> Iterator[str]:
    """A server that answers every request with 100 bytes a second for 17 minutes; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with _running([sys.executable, "-c", DRIP, str(port)]) as process:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def mixed_server() -> Iterator[str]:
    """A server with good and broken answers; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with _running([sys.executable, "-m", "tests.bench.mixed_server", str(port)]) as process:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def demo_server() -> Iterator[str]:
    """The demo's server; its URL."""
    with _running([sys.executable, "-m", "tui.demo.server"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()


@contextlib.contextmanager
def _running(command: Sequence[str], stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stdout) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("the server does not answer")
