"""A server that sends exactly the bytes a test says, each connection in a thread of its own."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

FINE = b"hello, world"
PATIENCE = 60.0


class Connection:
    """One accepted connection. Reading and sending block for at most PATIENCE seconds."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.socket = sock
        self.number = number
        self.unread = b""

    def request(self) -> bytes:
        """The next request with its body, b"" if the client closed instead."""
        while b"\r\n\r\n" not in self.unread:
            if not self._more():
                return b""
        head, _, rest = self.unread.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(rest) < length:
            if not self._more():
                return b""
            rest = self.unread.partition(b"\r\n\r\n")[2]
        self.unread = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        except ssl.SSLError as error:
            if error.reason != "UNEXPECTED_EOF_WHILE_READING":
                raise
            return False  # with OpenSSL 3.6, as a plain SSLError: nothing that Python takes for the end by itself
        self.unread += data
        return bool(data)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    def answer(self, body: bytes = b"", status: str = "200 OK", headers: str = "") -> None:
        """A correct response with Content-Length."""
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def gone(self) -> bool:
        """Whether the client closes within PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([self.socket], [], [], 0.1)[0]:
                try:
                    if not self.socket.recv(65536):
                        return True
                except (OSError, ValueError):
                    return True
        return False

    def close(self) -> None:
        """FIN, without TLS's close_notify."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self) -> None:
        """RST in place of FIN."""
        raw = socket.socket(fileno=self.socket.detach())
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()


Handler = Callable[[Connection], None]


def port_on_each(*hosts: str) -> int:
    """A port that is free on all of these addresses. It lies below the ports that the kernel gives out by itself: one
    of those may at any time be somebody's on one of the addresses."""
    for _ in range(100):
        port = random.randrange(12_000, 32_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for host in hosts:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                stack.enter_context(socket.create_server((host, port), family=family))
            return port
    raise OSError(f"no port is free on all of {hosts}")


class RawServer:
    """Runs `handler` for each connection; closes it when the handler returns. `accepted` counts them.

    An exception in a handler fails the test that leaves the block.
    """

    def __init__(
        self, handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._handler = handler
        self._tls = tls
        self._host = host
        self._port = port
        self.accepted = 0
        self.left = threading.Event()
        self.seen: list[bytes] = []
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    def __enter__(self) -> RawServer:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, self._port), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        deadline = time.monotonic() + PATIENCE
        while True:
            for sock in list(self._open):
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own, after which a handler in another thread would read the ciphertext.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            # What was accepted last may have been opened since; and some servers serve in this thread.
            self._thread.join(0.02)
            if not self._thread.is_alive() or time.monotonic() > deadline:
                break
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a handler hangs"
        if error is None and self._errors:
            raise self._errors[0]

    def url(self, path: str = "/", host: str | None = None) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host or self._host}:{self.port}{path}"

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(accepted, self.accepted), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(PATIENCE)
        self._open.add(sock)
        plain = sock
        try:
            if self._tls is not None:
                try:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                except OSError:
                    return
                self._open.add(sock)
            self._handler(Connection(sock, number))
        except TimeoutError:
            pass
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            self._errors.append(error)
        finally:
            self._open.discard(plain)
            self._open.discard(sock)
            with contextlib.suppress(OSError):
                sock.close()
            self.left.set()


def answering(*responses: bytes) -> Handler:
    """Each connection: for each request the next of `responses`, as it is; then wait for the client to close."""

    def handle(connection: Connection) -> None:
        for response in responses:
            if not connection.request():
                return
            connection.send(response)
        connection.gone()

    return handle


def closing(*responses: bytes) -> Handler:
    """As `answering`, but close after the last response."""

    def handle(connection: Connection) -> None:
        for response in responses:
            if not connection.request():
                return
            connection.send(response)
        # The request may not have been read whole; a FIN needs an empty receive buffer.
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        connection.gone()

    return handle


def fine(connection: Connection) -> None:
    """Answer each request with FINE until the client closes."""
    while connection.request():
        connection.answer(FINE)


def echoing(connection: Connection) -> None:
    """Answer each request with its own bytes until the client closes."""
    while request := connection.request():
        connection.answer(request)
