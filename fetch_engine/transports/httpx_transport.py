"""The default transport: `httpx.AsyncClient` over our own connections."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import httpx

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits, Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.redaction import masked_url
from fetch_engine.results import ErrorKind
from fetch_engine.transports.capabilities import HTTPX
from fetch_engine.transports.connections import ConnectionPool
from fetch_engine.transports.exchange import Exchange, Head, Outgoing
from fetch_engine.transports.failures import describe
from fetch_engine.transports.options import TransportOptions
from fetch_engine.transports.protocol import WireRequest, WireResponse

__all__ = ["HttpxTransport", "TransportOptions", "open_httpx_transport"]

_PORTS = {"http": 80, "https": 443}


def open_httpx_transport(
    options: TransportOptions | None, limits: Limits, ssl_context: ssl.SSLContext
) -> HttpxTransport:
    """A new transport. `ssl_context` is what `build_ssl_context` made of the same options; transports share it."""
    return HttpxTransport(options or TransportOptions(), limits, ssl_context)


class HttpxTransport:
    """A `Transport` (see `protocol`) with one pool of connections. Must be used in one event loop."""

    name = "httpx"
    capabilities = HTTPX

    def __init__(self, options: TransportOptions, limits: Limits, context: ssl.SSLContext) -> None:
        self.pool = ConnectionPool(options, limits, context)
        self._client = _Client(
            transport=_PoolTransport(self.pool), trust_env=False, follow_redirects=False, timeout=None
        )

    @property
    def connections(self) -> int:
        """Sockets that it has, those that are being connected among them."""
        return self.pool.budget.used

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        recorder.transport = self.name
        return _Exchange(self._client, request, timeouts, recorder)

    async def aclose(self) -> None:
        await self._client.aclose()


class _Response:
    """The response as the engine sees it."""

    __slots__ = ("_exchange", "_read", "headers", "http_version", "reason", "status")

    def __init__(self, head: Head, exchange: Exchange) -> None:
        self.status = head.status
        self.reason = head.reason.decode("latin-1")
        self.http_version = head.http_version
        self.headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
        self._exchange = exchange

    def chunks(self) -> AsyncIterator[bytes]:
        return _Chunks(self._exchange)


class _Chunks:
    """A class, since an async generator left early is finished some time later, by the loop."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._exchange.read()
        except AttemptFailed:
            raise
        except Exception as error:  # noqa: BLE001  (the one place that turns whatever comes from below into a kind)
            failure = describe(error)
        else:
            if data:
                return data
            raise StopAsyncIteration
        raise AttemptFailed(*failure)


class _Exchange:
    """The block in which one response is read."""

    __slots__ = ("_client", "_recorder", "_request", "_response", "_timeouts")

    def __init__(self, client: _Client, request: WireRequest, timeouts: Timeouts, recorder: Recorder) -> None:
        self._client = client
        self._request = request
        self._timeouts = timeouts
        self._recorder = recorder
        self._response: httpx.Response | None = None

    async def __aenter__(self) -> _Response:
        try:
            url = httpx.URL(self._request.url)
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._request.headers]
            if not any(name.lower() == b"host" for name, _ in headers):
                # httpx would add it too, but fails over names that IDNA 2008 has no words for.
                headers.insert(0, (b"Host", url.netloc))
            request = httpx.Request(
                self._request.method,
                url,
                headers=headers,
                content=self._request.body or None,
                extensions={"wire": self._request, "timeouts": self._timeouts, "recorder": self._recorder},
            )
            request.method = self._request.method  # httpx turns it to upper case; methods are case-sensitive
            response = self._response = await self._client.send(request, stream=True)
        except AttemptFailed:
            raise
        except Exception as error:  # noqa: BLE001  (the one place that turns whatever comes from below into a kind)
            failure = describe(error)
        else:
            return _Response(response.extensions["head"], response.extensions["exchange"])
        raise AttemptFailed(*failure)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.extensions["exchange"].close()
            # httpx ties the response and its stream into a cycle, which only the garbage collector would free.
            response.stream = _NOTHING


class _Body(httpx.AsyncByteStream):
    """The body for whoever uses httpx's own interface."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Chunks(self._exchange)

    async def aclose(self) -> None:
        self._exchange.close()


class _HttpxResponse(httpx.Response):
    # The client would parse Location and fail on a bad one; redirects are the engine's.
    has_redirect_location = False


class _PoolTransport(httpx.AsyncBaseTransport):
    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme not in _PORTS:
            raise AttemptFailed(ErrorKind.UNSUPPORTED_SCHEME, f"{url.scheme!r} is neither http nor https", unsent=True)
        outgoing = Outgoing(
            request.method.encode("ascii"),
            url.scheme,
            url.raw_host.decode("ascii"),
            _PORTS[url.scheme] if url.port is None else url.port,
            url.raw_path,
            request.headers.raw,
            request.content,
            request.extensions["wire"].insecure,
            request.extensions["wire"].proxy,
        )
        asked = request.extensions["wire"].url
        if (shown := masked_url(asked)) != asked:
            request.url = httpx.URL(shown)  # from here on only httpx's log has a use for it
        head, exchange = await self._pool.request(
            outgoing, request.extensions["timeouts"], request.extensions["recorder"]
        )
        return _HttpxResponse(
            head.status,
            headers=head.headers,
            stream=_Body(exchange),
            extensions={"head": head, "exchange": exchange},
        )

    async def aclose(self) -> None:
        self._pool.close()


class _NoCookies(httpx.Cookies):
    """Neither stores nor sends: what one fetch was given is no other's business."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass

    def set_cookie_header(self, request: httpx.Request) -> None:
        pass


_NO_COOKIES = _NoCookies()


class _Client(httpx.AsyncClient):
    @property
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        raise AttributeError("cookies are the engine's")


class _Nothing(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        return
        yield b""


_NOTHING = _Nothing()
