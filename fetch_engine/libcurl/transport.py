"""The fast transport: libcurl, through pycurl, in the asyncio loop of the engine.

libcurl carries bytes and keeps connections; cookies, redirects, content codings, credentials, proxies of the
environment and limits stay the engine's.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import anyio
import certifi
import pycurl  # type: ignore[import-untyped]

from fetch_engine.libcurl.choice import FastRules
from fetch_engine.libcurl.loop import CurlLoop
from fetch_engine.libcurl.sockets import Sockets
from fetch_engine.libcurl.transfer import Transfer
from fetch_engine.model.capabilities import FAST
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.requests import TOKEN
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest, WireResponse
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net.interfaces import local_end
from fetch_engine.net.socket_budget import DescriptorBudget, descriptor_limits, pool_timeout
from fetch_engine.net.streams import deadline_in

# Seconds. libcurl keeps 230 bytes for each host of that time: 25 MB in its default minute at 1,900 hosts a second.
LOOKUP_KEPT = 2
_BUFFER = 128 * 1024
_TLS = {"1.2": pycurl.SSLVERSION_TLSv1_2, "1.3": pycurl.SSLVERSION_TLSv1_3}
_TLS_MAX = {"1.2": pycurl.SSLVERSION_MAX_TLSv1_2, "1.3": pycurl.SSLVERSION_MAX_TLSv1_3}
_IP = {None: pycurl.IPRESOLVE_WHATEVER, 4: pycurl.IPRESOLVE_V4, 6: pycurl.IPRESOLVE_V6}
_BREAKS = re.compile(r"[\0\r\n]")
_ADDED = ("accept", "content-type", "expect", "user-agent")  # by libcurl or pycurl, where they are not given


class FastTransport:
    """A `Transport` (see `protocol`) over libcurl. Must be used in one asyncio loop; RuntimeError without one."""

    name = "fast"
    capabilities = FAST

    def __init__(self, options: TransportOptions, limits: Limits) -> None:
        interface, family = local_end(options)
        most, headroom = descriptor_limits()
        most = min(most, options.max_sockets or most)
        self._options = options
        self._limits = limits
        self._family = None if family is None else {2: 4}.get(int(family), 6)
        self._sockets = Sockets(options.address_filter, interface, family, limits.keepalive)
        self._rules = FastRules(options)
        self._known = frozenset(options.resolve)
        self._closing = False
        # libcurl closes an idle connection itself where another one is wanted.
        self.budget = DescriptorBudget(most, headroom, lambda: False)
        self._loop = CurlLoop(limits.concurrency, most)
        self._free: list[Transfer] = []
        self._headers: tuple[tuple[str, str], ...] = ()
        self._lines = _lines(())

    @property
    def connections(self) -> int:
        """Sockets that it has, those that are being connected among them."""
        return self._sockets.count()

    @property
    def idle(self) -> int:
        """Connections kept for later."""
        return self._sockets.count_idle()

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        recorder.transport = self.name
        lacking = self._rules.lacks(request)
        if lacking is not None:
            kind = ErrorKind.PROXY if lacking == "proxies" else ErrorKind.PROTOCOL
            raise AttemptFailed(kind, f"the fast transport lacks {lacking}", unsent=True)
        return _Exchange(self, request, timeouts, recorder)

    async def aclose(self) -> None:
        self._closing = True
        if not self.budget.used:
            self._close()

    def _close(self) -> None:
        self._loop.close()
        while self._free:
            self._free.pop().close()

    async def begin(self, request: WireRequest, timeouts: Timeouts, recorder: Recorder, *, fresh: bool) -> Transfer:
        """A transfer that has begun. fresh: on no connection that was kept. Raises AttemptFailed (timeout-pool)."""
        lines = self._lines
        if request.headers != self._headers:
            lines = self._lines = _lines(request.headers)
            self._headers = request.headers
        if not self.budget.try_take():
            await self._wait_for_place(timeouts.pool)
        transfer = self._free.pop() if self._free else self._new()
        try:
            transfer.start(request, lines, timeouts, recorder, fresh=fresh)
        except BaseException:
            self.give_back(transfer)
            raise
        return transfer

    def give_back(self, transfer: Transfer) -> None:
        """The exchange is over."""
        if transfer.end():
            self._free.append(transfer)
        else:
            transfer.close()
        self.budget.release()
        if self._closing and not self.budget.used:
            self._close()

    async def _wait_for_place(self, seconds: float | None) -> None:
        again = False
        with anyio.CancelScope(deadline=deadline_in(seconds)):
            while True:
                await self.budget.wait(again=again)
                again = True
                if self.budget.try_take():
                    return
        raise pool_timeout(seconds)

    def _new(self) -> Transfer:
        return Transfer(
            self._loop, self._limits, self._sockets, self._configure, verify=self._options.verify, known=self._known
        )

    def _configure(self, curl: pycurl.Curl) -> None:
        options, setopt = self._options, curl.setopt
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.PROXY, ""),
            (pycurl.NOPROXY, "*"),
            (pycurl.NETRC, 0),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.PATH_AS_IS, 1),
            (pycurl.HTTP_TRANSFER_DECODING, 0),  # it would call back for each chunk, however small
            (pycurl.BUFFERSIZE, _BUFFER),
            (pycurl.DNS_CACHE_TIMEOUT, LOOKUP_KEPT),
            (pycurl.MAXAGE_CONN, max(1, int(self._limits.keepalive))),
            (pycurl.IPRESOLVE, _IP[self._family]),
            (pycurl.SSLVERSION, _TLS[options.min_tls] | _TLS_MAX[options.max_tls]),
            (pycurl.CAINFO, options.ca_file or certifi.where()),
        ):
            setopt(option, value)
        if options.resolve:
            setopt(pycurl.RESOLVE, [_resolved(*entry) for entry in options.resolve.items()])
        if options.connect_to:
            # The first that fits is taken; those that name most go first.
            named = sorted(options.connect_to.items(), key=lambda entry: (not entry[0][0], not entry[0][1]))
            setopt(pycurl.CONNECT_TO, [f"{_place(*these)}:{_place(*those)}" for these, those in named])
        if options.client_cert is not None:
            setopt(pycurl.SSLCERT, options.client_cert)
            setopt(pycurl.SSLKEY, options.client_key or options.client_cert)


def _resolved(place: tuple[str, int], addresses: Sequence[str]) -> str:
    return f"{_place(*place)}:{','.join(f'[{each}]' if ':' in each else each for each in addresses)}"


def _place(host: str, port: int) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port or ''}"


def _lines(headers: tuple[tuple[str, str], ...]) -> list[bytes]:
    """As libcurl takes them: `Name;` stands for an empty value, `Name:` keeps it from adding one of its own. Raises
    AttemptFailed (protocol) where there is more in one than a field."""
    for name, value in headers:
        if not TOKEN.fullmatch(name) or _BREAKS.search(value):
            raise AttemptFailed(ErrorKind.PROTOCOL, "not a valid request: illegal header", unsent=True)
    names = {name.lower() for name, _ in headers}
    given = [(f"{name}: {value}" if value else f"{name};").encode("latin-1") for name, value in headers]
    return given + [f"{name}:".encode() for name in _ADDED if name not in names]


class _Response:
    """The response as the engine sees it."""

    __slots__ = ("_exchange", "headers", "http_version", "reason", "status")

    def __init__(
        self, exchange: _Exchange, status: int, reason: str, version: str, headers: tuple[tuple[str, str], ...]
    ) -> None:
        self.status = status
        self.reason = reason
        self.http_version = version
        self.headers = headers
        self._exchange = exchange

    def chunks(self) -> AsyncIterator[bytes]:
        return _Chunks(self._exchange)


class _Chunks:
    __slots__ = ("_exchange",)

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        transfer = self._exchange.transfer
        data = b"" if transfer is None else await transfer.read()
        if not data:
            raise StopAsyncIteration
        return data


class _Exchange:
    """The block in which one response is read."""

    __slots__ = ("_recorder", "_request", "_timeouts", "_transport", "transfer")

    def __init__(self, transport: FastTransport, request: WireRequest, timeouts: Timeouts, recorder: Recorder) -> None:
        self._transport = transport
        self._request = request
        self._timeouts = timeouts
        self._recorder = recorder
        self.transfer: Transfer | None = None

    async def __aenter__(self) -> _Response:
        transport, fresh = self._transport, False
        while True:
            transfer = self.transfer = await transport.begin(self._request, self._timeouts, self._recorder, fresh=fresh)
            try:
                head = await transfer.head()
            except BaseException as error:
                failed = isinstance(error, AttemptFailed)
                short = failed and transfer.short_of_descriptors
                # Five that were kept, one after the other; only what may be repeated goes over those.
                again = failed and transfer.met_dead_ones and not fresh
                stale = failed and transfer.met_stale_one  # and by now it is closed
                self._end()
                if not (short or again or stale):
                    raise
            else:
                return _Response(self, head.status, head.reason, head.http_version, head.headers)
            fresh = fresh or again
            if short:
                await transport.budget.wait_for_descriptor()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        transfer, self.transfer = self.transfer, None
        if transfer is not None:
            self._transport.give_back(transfer)
