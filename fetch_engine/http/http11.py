"""One HTTP/1.1 connection over a byte stream, one exchange at a time (RFC 9112)."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable

import anyio.lowlevel

from fetch_engine.http.chunked import ChunkDecoder
from fetch_engine.http.exchange import MAX_INFORMATIONAL, ConnectionLost
from fetch_engine.http.heads import LONGEST_LINE, ReadHead, read_head, shown
from fetch_engine.http.request_bytes import encoded
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.wire import RawRequest, ResponseHead
from fetch_engine.net.failures import describe
from fetch_engine.net.streams import ByteStream

_READ = 64 * 1024
_READ_LONG = 1024 * 1024  # measured: a quarter of the CPU of 64 KiB
_START = b"HTTP/1."
_HEAD_END = re.compile(rb"\n\r?\n")
_MOST_SKIPPED = 4  # steps of a body in chunks that nobody wants


class Http11Connection:
    """A connection that carries one exchange after another. `on_idle` takes it back when the next may follow.

    `close` ends the exchange and may be called at any time: where the response was not read to its end, or anything
    follows it that was not asked for, the socket is closed, since what comes next would be taken for the answer to
    the next request.
    """

    __slots__ = (
        "_answered",
        "_bodiless",
        "_body_size",
        "_chunks",
        "_clean",
        "_complete",
        "_framed",
        "_left",
        "_limits",
        "_on_idle",
        "_recorder",
        "_sent_before",
        "_timeouts",
        "_unread",
        "idle_since",
        "stream",
    )

    def __init__(self, stream: ByteStream, limits: Limits, on_idle: Callable[[Http11Connection], None] | None) -> None:
        self.stream = stream
        self._limits = limits
        self._on_idle = on_idle
        self._timeouts = Timeouts()
        self._recorder: Recorder | None = None
        self.idle_since = 0.0
        self._clean = True  # the next request may follow, as far as is known
        self._unread = b""  # came with the head
        self._sent_before = 0
        self._begin(bodiless=False)

    def _begin(self, *, bodiless: bool) -> None:
        self._answered = self._complete = self._framed = False
        self._bodiless = bodiless
        self._body_size = 0
        self._left: int | None = None  # bytes of a body of a known length
        self._chunks: ChunkDecoder | None = None

    async def send(
        self, request: RawRequest, timeouts: Timeouts, recorder: Recorder
    ) -> tuple[ResponseHead, Http11Connection]:
        """Send the request and read the response's head.

        Raises AttemptFailed, or ConnectionLost with `unsent` where not a byte of the request has left; the exchange
        is then closed.
        """
        self._timeouts = timeouts
        self._recorder = self.stream.recorder = recorder
        self._begin(bodiless=request.method in (b"HEAD", b"CONNECT"))
        recorder.remote_address = self.stream.remote_address
        recorder.tls = self.stream.tls if request.scheme == "https" else None  # else it is the proxy's
        try:
            recorder.begin("send")
            await self._send(request)
            recorder.begin("wait")
            head = self._take_head(await self._read_head())
        except BaseException:
            self._clean = False
            self.close()
            raise
        recorder.begin("receive")
        return head, self

    async def _send(self, request: RawRequest) -> None:
        self._sent_before = self.stream.sent
        try:
            for data in encoded(request):
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

    async def _read_head(self) -> ReadHead:
        """The first head that is not interim."""
        buffer = bytearray(self._unread)
        size = fields = informational = 0
        while True:
            end = await self._head_end(buffer, self._limits.max_header_bytes - size)
            lines = [line + b"\n" for line in bytes(buffer[:end]).split(b"\n")[:-2]]
            del buffer[:end]
            size += end
            fields += len(lines) - 1
            if fields > self._limits.max_headers:
                raise _wrong(f"more than {self._limits.max_headers} header fields")
            if any(len(line) > LONGEST_LINE for line in lines):
                raise _wrong(f"a header line of more than {LONGEST_LINE} bytes")
            head = read_head(lines, self._limits)
            if head.status >= 200:
                self._unread = bytes(buffer)
                return head
            informational += 1
            if head.status == 101:
                raise _wrong("the server switched protocols without being asked (101)")
            if informational > MAX_INFORMATIONAL:
                raise _wrong(f"more than {MAX_INFORMATIONAL} interim responses")

    async def _head_end(self, buffer: bytearray, most: int) -> int:
        """Where the head at the beginning of `buffer` ends; what lacks is read."""
        looked_at = lines = 0
        while True:
            if looked_at < len(buffer):
                _check_start(buffer)
                if len(buffer) - buffer.rfind(b"\n") - 1 > LONGEST_LINE:
                    raise _wrong(f"a header line of more than {LONGEST_LINE} bytes")
                end = _HEAD_END.search(buffer, max(0, looked_at - 2))
                if (len(buffer) if end is None else end.end()) > most:
                    raise _wrong(f"more than {self._limits.max_header_bytes} bytes of headers")
                lines += buffer.count(b"\n", looked_at, len(buffer) if end is None else end.end())
                if lines > self._limits.max_headers + 2:
                    raise _wrong(f"more than {self._limits.max_headers} header fields")
                if end is not None:
                    return end.end()
                looked_at = len(buffer)
            data = await self._receive()
            if not data and self._answered:
                raise AttemptFailed(ErrorKind.RESET, "the server closed the connection inside the headers")
            if not data:
                raise self._lost(None)
            self._answered = True
            buffer += data

    def _take_head(self, head: ReadHead) -> ResponseHead:
        if self._recorder is not None:
            for warning in head.warnings():
                self._recorder.warn(warning)
        if head.is_last:
            self._clean = False
        if self._bodiless or head.status in (204, 304):
            self._left = 0
        elif head.is_chunked:
            self._chunks = ChunkDecoder(self._limits)
            self._chunks.feed(self._unread)
            self._unread = b""
        else:
            self._left = head.length
        self._framed = head.length is not None or head.is_chunked
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.headers]
        return ResponseHead(head.status, head.reason.encode("latin-1"), head.http_version, headers)

    async def read(self) -> bytes:
        """The next bytes of the body, none at its end. Raises AttemptFailed."""
        if self._complete:
            return b""
        if self._chunks is not None:
            data = await self._read_chunks(self._chunks)
        elif self._left is None:
            data = await self._more(_READ)
        else:
            data = await self._more(min(self._left, _READ_LONG)) if self._left else b""
            self._left -= len(data)
        self._body_size += len(data)
        if not data or self._left == 0:
            self._end()
        return data

    async def _read_chunks(self, chunks: ChunkDecoder) -> bytes:
        while not chunks.ended:
            if chunks.is_stuck:
                chunks.feed(await self._more(_READ))
            else:
                await anyio.lowlevel.checkpoint()  # there are very many of them
            if data := chunks.step():
                return data
        self._unread = chunks.rest
        return b""

    async def _more(self, most: int) -> bytes:
        """What comes next, none at the end of a body that ends with the connection."""
        if self._unread:
            data, self._unread = self._unread[:most], self._unread[most:]
            return data
        data = await self._receive(most)
        if not data and (self._framed or self.stream.truncated):
            # Right only where the end of the connection is the end of the body.
            raise AttemptFailed(ErrorKind.INCOMPLETE, f"closed by the server after {self._body_size} bytes of the body")
        if not data:
            self._clean = False
        return data

    def close(self) -> None:
        """Give the connection back if it can be used again, else close it."""
        recorder, self._recorder = self._recorder, None
        self.stream.recorder = None
        if recorder is not None and self._answered and not self._complete:
            self._skip_buffered()
        if recorder is not None and self._on_idle is not None and self._reusable():
            self.idle_since = time.monotonic()
            self._on_idle(self)
        else:
            self.discard()

    def tunnelled(self) -> bool:
        """After a successful CONNECT: whether the stream is at the first byte of the tunnel."""
        return not self._unread

    def fresh(self) -> bool:
        """Whether nothing has happened since it became idle."""
        return not self.stream.readable()

    def discard(self) -> None:
        """Close the socket."""
        self._on_idle = None
        self.stream.close()

    def _reusable(self) -> bool:
        return self._complete and self._clean and not self._unread

    def _end(self) -> None:
        self._complete = True
        if self._recorder is not None:
            self._recorder.end()

    def _skip_buffered(self) -> None:
        """A body that has come whole need not be read to keep the connection."""
        if self._left is not None:
            self._complete = self._left <= len(self._unread)
            self._unread = self._unread[self._left :]
        elif self._chunks is not None:
            try:
                for _ in range(_MOST_SKIPPED):
                    self._chunks.step()
            except AttemptFailed:
                return
            self._complete = self._chunks.ended
            self._unread = self._chunks.rest

    async def _receive(self, max_bytes: int = _READ) -> bytes:
        try:
            return await self.stream.read(max_bytes, self._timeouts.read)
        except OSError as error:
            if self._answered:
                raise AttemptFailed(*describe(error)) from None
            raise self._lost(error) from None


def _check_start(data: bytearray) -> None:
    """Refuse at once what cannot become a response, instead of waiting for the end of its headers."""
    if data.startswith(_START) or _START.startswith(bytes(data[: len(_START)])):
        return
    if data[0] in (0x15, 0x16):
        raise _wrong("the server speaks TLS on this port: try https")
    raise _wrong(f"the answer is not HTTP/1.0 or 1.1: {shown(bytes(data[:80]))}")


def _wrong(why: str) -> AttemptFailed:
    return AttemptFailed(ErrorKind.PROTOCOL, why)
