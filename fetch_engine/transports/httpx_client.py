"""A client of httpx, or of httpx2, over our own connections: the same code on either library."""

from __future__ import annotations

import functools
import importlib
from collections.abc import AsyncIterator
from typing import Any, Literal

from fetch_engine.errors import AttemptFailed
from fetch_engine.redaction import masked_url
from fetch_engine.results import ErrorKind
from fetch_engine.transports.connections import ConnectionPool
from fetch_engine.transports.exchange import Exchange, Outgoing
from fetch_engine.transports.failures import describe

_PORTS = {"http": 80, "https": 443}


class Chunks:
    """The chunks of a body. A class, since an async generator left early is finished some time later, by the loop."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> Chunks:
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


class Library:
    """httpx, or what has its API, and what is made of its classes. `nothing`: a stream without a byte."""

    def __init__(self, httpx: Any) -> None:
        self.httpx = httpx

        class Nothing(httpx.AsyncByteStream):  # type: ignore[misc]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                return
                yield b""

        class Body(httpx.AsyncByteStream):  # type: ignore[misc]
            """The body for whoever uses httpx's own interface."""

            def __init__(self, exchange: Exchange) -> None:
                self._exchange = exchange

            def __aiter__(self) -> AsyncIterator[bytes]:
                return Chunks(self._exchange)

            async def aclose(self) -> None:
                self._exchange.close()

        class Response(httpx.Response):  # type: ignore[misc]
            # The client would parse Location and fail on a bad one; redirects are the engine's.
            has_redirect_location = False

        class PoolTransport(httpx.AsyncBaseTransport):  # type: ignore[misc]
            def __init__(self, pool: ConnectionPool) -> None:
                self._pool = pool

            async def handle_async_request(self, request: Any) -> Response:
                url = request.url
                if url.scheme not in _PORTS:
                    message = f"{url.scheme!r} is neither http nor https"
                    raise AttemptFailed(ErrorKind.UNSUPPORTED_SCHEME, message, unsent=True)
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
                return Response(
                    head.status,
                    headers=head.headers,
                    stream=Body(exchange),
                    extensions={"head": head, "exchange": exchange},
                )

            async def aclose(self) -> None:
                self._pool.close()

        class NoCookies(httpx.Cookies):  # type: ignore[misc]
            """Neither stores nor sends: what one fetch was given is no other's business."""

            def extract_cookies(self, response: Any) -> None:
                pass

            def set_cookie_header(self, request: Any) -> None:
                pass

        no_cookies = NoCookies()

        class Client(httpx.AsyncClient):  # type: ignore[misc]
            @property
            def cookies(self) -> NoCookies:
                return no_cookies

            @cookies.setter
            def cookies(self, cookies: object) -> None:
                raise AttributeError("cookies are the engine's")

        self.nothing = Nothing()
        self._transport, self._client = PoolTransport, Client

    @classmethod
    @functools.cache
    def of(cls, name: Literal["httpx", "httpx2"]) -> Library:
        """By its name. Raises ValueError if it is not installed."""
        try:
            return cls(importlib.import_module(name))
        except ModuleNotFoundError:
            raise ValueError(f"{name} is not installed") from None

    def client(self, pool: ConnectionPool) -> Any:
        """A client over this pool, which it closes."""
        return self._client(transport=self._transport(pool), trust_env=False, follow_redirects=False, timeout=None)
