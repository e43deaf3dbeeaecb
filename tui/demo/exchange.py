"""One connection of the demo server: reads requests and gives pages the means to answer well or badly."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import anyio
import anyio.lowlevel
import h11

MAX_REQUEST_BODY = 1024 * 1024
Headers = list[tuple[str, str]]
Answer = Callable[["Exchange"], Awaitable[None]]


class PeerGone(Exception):
    """The client closed or reset its connection."""


class BadQuery(ValueError):
    """A number in the query string that is none, or out of range."""


class Exchange:
    """One connection, and the request on it that is being answered."""

    def __init__(self, sock: socket.socket, answer: Answer) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._page = answer
        self._http = h11.Connection(h11.SERVER)
        self.method = "GET"
        self.path = "/"
        self.query: dict[str, str] = {}
        self.headers: Headers = []
        self.body = b""

    async def run(self) -> None:
        """Answer requests until the connection ends."""
        try:
            while await self._read_request():
                await self._answer()
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    break
                self._http.start_next_cycle()
            await self._close_gently()
        except (PeerGone, h11.RemoteProtocolError):
            pass
        finally:
            self._sock.close()

    async def _read_request(self) -> bool:
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._emit(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._receive())
            elif isinstance(event, h11.Request):
                target = urlsplit(event.target.decode("latin-1"))
                self.method = event.method.decode("ascii")
                self.path = target.path
                self.query = dict(parse_qsl(target.query, keep_blank_values=True))
                self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_REQUEST_BODY:
                    raise PeerGone
            elif isinstance(event, h11.EndOfMessage):
                self.body = bytes(body)
                return True
            else:
                return False

    async def _answer(self) -> None:
        try:
            await self._page(self)
        except BadQuery as error:
            await self.reply(400, "text/plain; charset=utf-8", f"{error}\n".encode())

    def number(self, name: str, default: float, most: float) -> float:
        """A number between 0 and `most` from the query string. Raises BadQuery."""
        try:
            value = float(self.query.get(name, default))
        except ValueError:
            raise BadQuery(f"{name} must be a number") from None
        if not 0 <= value <= most:
            raise BadQuery(f"{name} must be between 0 and {most:g}")
        return value

    async def reply(self, status: int, content_type: str, body: bytes, headers: Headers | None = None) -> None:
        """A whole response with its length."""
        await self.head(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), *(headers or [])])
        await self.send(body)
        await self.end()

    async def head(self, status: int, headers: Headers) -> None:
        """Status line and headers; without a Content-Length the body goes out chunked."""
        try:
            reason = HTTPStatus(status).phrase
        except ValueError:
            reason = "Unknown"
        await self._emit(
            h11.Response(status_code=status, reason=reason, headers=[("Server", "weakfetch-demo"), *headers])
        )

    async def send(self, data: bytes) -> None:
        """A part of the body; nothing for HEAD."""
        if self.method != "HEAD":
            await self._emit(h11.Data(data=data))

    async def end(self) -> None:
        """The body is complete."""
        await self._emit(h11.EndOfMessage())

    async def pause(self, seconds: float | None) -> None:
        """Wait, for ever if None. Raises PeerGone as soon as the client hangs up."""
        with anyio.CancelScope(deadline=anyio.current_time() + seconds if seconds is not None else float("inf")):
            await anyio.wait_readable(self._sock)
            if not self._peek():
                raise PeerGone
            await anyio.sleep_forever()  # a pipelined request: it has to wait for its turn

    def _peek(self) -> bytes:
        try:
            return self._sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""

    def reset(self) -> None:
        """End the connection with a RST: closing with a linger of zero does it."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()
        raise PeerGone

    async def cut(self) -> None:
        """End the connection with a FIN, whatever was promised."""
        await self._close_gently()
        raise PeerGone

    async def _emit(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self._send_all(data)

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._sock.recv(65536)
            except BlockingIOError:
                await anyio.wait_readable(self._sock)
            except OSError:
                raise PeerGone from None

    async def _send_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._sock)
            except OSError:
                raise PeerGone from None
            else:
                await anyio.lowlevel.checkpoint()  # a fast reader must not keep the others waiting

    async def _close_gently(self) -> None:
        """FIN, then read on for a moment: closing with unread bytes would reset what the client has yet to read."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return
        with anyio.CancelScope(deadline=anyio.current_time() + 1):
            while await self._receive():
                pass
