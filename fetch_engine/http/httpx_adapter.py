"""A transport of httpx over our own connections.

It is asked without a client in between: cookies, redirects, credentials and proxies are the engine's, and what is left
of a client would only cost time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator

import httpx

from fetch_engine.http.exchange import Exchange
from fetch_engine.http.pool import ConnectionPool
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest
from fetch_engine.model.wire import RawRequest
from fetch_engine.net.failures import describe

_PORTS = {"http": 80, "https": 443}
_MOST_ORIGINS = 1024
_BODILESS = frozenset({"GET", "HEAD"})
# Where httpx would find nothing to encode and no dot segments to take out.
_ORIGIN_AND_TARGET = re.compile(r"(https?://[0-9A-Za-z.:\[\]-]+)(?!.*/\.)(/[0-9A-Za-z_~!$&()*+,;=:@?%/.-]*)")


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


class PoolTransport(httpx.AsyncBaseTransport):
    """Takes the requests that `make_request` makes to a pool of connections."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises AttemptFailed, and what the pool raises. The response's extensions have its head and its exchange."""
        url, extensions = request.url, request.extensions
        wire = extensions["wire"]
        if url.scheme not in _PORTS:
            raise AttemptFailed(ErrorKind.UNSUPPORTED_SCHEME, f"{url.scheme!r} is neither http nor https", unsent=True)
        outgoing = RawRequest(
            request.method.encode("ascii"),
            url.scheme,
            url.raw_host.decode("ascii"),
            _PORTS[url.scheme] if url.port is None else url.port,
            extensions.get("target", url.raw_path),
            request.headers.raw,
            wire.body,
            wire.insecure,
            wire.proxy,
        )
        head, exchange = await self._pool.request(outgoing, extensions["timeouts"], extensions["recorder"])
        return httpx.Response(
            head.status,
            headers=head.headers,
            stream=_Body(exchange),
            extensions={"head": head, "exchange": exchange},
        )

    async def aclose(self) -> None:
        self._pool.close()


class _Body(httpx.AsyncByteStream):
    """The body for whoever uses httpx's own interface."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return Chunks(self._exchange)

    async def aclose(self) -> None:
        self._exchange.close()


class _Nothing(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        return
        yield b""


_NOTHING = _Nothing()
# Parsing is a third of what a request costs; of most lists, all URLs are of a few origins.
_origin = functools.lru_cache(_MOST_ORIGINS)(httpx.URL)


def make_request(wire: WireRequest, timeouts: Timeouts, recorder: Recorder) -> httpx.Request:
    """A request for `PoolTransport`. Raises httpx.InvalidURL."""
    extensions = {"wire": wire, "timeouts": timeouts, "recorder": recorder}
    parts = _ORIGIN_AND_TARGET.fullmatch(wire.url)
    if parts is None:
        url = httpx.URL(wire.url)
    else:
        url = _origin(parts[1])
        extensions["target"] = parts[2].encode("ascii")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in wire.headers]
    if not any(name.lower() == b"host" for name, _ in headers):
        # httpx would add it too, but fails over names that IDNA 2008 has no words for.
        headers.insert(0, (b"Host", url.netloc))
    if not wire.body and wire.method in _BODILESS:
        # Given a stream, httpx adds no header.
        return httpx.Request(wire.method, url, headers=headers, stream=_NOTHING, extensions=extensions)
    request = httpx.Request(wire.method, url, headers=headers, content=wire.body or None, extensions=extensions)
    request.method = wire.method  # httpx turns it to upper case; methods are case-sensitive
    return request
