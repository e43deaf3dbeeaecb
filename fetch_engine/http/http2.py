"""One HTTP/2 connection: h2 over a byte stream, shared by many exchanges (RFC 9113)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import anyio
import anyio.lowlevel
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from fetch_engine.http.exchange import ConnectionLost
from fetch_engine.http.http2_fields import BoundedDecoder
from fetch_engine.http.http2_frames import FrameBudget, FrameSplitter, GoAway
from fetch_engine.http.http2_stream import Failure, Http2Exchange
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.wire import RawRequest, ResponseHead
from fetch_engine.net.failures import describe
from fetch_engine.net.streams import ByteStream, deadline_in

# It logs every header at DEBUG, secrets too: that is for those who ask for it by its name.
if logging.getLogger("hpack").level == logging.NOTSET:
    logging.getLogger("hpack").setLevel(logging.INFO)

_READ = 64 * 1024
_STREAM_WINDOW = 1 << 20
_CONNECTION_WINDOW = 1 << 24
_FRAMES_A_TURN = 50  # h2 takes some 30 µs for one
_TURNS_WHEN_IDLE = 4


class Http2Connection:
    """A connection that carries many exchanges at once.

    `on_idle` is told when the last of them is over, `on_gone` when no more can begin.

    There is no task of its own: of those that wait for the server, one reads for all, and hands over when it has what
    it wants, times out or is cancelled.
    """

    def __init__(
        self,
        stream: ByteStream,
        limits: Limits,
        on_idle: Callable[[Http2Connection], None],
        on_gone: Callable[[Http2Connection], None],
    ) -> None:
        self.idle_since = 0.0
        self.limits = limits
        self._stream = stream
        stream.recorder = None  # of the request it was opened for; what comes now is counted frame by frame
        self._on_idle = on_idle
        self._on_gone = on_gone
        self._frames = FrameSplitter()
        self.budget = FrameBudget()
        self._exchanges: dict[int, Http2Exchange] = {}
        self._waiting: dict[Http2Exchange, anyio.Event] = {}
        self._reading = False
        self._writing = False
        self._retired = False
        self._failure: Failure | None = None
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        codes = h2.settings.SettingCodes
        self.h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                codes.ENABLE_PUSH: 0,
                codes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
                codes.MAX_HEADER_LIST_SIZE: limits.max_header_bytes,
            },
        )
        # One more for the status, and each counts 32 bytes more than it has (RFC 9113 section 6.5.2).
        self.h2.decoder = BoundedDecoder(limits.max_headers + 1, limits.max_header_bytes + 32 * limits.max_headers)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(_CONNECTION_WINDOW - 65535)

    @property
    def active(self) -> bool:
        """Whether an exchange is under way."""
        return bool(self._exchanges)

    @property
    def failed(self) -> bool:
        """Whether the socket is closed."""
        return self._failure is not None

    @property
    def available(self) -> bool:
        """Whether one more exchange may begin (RFC 9113 section 5.1.2)."""
        return (
            not self._retired
            and self._failure is None
            and len(self._exchanges) < self.h2.remote_settings.max_concurrent_streams
        )

    async def send(
        self, request: RawRequest, timeouts: Timeouts, recorder: Recorder
    ) -> tuple[ResponseHead, Http2Exchange]:
        """Send the request and read the response's head. Raises AttemptFailed, the exchange being closed then."""
        recorder.remote_address = self._stream.remote_address
        recorder.tls = self._stream.tls
        try:
            number = self.h2.get_next_available_stream_id()
        except h2.exceptions.NoAvailableStreamIDError:
            self._retired = True
            raise ConnectionLost("the connection has carried all the requests it can", unsent=True) from None
        exchange = Http2Exchange(self, number, timeouts, recorder)
        self._exchanges[number] = exchange
        try:
            return await exchange.start(request), exchange
        except BaseException:
            exchange.close()
            raise

    def fresh(self) -> bool:
        """Take in what has come since it became idle; whether it can still be used."""
        try:
            for _ in range(_TURNS_WHEN_IDLE):
                if self._failure is None and not self._frames.has_more:
                    data = self._stream.read_nowait(_READ)
                    if data is None:
                        self.write_nowait()
                        return self.available
                    self._feed(data)
                self._take_in()
        except OSError as error:
            self._fail(*describe(error))
        self.discard()  # whoever has so much to say to nobody
        return False

    def discard(self) -> None:
        """Close the socket; exchanges under way fail."""
        if self._failure is None:
            self.h2.close_connection()
            self.write_nowait()
        self._fail(ErrorKind.RESET, "connection closed under the request")

    async def wait(self, exchange: Http2Exchange, ready: Callable[[], bool], seconds: float | None) -> bool:
        """Until `ready()`, reading for all if nobody else does; False after `seconds`. Raises AttemptFailed."""
        with anyio.CancelScope(deadline=deadline_in(seconds)):
            while not ready():
                failure = exchange.failure or self._failure
                if failure is not None:
                    raise exchange.describe(failure)
                if self._reading:
                    event = self._waiting[exchange] = anyio.Event()
                    try:
                        await event.wait()
                    finally:
                        self._waiting.pop(exchange, None)
                        if not self._reading:
                            self._hand_over()
                else:
                    await self._read()
            return True
        return False

    async def flush(self, seconds: float | None) -> None:
        """Send what h2 has to say, unless somebody is at it, who will then send this too."""
        if self._writing or self._failure is not None:
            return
        self._writing = True
        try:
            while data := self.h2.data_to_send(_READ):
                await self._stream.write(data, seconds)
        except OSError as error:
            self._fail(*describe(error))
        except BaseException:
            # Half a frame may be out, and nobody else can finish it.
            self._fail(ErrorKind.RESET, "connection lost while sending")
            raise
        finally:
            self._writing = False

    def write_nowait(self) -> None:
        """As `flush`, but what the kernel does not take at once waits for the next write."""
        if not self._writing and self._failure is None:
            try:
                self._stream.write_nowait(self.h2.data_to_send())
            except OSError as error:
                self._fail(*describe(error))

    def forget(self, exchange: Http2Exchange) -> None:
        """The exchange is over."""
        del self._exchanges[exchange.number]
        if self._exchanges or self._failure is not None:
            return
        if self._retired:
            self.discard()
        else:
            self.idle_since = time.monotonic()
            self._on_idle(self)

    async def _read(self) -> None:
        self._reading = True
        try:
            if self._frames.has_more:
                await anyio.lowlevel.checkpoint()
            else:
                self._feed(await self._stream.read(_READ, None))
            self._take_in()
            await self.flush(None)
        except OSError as error:
            self._fail(*describe(error))
        finally:
            self._reading = False
            self._hand_over()

    def _hand_over(self) -> None:
        """Let one of those that wait read next."""
        if self._waiting:
            next(iter(self._waiting.values())).set()

    def wake(self, exchange: Http2Exchange) -> None:
        """Something has come for `exchange`."""
        event = self._waiting.get(exchange)
        if event is not None:
            event.set()

    def _feed(self, data: bytes) -> None:
        if data:
            self._frames.feed(data)
        else:
            self._fail(ErrorKind.RESET, "closed by the server")

    def _take_in(self) -> None:
        """What has come, as much of it as fits into a turn of the loop."""
        if self._failure is not None:
            return
        try:
            part = self._frames.take(_FRAMES_A_TURN)
            if not self.budget.spend(self._frames.taken):
                self.h2.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
                self.write_nowait()
                self._fail(ErrorKind.PROTOCOL, "too many frames from the server that carry nothing")
            elif isinstance(part, GoAway):
                self._leave(part)
            elif part is not None:
                for event in self.h2.receive_data(part):
                    self._dispatch(event)
        except h2.exceptions.ProtocolError as error:
            self.write_nowait()
            kind, message = describe(error)
            # Nobody can tell whose fault it was; those who share the connection may try again.
            self._fail(kind if len(self._exchanges) == 1 else ErrorKind.RESET, message)

    def _dispatch(self, event: h2.events.Event) -> None:
        number = getattr(event, "stream_id", None)
        if number:
            exchange = self._exchanges.get(number)
            if exchange is not None:
                if exchange.take_in(event):
                    self.budget.earn()
                self.wake(exchange)
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            for exchange in self._exchanges.values():
                self.wake(exchange)

    def _leave(self, goaway: GoAway) -> None:
        """The server takes no more requests; those it has not looked at may go elsewhere (RFC 9113 section 6.8)."""
        self._retired = True
        self._on_gone(self)
        for number, exchange in self._exchanges.items():
            if number > goaway.last_stream:
                exchange.failure = (ErrorKind.RESET, "the server is going away", True)
                self.wake(exchange)
        if not self._exchanges:
            self.discard()

    def _fail(self, kind: ErrorKind, message: str) -> None:
        if self._failure is not None:
            return
        self._failure = (kind, message, False)
        self._stream.close()
        self._on_gone(self)
        for event in self._waiting.values():
            event.set()
