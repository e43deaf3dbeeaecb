"""The default transport: one of httpx over our own connections."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from fetch_engine.http.exchange import Exchange
from fetch_engine.http.httpx_adapter import Chunks, PoolTransport, make_request
from fetch_engine.http.pool import ConnectionPool
from fetch_engine.model.capabilities import HTTPX
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import WireRequest, WireResponse
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.model.wire import ResponseHead
from fetch_engine.net.failures import describe

__all__ = ["HttpxTransport", "TransportOptions", "open_httpx_transport"]


def open_httpx_transport(
    options: TransportOptions | None, limits: Limits, ssl_context: ssl.SSLContext
) -> HttpxTransport:
    """A new transport. `ssl_context` is what `build_ssl_context` made of the same options; transports share it."""
    return HttpxTransport(options or TransportOptions(), limits, ssl_context)


class HttpxTransport:
    """A `Transport` (see `protocol`) with one pool of connections. Must be used in one event loop."""

    capabilities = HTTPX
    name = "httpx"

    def __init__(self, options: TransportOptions, limits: Limits, context: ssl.SSLContext) -> None:
        self.pool = ConnectionPool(options, limits, context)
        self._carrier = PoolTransport(self.pool)

    @property
    def connections(self) -> int:
        """Sockets that it has, those that are being connected among them."""
        return self.pool.budget.used

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        recorder.transport = self.name
        return _Exchange(self._carrier, request, timeouts, recorder)

    async def aclose(self) -> None:
        await self._carrier.aclose()


class _Response:
    """The response as the engine sees it."""

    __slots__ = ("_exchange", "_read", "headers", "http_version", "reason", "status")

    def __init__(self, head: ResponseHead, exchange: Exchange) -> None:
        self.status = head.status
        self.reason = head.reason.decode("latin-1")
        self.http_version = head.http_version
        self.headers = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers])
        self._exchange = exchange

    def chunks(self) -> AsyncIterator[bytes]:
        return Chunks(self._exchange)


class _Exchange:
    """The block in which one response is read."""

    __slots__ = ("_carrier", "_exchange", "_recorder", "_request", "_timeouts")

    def __init__(self, carrier: PoolTransport, request: WireRequest, timeouts: Timeouts, recorder: Recorder) -> None:
        self._carrier = carrier
        self._request = request
        self._timeouts = timeouts
        self._recorder = recorder
        self._exchange: Exchange | None = None

    async def __aenter__(self) -> _Response:
        try:
            request = make_request(self._request, self._timeouts, self._recorder)
            response = await self._carrier.handle_async_request(request)
        except AttemptFailed:
            raise
        except Exception as error:  # noqa: BLE001  (the one place that turns whatever comes from below into a kind)
            failure = describe(error)
        else:
            exchange = self._exchange = response.extensions["exchange"]
            return _Response(response.extensions["head"], exchange)
        raise AttemptFailed(*failure)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.close()
