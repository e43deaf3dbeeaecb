"""The connection pool: one request is sent over a kept connection, a shared one, or one opened for it."""

from __future__ import annotations

import ssl
from collections import OrderedDict

import anyio

from fetch_engine.http.exchange import Connection, ConnectionLost, Exchange
from fetch_engine.http.http2 import Http2Connection
from fetch_engine.http.http11 import Http11Connection
from fetch_engine.http.idle_connections import IdleConnections
from fetch_engine.http.tunnel import open_tunnel
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.methods import IDEMPOTENT
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.model.wire import RawRequest, ResponseHead
from fetch_engine.net.connect import Connector
from fetch_engine.net.dial import Dialer
from fetch_engine.net.origin import Origin
from fetch_engine.net.proxies import ProxyRules, without_proxy_authorization
from fetch_engine.net.socket_budget import DescriptorBudget, descriptor_limits, pool_timeout
from fetch_engine.net.streams import ByteStream, deadline_in

# RFC 9110 section 9.2.2
_IDEMPOTENT = frozenset(method.encode() for method in IDEMPOTENT)
_MOST_REMEMBERED = 10_000
_MOST_REFUSALS = 3  # of a request by new HTTP/2 connections, after which it is sent again


class ConnectionPool:
    """Connections of one transport. All methods belong to the loop it is used in."""

    def __init__(self, options: TransportOptions, limits: Limits, context: ssl.SSLContext) -> None:
        limit, headroom = descriptor_limits()
        self._idle = IdleConnections(limits.concurrency, limits.keepalive)
        self.budget = DescriptorBudget(min(limit, options.max_sockets or limit), headroom, self._idle.evict)
        self._connector = Connector(Dialer.of(options, self.budget), context, options, limits, open_tunnel)
        self._proxies = ProxyRules(options.proxy, trust_env=options.trust_env, no_proxy=options.no_proxy)
        self._is_filtered = options.address_filter is not None
        self._limits = limits
        self._http2 = options.http2
        self._verify = options.verify
        # HTTP/2 connections, which take requests while they answer others.
        self._shared: dict[Origin, Http2Connection] = {}
        # Origins to which the first connection is being opened: it may be enough for all.
        self._opening: dict[Origin, anyio.Event] = {}
        self._http1_only: OrderedDict[Origin, None] = OrderedDict()
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections kept for later."""
        return len(self._idle)

    async def request(
        self, request: RawRequest, timeouts: Timeouts, recorder: Recorder
    ) -> tuple[ResponseHead, Exchange]:
        """Send `request` and read the head of its response.

        A kept connection that the server closed in the meantime is replaced once, if nothing of the request can have
        been acted upon or it is idempotent (RFC 9112 section 9.3.1). What a new HTTP/2 connection refuses is sent
        again. Raises AttemptFailed.
        """
        host, port = request.host, request.port
        request, origin = self._routed(request)
        if self._is_filtered and origin.proxy is not None:
            await self._connector.check(host, port, timeouts, recorder)  # connections to a proxy serve many hosts
        left = _MOST_REFUSALS
        while True:
            connection = await self._find(origin, timeouts.pool)
            if connection is not None:
                try:
                    return await connection.send(request, timeouts, recorder)
                except ConnectionLost as failure:
                    if not (failure.unsent or request.method in _IDEMPOTENT):
                        raise
                if not self.budget.try_take():
                    await self._wait(None, timeouts.pool)
            connection = await self._open(origin, timeouts, recorder)
            try:
                return await connection.send(request, timeouts, recorder)
            except ConnectionLost as failure:
                # A server that refuses a stream, or leaves before it, says that it has done nothing (RFC 9113, 8.7).
                if not (left and failure.unsent and isinstance(connection, Http2Connection)):
                    raise
            left -= 1

    def close(self) -> None:
        """Close every idle connection, and each other one as soon as it is given back."""
        self._closed = True
        while self._idle.evict():
            pass

    async def _find(self, origin: Origin, seconds: float | None) -> Connection | None:
        """A connection to `origin` that is there; None if one may be opened, for which a socket is then taken."""
        kept = self._reuse(origin)
        if kept is not None:
            return kept
        if origin in self._opening:
            with anyio.CancelScope(deadline=deadline_in(seconds)) as scope:
                while kept is None and origin in self._opening:
                    await self._opening[origin].wait()
                    kept = self._reuse(origin)
            if scope.cancelled_caught:
                raise pool_timeout(seconds)
            if kept is not None:
                return kept
        if not self.budget.contended and self.budget.try_take():
            return None
        return await self._wait(origin, seconds)

    async def _wait(self, origin: Origin | None, seconds: float | None) -> Connection | None:
        """Until there is one for `origin`, which is returned, or a socket is taken to open one."""
        again = False
        with anyio.CancelScope(deadline=deadline_in(seconds)):
            while True:
                await self.budget.wait(again=again)
                again = True
                kept = None if origin is None else self._reuse(origin)
                if kept is not None or self.budget.try_take():
                    return kept
        raise pool_timeout(seconds)

    def _reuse(self, origin: Origin) -> Connection | None:
        shared = self._shared.get(origin)
        if shared is not None and shared.active and shared.available:
            return shared
        kept = self._idle.take(origin)
        if isinstance(kept, Http2Connection):
            self._shared[origin] = kept
        return kept

    def _routed(self, request: RawRequest) -> tuple[RawRequest, Origin]:
        """The request as the next hop wants it, and where connections for it are kept."""
        if not 0 < request.port < 65536:
            raise AttemptFailed(ErrorKind.INVALID_URL, f"port {request.port} does not exist", unsent=True)
        proxy = self._proxies.find(request.scheme, request.host, request.proxy)
        if request.scheme == "https":
            insecure = request.insecure and self._verify
            origin = Origin(request.scheme, request.host, request.port, proxy, insecure)
        elif proxy is None or proxy.is_socks:
            origin = Origin(request.scheme, request.host, request.port, proxy)
        else:
            return proxy.forwarded(request), Origin(proxy.scheme, proxy.host, proxy.port, proxy)
        return without_proxy_authorization(request), origin

    async def _open(self, origin: Origin, timeouts: Timeouts, recorder: Recorder) -> Connection:
        """A new connection. A socket has been taken for it."""
        if origin.scheme != "https" or not self._http2 or origin in self._http1_only or origin in self._opening:
            return self._connection(origin, *await self._connector.open(origin, timeouts, recorder))
        opened = self._opening[origin] = anyio.Event()
        try:
            stream, protocol = await self._connector.open(origin, timeouts, recorder)
        finally:
            del self._opening[origin]
            opened.set()
        if protocol != "h2":
            self._http1_only[origin] = None
            if len(self._http1_only) > _MOST_REMEMBERED:
                self._http1_only.popitem(last=False)
        return self._connection(origin, stream, protocol)

    def _connection(self, origin: Origin, stream: ByteStream, protocol: str | None) -> Connection:
        def keep(connection: Connection) -> None:
            if self._closed:
                connection.discard()
            else:
                self._idle.put(origin, connection)
                self.budget.wake()

        def unshare(connection: Connection) -> None:
            if self._shared.get(origin) is connection:
                del self._shared[origin]

        if protocol != "h2":
            return Http11Connection(stream, self._limits, keep)
        shared = self._shared[origin] = Http2Connection(stream, self._limits, keep, unshare)
        return shared
