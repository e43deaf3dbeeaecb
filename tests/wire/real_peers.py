"""Real servers and proxies, started on free loopback ports: nginx, hypercorn, httpbin, tinyproxy, microsocks."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .servers import port_on_each

NGINX = """
daemon off; worker_processes 1; pid {root}/pid; error_log {root}/log crit;
events {{ worker_connections 256; }}
http {{
  access_log off; gzip on; gzip_min_length 1; gzip_types text/plain; default_type text/plain;
  client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root};
  scgi_temp_path {root};
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2; root {root}/www;
    ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/cert.pem;
    location /moved {{ return 302 /hello.txt; }}
    location /busy {{ return 503; }}
    location /posted {{ return 200 "$request_method $content_length"; }}
    location /slowly/ {{ limit_rate 200k; alias {root}/www/; }}
  }}
}}
"""
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 30
MaxClients 50
{extra}
"""
HYPERCORN = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    size, more = 0, True
    while more:
        event = await receive()
        size, more = size + len(event.get("body", b"")), event.get("more_body", False)
    headers = [(b"x-version", scope["http_version"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(3):
        await send({"type": "http.response.body", "body": f"{scope['method']} {size};".encode(), "more_body": True})
    await send({"type": "http.response.body"})
"""


def program(name: str) -> str:
    """The path of a program; the test is skipped where it is not installed, but never in CI."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return path


@contextlib.contextmanager
def running(command: Sequence[str], *ports: int, cwd: Path) -> Iterator[None]:
    """The command, once it listens on the ports."""
    with (
        (cwd / "output").open("wb") as output,
        subprocess.Popen(command, cwd=cwd, stdout=output, stderr=output) as process,
    ):
        try:
            for port in ports:
                _wait_for(port, process, cwd)
            yield
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes], cwd: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {(cwd / 'output').read_text(errors='replace')}")


@dataclass(frozen=True)
class Nginx:
    plain: str
    tls: str
    folder: Path


@contextlib.contextmanager
def nginx(certificate: bytes) -> Iterator[Nginx]:
    """nginx with TLS, HTTP/2, gzip and a few places."""
    path = program("nginx")
    # Not in pytest's folder, which each new pytest closes to others: started by root, nginx's worker is another user.
    with tempfile.TemporaryDirectory(prefix="weakfetch-nginx-") as made:
        root = Path(made)
        www = root / "www"
        www.mkdir()
        for folder in (root, www):
            folder.chmod(0o755)
        (root / "cert.pem").write_bytes(certificate)
        plain, tls = port_on_each("127.0.0.1"), port_on_each("127.0.0.1")
        (root / "nginx.conf").write_text(NGINX.format(root=root, plain=plain, tls=tls))
        with running([path, "-c", str(root / "nginx.conf"), "-e", str(root / "log")], plain, tls, cwd=root):
            yield Nginx(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", www)


@contextlib.contextmanager
def hypercorn(root: Path, certificate: bytes) -> Iterator[str]:
    """hypercorn with TLS and HTTP/2; says method and size of the body three times."""
    (root / "served.py").write_text(HYPERCORN)
    (root / "cert.pem").write_bytes(certificate)
    port = port_on_each("127.0.0.1")
    command = [sys.executable, "-W", "ignore", "-m", "hypercorn", "--certfile", "cert.pem", "--keyfile", "cert.pem"]
    command += ["--workers", "0"]  # in one process
    with running([*command, "--bind", f"127.0.0.1:{port}", "served:app"], port, cwd=root):
        yield f"https://127.0.0.1:{port}"


@contextlib.contextmanager
def httpbin(root: Path) -> Iterator[str]:
    """httpbin, which answers what it is asked for; served by the server that comes with it."""
    port = port_on_each("127.0.0.1")
    command = [sys.executable, "-W", "ignore", "-m", "flask", "--app", "httpbin", "run", "--port", str(port)]
    with running(command, port, cwd=root):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def tinyproxy(root: Path, extra: str = "") -> Iterator[int]:
    """tinyproxy's port. extra: lines of its configuration."""
    path, port = program("tinyproxy"), port_on_each("127.0.0.1")
    (root / "tinyproxy.conf").write_text(TINYPROXY.format(port=port, extra=extra))
    with running([path, "-d", "-c", str(root / "tinyproxy.conf")], port, cwd=root):
        yield port


@contextlib.contextmanager
def microsocks(root: Path, *options: str) -> Iterator[int]:
    """microsocks' port."""
    path, port = program("microsocks"), port_on_each("127.0.0.1")
    with running([path, "-i", "127.0.0.1", "-p", str(port), *options], port, cwd=root):
        yield port
