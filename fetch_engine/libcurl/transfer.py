"""One of libcurl's handles, and the exchange that it carries at the moment."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections import deque
from collections.abc import Callable, Set

import pycurl  # type: ignore[import-untyped]

from fetch_engine.http.chunked import ChunkDecoder
from fetch_engine.http.exchange import MAX_INFORMATIONAL
from fetch_engine.http.heads import BLANK, LONGEST_LINE, ReadHead, read_head
from fetch_engine.libcurl.failures import describe_code
from fetch_engine.libcurl.loop import CurlLoop
from fetch_engine.libcurl.options import RequestOptions
from fetch_engine.libcurl.phases import phases
from fetch_engine.libcurl.places import authority, place_of
from fetch_engine.libcurl.sockets import Ends, Sockets, local_port
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest
from fetch_engine.net.socket_budget import OUT_OF_DESCRIPTORS

_AHEAD = 256 * 1024  # bytes received before anybody wants them, where the other transfers have many of those too
_MOST_AHEAD = 2 * 1024 * 1024  # in any case: more than comes between two turns of the loop
_ALL_AHEAD = 16 * 1024 * 1024  # of all transfers; past it each has _AHEAD
_LAST_CHANCE = 0.005  # seconds
_NONE_YET = Timeouts()
_REFUSED = -1  # from a callback: end the transfer


class Transfer:
    """Carries one exchange after another: `start`, `head`, `read` until it gives nothing, `end`.

    configure: sets what holds for all requests of the transport. verify: whether certificates are checked. known: hosts
    and ports whose addresses need no look-up.
    """

    __slots__ = (
        "_ahead",
        "_armed",
        "_blocked",
        "_chunks",
        "_connected",
        "_curl",
        "_deadline",
        "_decoded",
        "_decoder",
        "_descriptor",
        "_ends",
        "_failure",
        "_head",
        "_header_bytes",
        "_header_lines",
        "_interim",
        "_known",
        "_limits",
        "_lines",
        "_loop",
        "_moved",
        "_no_socket",
        "_opened",
        "_options",
        "_over",
        "_patience",
        "_paused",
        "_recorder",
        "_request",
        "_sent",
        "_sockets",
        "_tries",
        "_unsent",
        "_waiter",
        "met_dead_ones",
        "met_stale_one",
        "short_of_descriptors",
    )

    def __init__(
        self,
        loop: CurlLoop,
        limits: Limits,
        sockets: Sockets,
        configure: Callable[[pycurl.Curl], None],
        *,
        verify: bool,
        known: Set[tuple[str, int]],
    ) -> None:
        self._known = known
        self._loop = loop
        self._limits = limits
        self._sockets = sockets
        self._deadline: asyncio.TimerHandle | None = None
        self._armed = 0.0
        self._lines: list[bytes] = []
        self._chunks: deque[bytes] = deque()  # as they came
        self._decoded: deque[bytes] = deque()  # of a body in chunks, as it was found at the end
        self._waiter: asyncio.Future[None] | None = None
        self._forget()
        curl = self._curl = pycurl.Curl()
        configure(curl)
        self._options = RequestOptions(curl, verify=verify)
        curl.setopt(pycurl.HEADERFUNCTION, self._on_header)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        curl.setopt(pycurl.PREREQFUNCTION, self._on_connected)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def _forget(self) -> None:
        self._request: WireRequest | None = None
        self._recorder: Recorder | None = None
        self._patience = _NONE_YET
        self._head: ReadHead | None = None
        self._decoder: ChunkDecoder | None = None
        self._failure: tuple[ErrorKind, str] | None = None
        self._over = True
        self._connected = self._paused = False
        self._ahead = self._header_bytes = self._header_lines = self._interim = self._sent = self._tries = 0
        self._opened: list[int] = []
        self._descriptor: int | None = None
        self._ends: Ends | None = None
        self._unsent = False
        self._no_socket: str | None = None
        self._blocked: str | None = None
        self._moved = 0.0
        self.short_of_descriptors = False
        self.met_dead_ones = self.met_stale_one = False
        self._lines.clear()
        self._chunks.clear()
        self._decoded.clear()

    # For the transport

    def start(
        self, request: WireRequest, lines: list[bytes], timeouts: Timeouts, recorder: Recorder, *, fresh: bool = False
    ) -> None:
        """Begin. lines: the header fields as libcurl takes them. fresh: on no connection that was kept. Raises
        AttemptFailed (protocol)."""
        self._options.set(request, lines, timeouts.connect, fresh=fresh)
        self._request, self._recorder, self._patience = request, recorder, timeouts
        self._over = False
        recorder.begin("connect")
        self._loop.add(self._curl, self)

    async def head(self) -> ReadHead:
        """The head of the response. Raises AttemptFailed."""
        while self._head is None and self._failure is None:
            await self._wait()
        self._note_phases()
        if self._head is not None:
            return self._head
        assert self._failure is not None
        raise AttemptFailed(*self._failure, unsent=self._unsent)

    async def read(self) -> bytes:
        """The next bytes of the body, none at its end. Raises AttemptFailed."""
        decoder = self._decoder
        if decoder is None:
            return await self._read()
        while not decoder.ended:
            if self._decoded:
                return self._decoded.popleft()
            if decoder.is_stuck:
                raw = await self._read()
                if raw:
                    decoder.feed(raw)
                elif decoder.ended or self._decoded:
                    continue  # the end came while this waited, and was decoded there
                else:
                    raise AttemptFailed(ErrorKind.INCOMPLETE, "closed by the server inside the body")
            else:
                await asyncio.sleep(0)  # there are very many chunks
            if data := self._step(decoder):
                return data
        return self._decoded.popleft() if self._decoded else b""

    def _step(self, decoder: ChunkDecoder) -> bytes:
        try:
            return decoder.step()
        except AttemptFailed as failure:
            self._refuse(failure.kind, failure.message)
            raise

    async def _read(self) -> bytes:
        """The next bytes as they came."""
        while not self._chunks and not self._over:
            await self._wait()
        if self._chunks:
            data = self._take_chunks()
            if self._paused:
                self._paused = False
                self._curl.pause(pycurl.PAUSE_CONT)
                # A peer that is always ahead must not keep the loop.
                await asyncio.sleep(0)
            return data
        if self._failure is not None:
            raise AttemptFailed(*self._failure)
        return b""

    def _take_chunks(self) -> bytes:
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._loop.ahead -= self._ahead
        self._ahead = 0
        return data

    def end(self) -> bool:
        """The exchange is over, whatever is missing of it; the connection is then closed. False: take another
        transfer for the next one."""
        if not self._over:
            self._loop.remove(self._curl)
        self._options.forget_body()
        if self._ends is not None:
            self._keep(self._ends)
            self._sockets.leave(self._ends, self)
        if self._head is None and self._recorder is not None:
            self._recorder.bytes_received += self._header_bytes
        self._loop.ahead -= self._ahead
        # libcurl counts how often a kept connection was dead, and after five times in the life of a handle gives up.
        is_good = self._tries <= 1
        self._forget()
        return is_good

    def close(self) -> None:
        """Free the handle."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._curl.close()

    def ended(self, code: int, text: str) -> None:
        """Called by the loop."""
        self._over = True
        if self._failure is None:
            if code:
                self._unsent = not self._connected
                self.met_dead_ones = code == 55 and self._tries > 1
                self._failure = self._described(code, text)
            elif self._head is None:
                inside = " inside the headers" if self._header_bytes else " without an answer"
                self._failure = ErrorKind.RESET, f"the server closed the connection{inside}"
        if self._recorder is not None:
            self._recorder.end()
        if self._ends is not None:
            self._decode_end()
            self._keep(self._ends)
        self._wake()

    def _decode_end(self) -> None:
        """Find the end of a short body in chunks, so that the next request may follow before this one is read."""
        decoder = self._decoder
        if decoder is None or self._failure is not None or not (decoder.is_stuck and self._chunks):
            return
        decoder.feed(self._take_chunks())
        with contextlib.suppress(AttemptFailed):
            if data := self._step(decoder):
                self._decoded.append(data)

    def _keep(self, ends: Ends) -> None:
        if self._over and self._failure is None and (descriptor := self.left_fine()) >= 0:
            self._sockets.keep(ends, descriptor, self)

    def _described(self, code: int, text: str) -> tuple[ErrorKind, str]:
        if self._blocked is not None and not self._opened:
            return ErrorKind.BLOCKED, f"address {self._blocked} of the host is not allowed"
        os_error = self._curl.getinfo(pycurl.OS_ERRNO)
        if self._no_socket is not None and not self._opened:
            return ErrorKind.CONNECT, f"no connection to {self._where()}: {self._no_socket}"
        if code == pycurl.E_COULDNT_CONNECT and self._where().endswith(":0"):
            return ErrorKind.INVALID_URL, "port 0 does not exist"
        if code == pycurl.E_COULDNT_CONNECT and not self._opened:
            host = "" if self._request is None else authority(self._request.url)
            return ErrorKind.DNS, f"{host} has no address that may be used"
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return (
                ErrorKind.TIMEOUT_CONNECT,
                f"no connection to {self._where()} within {self._patience.connect or 0:g} s",
            )
        return describe_code(code, text, os_error, self._where(), answered=self._head is not None)

    # Waiting

    async def _wait(self) -> None:
        """Until something has come, or nothing came for too long."""
        loop = asyncio.get_running_loop()
        self._moved = time.monotonic()
        waiter = self._waiter = loop.create_future()
        seconds = self._patience.read
        if seconds is not None and self._patience.write is not None:
            seconds = min(seconds, self._patience.write)
        seconds = seconds or self._patience.write
        if seconds is not None and (self._deadline is None or seconds < self._armed):
            self._arm(seconds, seconds)
        try:
            await waiter
        finally:
            self._waiter = None

    def _arm(self, delay: float, seconds: float, again: bool = False) -> None:
        """Have patience looked at. The timer outlasts what is waited for, since one for each wait costs more."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._armed = seconds
        self._deadline = asyncio.get_running_loop().call_later(delay, self._check_patience, seconds, again)

    def _check_patience(self, seconds: float, again: bool) -> None:
        self._deadline = None
        if self._waiter is None:
            return
        limit, failure = self._patience_now(time.monotonic())
        left = self._moved + limit - time.monotonic()
        if left > 0:
            self._arm(min(left, seconds), seconds)
        elif not again:
            # Where the loop was kept for long, timers come before what has arrived meanwhile.
            self._arm(_LAST_CHANCE, seconds, True)
        else:
            self._failure = failure
            self._loop.remove(self._curl)
            self._over = True
            self._wake()

    def _patience_now(self, now: float) -> tuple[float, tuple[ErrorKind, str]]:
        """How long nothing may move in what happens now, and what it is if nothing does."""
        read, write = self._patience.read, self._patience.write
        active = self._loop.moved(self._curl) > self._moved
        never = read or float("inf")
        if self._head is not None and active:
            return never, (ErrorKind.PROTOCOL, f"bytes came for {never:g} s, and none of the body")
        if active:
            self._moved = self._loop.moved(self._curl)  # a part of a line is no callback
        if not self._connected:
            self._moved = now  # libcurl's own business until then
        elif self._request is not None and self._request.body:
            sent = int(self._curl.getinfo(pycurl.SIZE_UPLOAD_T))
            if sent > self._sent:
                self._sent, self._moved = sent, now
            if sent < len(self._request.body) and self._head is None:
                never = write or float("inf")
                return never, (ErrorKind.TIMEOUT_WRITE, f"nothing could be sent for {never:g} s")
        return never, (ErrorKind.TIMEOUT_READ, f"nothing received for {never:g} s")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What libcurl calls

    def _open_socket(self, _purpose: int, address: tuple[int, int, int, tuple[str, int]]) -> int:
        family, kind, protocol, place = address
        if self._sockets.passes_over(family):
            return int(pycurl.SOCKET_BAD)
        ip = place[0] if isinstance(place[0], str) else bytes(place[0]).decode("ascii")
        if self._sockets.address_filter is not None and not self._sockets.address_filter(ip):
            self._blocked = ip
            return int(pycurl.SOCKET_BAD)
        try:
            self._opened.append(self._sockets.open(family, kind, protocol))
            return self._opened[-1]
        except OSError as error:
            self._no_socket = os.strerror(error.errno or errno.EIO).lower()
            self.short_of_descriptors |= error.errno in OUT_OF_DESCRIPTORS
            return int(pycurl.SOCKET_BAD)

    def _on_connected(self, address: str, local: str, port: int, own_port: int) -> int:
        """Before the request leaves, on a connection that is new or was kept."""
        self._ends = address, local, port, own_port
        self._descriptor = self._own_descriptor(own_port) or self._sockets.take(self._ends)
        if self._descriptor is None:
            self.met_stale_one = True
            return int(pycurl.PREREQFUNC_ABORT)
        self._sockets.carry(self._ends, self)
        self._connected = True
        self._tries += 1
        self._moved = time.monotonic()
        if self._recorder is not None:
            self._recorder.remote_address = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            self._recorder.begin("send" if self._request is not None and self._request.body else "wait")
        return 0

    def _own_descriptor(self, own_port: int) -> int | None:
        """That of the connection, if it was opened for this exchange."""
        if not self._opened:
            return None
        return next((each for each in self._opened if local_port(each) == own_port), None)

    def _on_header(self, line: bytes) -> int | None:
        self._header_bytes += len(line)
        if self._header_bytes > self._limits.max_header_bytes:
            return self._refuse(ErrorKind.PROTOCOL, f"more than {self._limits.max_header_bytes} bytes of headers")
        if line not in BLANK:
            self._lines.append(line)
            self._header_lines += 1
            if len(line) > LONGEST_LINE:
                return self._refuse(ErrorKind.PROTOCOL, f"a header line of more than {LONGEST_LINE} bytes")
            if self._header_lines > self._limits.max_headers + self._interim + 1:
                return self._refuse(ErrorKind.PROTOCOL, f"more than {self._limits.max_headers} header fields")
            return None
        try:
            self._take_head()
        except AttemptFailed as failure:
            return self._refuse(failure.kind, failure.message)
        return None

    def _take_head(self) -> None:
        """Raises AttemptFailed."""
        head = read_head(self._lines, self._limits)
        self._lines.clear()
        self._moved = time.monotonic()
        if head.status == 101:
            raise AttemptFailed(ErrorKind.PROTOCOL, "the server switched protocols without being asked (101)")
        if head.status < 200:
            self._interim += 1
            if self._interim > MAX_INFORMATIONAL:
                raise AttemptFailed(ErrorKind.PROTOCOL, f"more than {MAX_INFORMATIONAL} interim responses")
            return
        self._head = head
        if head.is_chunked and self._request is not None and self._request.method != "HEAD":
            self._decoder = ChunkDecoder(self._limits) if head.status not in (204, 304) else None
        if self._recorder is not None:
            for warning in head.warnings():
                self._recorder.warn(warning)
            self._recorder.bytes_received += self._header_bytes
            self._recorder.begin("receive")
        self._wake()

    def _on_body(self, data: bytes) -> int | None:
        most = _MOST_AHEAD if self._decoder is None and self._loop.ahead < _ALL_AHEAD else _AHEAD
        if self._ahead >= most:
            self._paused = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self._chunks.append(data)
        self._ahead += len(data)
        self._loop.ahead += len(data)
        self._moved = time.monotonic()
        if self._recorder is not None:
            self._recorder.bytes_received += len(data)
        self._wake()
        return None

    def _refuse(self, kind: ErrorKind, message: str) -> int:
        self._failure = kind, message
        return _REFUSED

    def _note_phases(self) -> None:
        """Part the time as libcurl saw it. Not in a callback, where libcurl tells nothing."""
        recorder, request = self._recorder, self._request
        if recorder is not None and request is not None and self._connected:
            answered = self._head is not None
            recorder.phases = phases(self._curl, recorder.phases, request.url, self._known, answered=answered)

    def left_fine(self) -> int:
        """As a `Carrier`. libcurl closes a connection that it has read too much from, or that is to be closed."""
        fine = not self._options.secure and self._head is not None and not self._head.is_last
        if self._decoder is not None:
            fine = fine and self._decoder.ended and not self._decoder.rest
        return self._descriptor if fine and self._descriptor is not None else -1

    def _where(self) -> str:
        return "" if self._request is None else place_of(self._request.url)
