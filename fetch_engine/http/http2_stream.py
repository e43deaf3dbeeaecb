"""One exchange on an HTTP/2 connection: a stream (RFC 9113 section 5)."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING

import h2.events
import h2.exceptions
from h2.errors import ErrorCodes

from fetch_engine.http.chunked import Overhead
from fetch_engine.http.exchange import MAX_INFORMATIONAL, ConnectionLost, check_size
from fetch_engine.http.heads import shown
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.numbers import status_code, whole_number
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.wire import RawRequest, ResponseHead

if TYPE_CHECKING:
    from fetch_engine.http.http2 import Http2Connection

_FRAME_HEADER = 9
_SMALL = 4096  # bytes: pieces of a body are joined up to here
# Fields that mean something between two HTTP/1.1 neighbours only (RFC 9113 section 8.2.2).
_CONNECTION_FIELDS = frozenset(
    {b"host", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)

Failure = tuple[ErrorKind, str, bool]  # kind, message, unsent


class Http2Exchange:
    """One stream of a connection."""

    __slots__ = (
        "_body_size",
        "_chunks",
        "_connection",
        "_ended",
        "_head",
        "_informational",
        "_overhead",
        "_recorder",
        "_sent",
        "_timeouts",
        "failure",
        "number",
    )

    def __init__(self, connection: Http2Connection, number: int, timeouts: Timeouts, recorder: Recorder) -> None:
        self.number = number
        self.failure: Failure | None = None
        self._connection: Http2Connection | None = connection
        self._timeouts = timeouts
        self._recorder = recorder
        self._head: ResponseHead | None = None
        self._informational = 0
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._sent = False
        self._body_size = 0
        self._overhead = Overhead()
        self._ended = False

    async def start(self, request: RawRequest) -> ResponseHead:
        """Send the request and read the response's head."""
        connection = self._connection
        assert connection is not None
        self._recorder.begin("send")
        await self._send(connection, request)
        self._recorder.begin("wait")
        if not await connection.wait(self, lambda: self._head is not None, self._timeouts.read):
            raise self._stalled()
        head = self._head
        assert head is not None
        check_size(head.headers, connection.limits)
        self._recorder.begin("receive")
        return head

    async def read(self) -> bytes:
        """The next bytes of the body, none at its end. Raises AttemptFailed."""
        connection = self._connection
        if connection is None:
            return b""
        while True:
            if not await connection.wait(self, lambda: bool(self._chunks) or self._ended, self._timeouts.read):
                raise self._stalled()
            if not self._chunks:
                self._recorder.end()
                return b""
            data, size = self._chunks.popleft()
            self._give_back(connection, size)
            await connection.flush(self._timeouts.write)
            if data:
                return data

    def close(self) -> None:
        """The response is no longer wanted: the server is told to stop if it has not."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        for _, size in self._chunks:
            self._give_back(connection, size)
        self._chunks.clear()
        if not (self._ended and self._sent) and self.failure is None and not connection.failed:
            # A stream that never got as far as its headers cannot be reset.
            with contextlib.suppress(h2.exceptions.ProtocolError):
                connection.h2.reset_stream(self.number, ErrorCodes.CANCEL)
        connection.write_nowait()
        connection.forget(self)

    def take_in(self, event: h2.events.Event) -> bool:
        """Something has come on this stream; whether it is of use."""
        try:
            return self._take_in(event)
        except AttemptFailed as failure:
            self.failure = self.failure or (failure.kind, failure.message, False)
            return False

    def _take_in(self, event: h2.events.Event) -> bool:
        if isinstance(event, h2.events.DataReceived):
            data, size = event.data or b"", event.flow_controlled_length or 0
            self._recorder.bytes_received += size + _FRAME_HEADER
            self._body_size += len(data)
            if self._chunks and len(self._chunks[-1][0]) + len(data) <= _SMALL:
                last, size_before = self._chunks.pop()
                self._chunks.append((last + data, size_before + size))
            else:
                self._chunks.append((data, size))
            self._overhead.add(size - len(data) + _FRAME_HEADER, len(data))
            return bool(data)
        if isinstance(event, h2.events.ResponseReceived):
            self._head = self._read_head(event.headers or [])
        elif isinstance(event, h2.events.InformationalResponseReceived):
            self._informational += 1
            if self._read_head(event.headers or []).status == 101:
                raise AttemptFailed(ErrorKind.PROTOCOL, "the server switched protocols without being asked (101)")
            if self._informational > MAX_INFORMATIONAL:
                raise AttemptFailed(ErrorKind.PROTOCOL, f"more than {MAX_INFORMATIONAL} interim responses")
        elif isinstance(event, h2.events.StreamEnded):
            self._ended = True
        elif isinstance(event, h2.events.StreamReset):
            code = event.error_code
            name = code.name if isinstance(code, ErrorCodes) else str(code)
            unsent = code == ErrorCodes.REFUSED_STREAM
            self.failure = (ErrorKind.RESET, f"the server reset the stream: {name}", unsent)
        else:
            return False
        return True

    def describe(self, failure: Failure) -> AttemptFailed:
        """What to raise for `failure` at this point of the exchange."""
        kind, message, unsent = failure
        if kind is not ErrorKind.RESET:
            return AttemptFailed(kind, message)
        if self._head is None:
            return ConnectionLost(message, unsent=unsent)
        return AttemptFailed(kind, f"{message} after {self._body_size} bytes of the body")

    async def _send(self, connection: Http2Connection, request: RawRequest) -> None:
        fields = [
            (b":method", request.method),
            (b":authority", next((value for name, value in request.headers if name.lower() == b"host"), b"")),
            (b":scheme", request.scheme.encode("ascii")),
            (b":path", request.target),
        ]
        fields += [(name.lower(), value) for name, value in request.headers if name.lower() not in _CONNECTION_FIELDS]
        try:
            connection.h2.send_headers(self.number, fields, end_stream=not request.body)
        except h2.exceptions.ProtocolError as error:
            raise AttemptFailed(ErrorKind.PROTOCOL, f"not a valid request: {error}") from None
        await connection.flush(self._timeouts.write)
        await self._send_body(connection, request.body)

    async def _send_body(self, connection: Http2Connection, body: bytes) -> None:
        def room() -> int:
            return min(connection.h2.local_flow_control_window(self.number), connection.h2.max_outbound_frame_size)

        sent = 0
        self._sent = not body
        while sent < len(body):
            # A server may answer, and stop listening, before it has everything (RFC 9113 section 8.1).
            if not await connection.wait(self, lambda: self._over() or room() > 0, self._timeouts.write):
                message = f"nothing could be sent for {self._timeouts.write:g} s"
                raise AttemptFailed(ErrorKind.TIMEOUT_WRITE, message)
            if self._over():
                return
            part = body[sent : sent + room()]
            sent += len(part)
            self._sent = sent == len(body)
            connection.h2.send_data(self.number, part, end_stream=self._sent)
            connection.budget.earn()  # the server makes room again, frame by frame
            await connection.flush(self._timeouts.write)

    def _stalled(self) -> AttemptFailed:
        return AttemptFailed(ErrorKind.TIMEOUT_READ, f"nothing received for {self._timeouts.read:g} s")

    def _over(self) -> bool:
        return self._ended or self.failure is not None

    def _read_head(self, fields: list[tuple[bytes, bytes]]) -> ResponseHead:
        self._recorder.bytes_received += sum(len(name) + len(value) for name, value in fields) + _FRAME_HEADER
        given = next((bytes(value) for name, value in fields if name == b":status"), b"")
        try:
            status = status_code(given)
        except ValueError:
            raise AttemptFailed(ErrorKind.PROTOCOL, f"status {shown(given)} is not one from 100 to 599") from None
        lengths = {bytes(value) for name, value in fields if name == b"content-length"}
        if not all(map(_is_length, lengths)) or len(lengths) > 1:
            # h2 reads +5 and 1_0, and the first of two.
            raise AttemptFailed(ErrorKind.PROTOCOL, "bad Content-Length")
        return ResponseHead(status, b"", "HTTP/2", [(bytes(n), bytes(v)) for n, v in fields if not n.startswith(b":")])

    def _give_back(self, connection: Http2Connection, size: int) -> None:
        if size and not connection.failed:
            connection.h2.acknowledge_received_data(size, self.number)


def _is_length(text: bytes) -> bool:
    try:
        whole_number(text.decode("latin-1"))
    except ValueError:
        return False
    return True
