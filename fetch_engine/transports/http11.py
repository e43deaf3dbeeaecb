"""One HTTP/1.1 connection: h11 over a byte stream, one exchange at a time (RFC 9112)."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

import h11

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits, Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.results import ErrorKind
from fetch_engine.transports.exchange import MAX_INFORMATIONAL, ConnectionLost, Head, Outgoing, check_size
from fetch_engine.transports.failures import describe
from fetch_engine.transports.network import ByteStream

_READ = 64 * 1024
_LONG = 256 * 1024  # bytes of a body from which on it goes past h11
_READ_LONG = 1024 * 1024  # measured: a quarter of the CPU of 64 KiB
_ONE_WRITE = 64 * 1024
_START = b"HTTP/1."


class Http11Connection:
    """A connection that carries one exchange after another. `on_idle` takes it back when the next may follow.

    `close` ends the exchange and may be called at any time: where the response was not read to its end, or anything
    follows it that was not asked for, the socket is closed, since what comes next would be taken for the answer to
    the next request.

    h11 copies each byte three times. A long body of a known length needs none of what it does and goes past it; the
    connection then begins anew with an h11 of its own.
    """

    __slots__ = (
        "_answered",
        "_bodiless",
        "_body_size",
        "_clean",
        "_complete",
        "_framed",
        "_h11",
        "_left",
        "_limits",
        "_on_idle",
        "_recorder",
        "_sent_before",
        "_timeouts",
        "idle_since",
        "stream",
    )

    def __init__(self, stream: ByteStream, limits: Limits, on_idle: Callable[[Http11Connection], None] | None) -> None:
        self.stream = stream
        self._limits = limits
        self._on_idle = on_idle
        self._h11 = self._new_h11()
        self._timeouts = Timeouts()
        self._recorder: Recorder | None = None
        self._answered = False
        self.idle_since = 0.0
        self._complete = False
        self._clean = True
        self._framed = False
        self._body_size = 0
        self._bodiless = False
        self._left: int | None = None  # bytes of a body that goes past h11
        self._sent_before = 0

    async def send(self, request: Outgoing, timeouts: Timeouts, recorder: Recorder) -> tuple[Head, Http11Connection]:
        """Send the request and read the response's head.

        Raises AttemptFailed, or ConnectionLost with `unsent` where not a byte of the request has left; the exchange
        is then closed.
        """
        self._timeouts = timeouts
        self._recorder = self.stream.recorder = recorder
        self._answered = self._complete = self._framed = False
        self._body_size = 0
        self._bodiless = request.method in (b"HEAD", b"CONNECT")
        self._left = None
        recorder.remote_address = self.stream.remote_address
        recorder.tls = self.stream.tls if request.scheme == "https" else None  # else it is the proxy's
        try:
            recorder.begin("send")
            await self._send(request)
            recorder.begin("wait")
            head = await self._read_head()
        except BaseException:
            self._clean = False
            self.close()
            raise
        recorder.begin("receive")
        return head, self

    async def _send(self, request: Outgoing) -> None:
        self._sent_before = self.stream.sent
        try:
            for data in self._encoded(request):
                await self.stream.write(data, self._timeouts.write)
        except OSError as error:
            if not self.stream.readable():
                raise self._lost(error) from None
            # The server may have answered, and closed, before it had read everything.
            self._clean = False

    def _lost(self, error: OSError | None) -> AttemptFailed:
        """The connection is gone and no answer will come."""
        if isinstance(error, ssl.SSLError):
            return AttemptFailed(*describe(error))
        message = "the server closed the connection without an answer" if error is None else describe(error)[1]
        return ConnectionLost(message, unsent=self.stream.sent == self._sent_before)

    async def read(self) -> bytes:
        """The next bytes of the body, none at its end. Raises AttemptFailed."""
        if self._left is not None:
            return await self._read_past(self._left)
        while not self._complete:
            event = self._next_event()
            if type(event) is h11.Data:
                self._body_size += len(event.data)
                return bytes(event.data)
            if event is h11.NEED_DATA:
                data = await self._receive()
                self._h11.receive_data(data)
                if not data:
                    self._expect_end()
            else:
                self._end(event)
        return b""

    async def _read_past(self, left: int) -> bytes:
        if not left:
            return b""
        data = b""
        if not self._body_size:
            data = self._h11.trailing_data[0]  # what came with the head
        if not data:
            data = await self._receive(min(left, _READ_LONG))
        if not data:
            self._expect_end()
        self._body_size += len(data)
        self._left = left - len(data)
        if not self._left:
            self._end(h11.EndOfMessage())
        return data

    def close(self) -> None:
        """Give the connection back if it can be used again, else close it."""
        recorder, self._recorder = self._recorder, None
        self.stream.recorder = None
        if recorder is not None and self._answered and not self._complete and self._left is None:
            self._skip_buffered()
        if recorder is not None and self._on_idle is not None and self._reusable():
            if self._left is None:
                self._h11.start_next_cycle()
            else:
                self._h11 = self._new_h11()
            self.idle_since = time.monotonic()
            self._on_idle(self)
        else:
            self.discard()

    def tunnelled(self) -> bool:
        """After a successful CONNECT: whether the stream is at the first byte of the tunnel."""
        return not self._h11.trailing_data[0]

    def fresh(self) -> bool:
        """Whether nothing has happened since it became idle."""
        return not self.stream.readable()

    def discard(self) -> None:
        """Close the socket."""
        self._on_idle = None
        self.stream.close()

    def _new_h11(self) -> h11.Connection:
        return h11.Connection(h11.CLIENT, max_incomplete_event_size=self._limits.max_header_bytes)

    def _reusable(self) -> bool:
        # Where either side wants the connection closed, our state is MUST_CLOSE as soon as the head is there.
        if not (self._complete and self._clean and self._h11.our_state is h11.DONE):
            return False
        if self._left is not None:
            return True  # nothing was read beyond the body
        return self._h11.their_state is h11.DONE and self._h11.trailing_data == (b"", False)

    def _encoded(self, request: Outgoing) -> list[bytes]:
        try:
            parts = [
                self._h11.send(h11.Request(method=request.method, target=request.target, headers=request.headers)),
                self._h11.send(h11.Data(data=request.body)) if request.body else b"",
                self._h11.send(h11.EndOfMessage()),
            ]
        except h11.LocalProtocolError as error:
            raise AttemptFailed(ErrorKind.PROTOCOL, f"not a valid request: {error}") from None
        if len(request.body) <= _ONE_WRITE:
            return [b"".join(parts)]
        return [part for part in parts if part]

    async def _read_head(self) -> Head:
        begun = False
        informational = 0
        while True:
            event = self._next_event()
            if event is h11.NEED_DATA:
                data = await self._receive()
                if not data and self._answered:
                    raise AttemptFailed(ErrorKind.RESET, "the server closed the connection inside the headers")
                if not data:
                    raise self._lost(None)
                if not begun:
                    _check_start(data)
                begun = self._answered = True
                self._h11.receive_data(data)
            elif type(event) is h11.InformationalResponse:
                informational += 1
                if event.status_code == 101:
                    raise AttemptFailed(ErrorKind.PROTOCOL, "the server switched protocols without being asked (101)")
                if informational > MAX_INFORMATIONAL:
                    raise AttemptFailed(ErrorKind.PROTOCOL, f"more than {MAX_INFORMATIONAL} interim responses")
                begun = bool(self._h11.trailing_data[0])
            elif type(event) is h11.Response:
                return self._head(event)
            else:
                raise AttemptFailed(ErrorKind.PROTOCOL, "the answer is not a response")

    def _head(self, event: h11.Response) -> Head:
        headers = event.headers.raw_items()
        check_size(headers, self._limits)
        fields = {name.lower(): value for name, value in headers}  # h11's own view of them takes far longer to walk
        self._goes_past(event, fields)
        self._framed = b"content-length" in fields or b"transfer-encoding" in fields
        if b"content-length" in fields and b"transfer-encoding" in fields:
            # Transfer-Encoding wins, and nothing behind it can be trusted (RFC 9112 section 6.3).
            self._clean = False
        return Head(event.status_code, event.reason, f"HTTP/{event.http_version.decode('ascii')}", headers)

    def _goes_past(self, event: h11.Response, fields: dict[bytes, bytes]) -> None:
        """Whether the body is long and ends after so many bytes (RFC 9112 section 6.3)."""
        if self._bodiless or event.status_code in (204, 304) or b"transfer-encoding" in fields:
            return
        length = int(fields.get(b"content-length", b"0"))  # h11 has left one, and that of digits
        if length - len(self._h11.trailing_data[0]) >= _LONG:
            self._left = length

    def _next_event(self) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            text = str(error)
        if text == "Receive buffer too long":
            text = f"more than {self._limits.max_header_bytes} bytes of headers"
        raise AttemptFailed(ErrorKind.PROTOCOL, text[:200])

    def _expect_end(self) -> None:
        """The server closed: right only where the end of the connection is the end of the body."""
        if self._framed or self.stream.truncated:
            raise AttemptFailed(ErrorKind.INCOMPLETE, f"closed by the server after {self._body_size} bytes of the body")
        self._end(self._next_event())

    def _end(self, event: object) -> None:
        if type(event) is not h11.EndOfMessage:
            self._clean = False
        self._complete = True
        if self._recorder is not None:
            self._recorder.end()

    def _skip_buffered(self) -> None:
        """A body that has come whole need not be read to keep the connection."""
        try:
            while (event := self._h11.next_event()) is not h11.NEED_DATA:
                if type(event) is not h11.Data:
                    self._end(event)
                    return
        except h11.RemoteProtocolError:
            self._clean = False

    async def _receive(self, max_bytes: int = _READ) -> bytes:
        try:
            return await self.stream.read(max_bytes, self._timeouts.read)
        except OSError as error:
            if self._answered:
                raise AttemptFailed(*describe(error)) from None
            raise self._lost(error) from None


def _check_start(data: bytes) -> None:
    """Refuse at once what cannot become a response, instead of waiting for the end of its headers."""
    if data.startswith(_START) or _START.startswith(data[: len(_START)]):
        return
    if data[0] in (0x15, 0x16):
        raise AttemptFailed(ErrorKind.PROTOCOL, "the server speaks TLS on this port: try https")
    raise AttemptFailed(ErrorKind.PROTOCOL, f"the answer is not HTTP: {data[:40]!r}")
