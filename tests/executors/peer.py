"""A server that answers by the path, and notes what is under way."""

from __future__ import annotations

import threading
import time
from collections import Counter

from tests.wire.servers import Connection


class Peer:
    """Paths: /ok, /404, /there/URL (a redirect there), /sleep/SECONDS, /hang, /half, /reset, /cut, /busy and
    /busy/SECONDS (429 once), /big.

    hosts: running by the Host header; peak: most of them. answered: times a path was answered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.hosts: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.started: Counter[str] = Counter()
        self.begun_at: list[tuple[float, str]] = []
        self.gone = 0
        self.hanging = 0

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            path = request.split()[1].decode()
            host = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"host:"))[5:].strip()
            name = host.decode().partition(":")[0]
            with self._lock:
                self.started[path] += 1
                self.begun_at.append((time.monotonic(), path))
                self.hosts[name] += 1
                self.peak[name] = max(self.peak[name], self.hosts[name])
            if path.startswith("/sleep"):
                time.sleep(float(path.split("/")[2].partition("?")[0]))
            with self._lock:
                self.hosts[name] -= 1  # before the answer: whoever has that may ask again at once
            if not self._answer(connection, path, request):
                return

    def _answer(self, connection: Connection, path: str, request: bytes) -> bool:
        first, _, rest = path[1:].partition("/")
        if first.startswith("hang"):
            with self._lock:
                self.hanging += 1
            gone = any(connection.gone() for _ in range(6))  # of an engine in other processes, all of which start first
            with self._lock:
                self.hanging -= 1
                self.gone += gone
            return False
        if first == "half":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1000)
            connection.gone()
            return False
        if first == "reset":
            connection.reset()
            return False
        if first == "cut":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nxxx")
            return False
        if first == "there":
            connection.answer(status="302 Found", headers=f"Location: http://{rest}\r\n")
        elif first == "404":
            connection.answer(b"none", status="404 Not Found")
        elif first == "busy" and self.started[path] == 1:
            connection.answer(b"", status="429 Too Many Requests", headers=f"Retry-After: {rest or 1}\r\n")
        elif first == "big":
            connection.answer(b"y" * 300_000)
        else:
            connection.answer(b"" if request.startswith(b"HEAD") else b"hello")
        return True
