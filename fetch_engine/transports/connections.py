"""The connection pool: idle connections by origin, newest first; everything in it is O(1) a request."""

from __future__ import annotations

import ssl
import time
from collections import OrderedDict
from typing import Protocol

import anyio

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits, Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.results import ErrorKind
from fetch_engine.transports.connecting import Connector, Origin
from fetch_engine.transports.descriptors import DescriptorBudget, descriptor_limits, pool_timeout
from fetch_engine.transports.dialing import Dialer
from fetch_engine.transports.http11 import Head, Http11Connection, Outgoing
from fetch_engine.transports.network import deadline_in
from fetch_engine.transports.options import TransportOptions
from fetch_engine.transports.proxies import Proxy, ProxyRules

# RFC 9110 section 9.2.2
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})


class Exchange(Protocol):
    """One request's response as it comes."""

    async def read(self) -> bytes:
        """The next bytes of the body, none at its end. Raises AttemptFailed."""
        ...

    def close(self) -> None:
        """The response is no longer wanted: its connection is kept if it can be, else closed."""
        ...


class ConnectionPool:
    """Connections of one transport. All methods belong to the loop it is used in."""

    def __init__(self, options: TransportOptions, limits: Limits, context: ssl.SSLContext) -> None:
        limit, headroom = descriptor_limits()
        self.budget = DescriptorBudget(min(limit, options.max_sockets or limit), headroom, self._evict)
        self._connector = Connector(
            Dialer(self.budget, options.resolve, options.address_filter), context, options, limits
        )
        self._proxies = ProxyRules(options.proxy, trust_env=options.trust_env)
        self._limits = limits
        # Both in the order in which the connections became idle.
        self._idle: OrderedDict[Http11Connection, Origin] = OrderedDict()
        self._idle_at: dict[Origin, OrderedDict[Http11Connection, None]] = {}
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections kept for later."""
        return len(self._idle)

    async def request(self, request: Outgoing, timeouts: Timeouts, recorder: Recorder) -> tuple[Head, Exchange]:
        """Send `request`, over a kept connection if there is one, and read the head of its response.

        A kept connection that the server closed in the meantime is replaced once, if nothing of the request can have
        been acted upon (RFC 9112 section 9.3.1). Raises AttemptFailed.
        """
        proxy = self._proxies.find(request.scheme, request.host)
        request, origin = _routed(request, proxy)
        reuse = True
        while True:
            connection, reused = await self._acquire(origin, proxy, reuse, timeouts, recorder)
            try:
                return await connection.send(request, timeouts, recorder), connection
            except AttemptFailed as failure:
                connection.close()
                harmless = failure.unsent or request.method in IDEMPOTENT
                if not (reused and failure.kind is ErrorKind.RESET and not connection.answered and harmless):
                    raise
            except BaseException:
                connection.close()
                raise
            reuse = False

    def close(self) -> None:
        """Close every idle connection, and each other one as soon as it is given back."""
        self._closed = True
        while self._evict():
            pass

    def close_expired(self) -> None:
        """Close what has been idle for longer than the limit."""
        oldest_wanted = time.monotonic() - self._limits.keepalive
        while self._idle and next(iter(self._idle)).idle_since < oldest_wanted:
            self._evict()

    async def _acquire(
        self, origin: Origin, proxy: Proxy | None, reuse: bool, timeouts: Timeouts, recorder: Recorder
    ) -> tuple[Http11Connection, bool]:
        kept = self._reuse(origin) if reuse else None
        if kept is None and (self.budget.contended or not self.budget.try_take()):
            kept = await self._wait(origin, reuse, timeouts.pool)
        if kept is not None:
            return kept, True
        stream, _ = await self._connector.open(origin, proxy, timeouts, recorder)
        return Http11Connection(stream, self._limits, lambda connection: self._keep(origin, connection)), False

    async def _wait(self, origin: Origin, reuse: bool, seconds: float | None) -> Http11Connection | None:
        """Until one is idle for `origin`, which is returned, or a socket may be opened."""
        again = False
        with anyio.CancelScope(deadline=deadline_in(seconds)):
            while True:
                await self.budget.wait(again=again)
                again = True
                kept = self._reuse(origin) if reuse else None
                if kept is not None or self.budget.try_take():
                    return kept
        raise pool_timeout(seconds)

    def _reuse(self, origin: Origin) -> Http11Connection | None:
        """The connection to `origin` idle for the shortest time that is still good; bad ones are closed."""
        stack = self._idle_at.get(origin)
        oldest_wanted = time.monotonic() - self._limits.keepalive
        while stack:
            connection = next(reversed(stack))
            self._forget(connection)
            # Readable means closed by the server, or holding what nobody asked for.
            if connection.idle_since >= oldest_wanted and not connection.stream.readable():
                return connection
            connection.discard()
        return None

    def _keep(self, origin: Origin, connection: Http11Connection) -> None:
        if self._closed:
            connection.discard()
            return
        self._idle[connection] = origin
        self._idle_at.setdefault(origin, OrderedDict())[connection] = None
        self.close_expired()
        if len(self._idle) > self._limits.concurrency:
            self._evict()
        self.budget.wake()

    def _evict(self) -> bool:
        """Close the connection idle for the longest time, if there is one."""
        if not self._idle:
            return False
        connection = next(iter(self._idle))
        self._forget(connection)
        connection.discard()
        return True

    def _forget(self, connection: Http11Connection) -> None:
        origin = self._idle.pop(connection)
        stack = self._idle_at[origin]
        del stack[connection]
        if not stack:
            del self._idle_at[origin]


def _routed(request: Outgoing, proxy: Proxy | None) -> tuple[Outgoing, Origin]:
    """The request as the next hop wants it, and where connections for it are kept."""
    origin = (request.scheme, request.host, request.port)
    if not 0 < request.port < 65536:
        raise AttemptFailed(ErrorKind.INVALID_URL, f"port {request.port} does not exist", unsent=True)
    if proxy is None or request.scheme == "https":
        return request, origin
    return proxy.forwarded(request), (proxy.scheme, proxy.host, proxy.port)
