"""How the engine opens its HTTP client when the caller brings none."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

from anyio import to_thread

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import Transport
from fetch_engine.model.transport_options import TransportOptions


def http_opener(options: TransportOptions | None, limits: Limits) -> Callable[[], Awaitable[Transport]]:
    """An opener of clients that share one TLS context: building it takes 60 ms and more of CPU.

    The opener raises AttemptFailed: `tls` for certificate files that cannot be used, `connect` for a proxy or an
    interface that is none, and for a client that is not installed or does not run in this event loop.
    """
    given = options or TransportOptions()
    context: ssl.SSLContext | None = None

    async def open_httpx() -> Transport:
        nonlocal context
        from fetch_engine.http.httpx_transport import open_httpx_transport
        from fetch_engine.net.tls import build_ssl_context

        if context is None:
            context = await to_thread.run_sync(build_ssl_context, options)
        return open_httpx_transport(options, limits, context)

    async def open_transport() -> Transport:
        try:
            return await open_httpx() if given.client == "httpx" else await _open(given, limits, open_httpx)
        except ValueError as error:
            why = str(error)
        raise AttemptFailed(ErrorKind.CONNECT, why, unsent=True)

    return open_transport


async def _open(options: TransportOptions, limits: Limits, open_httpx: Callable[[], Awaitable[Transport]]) -> Transport:
    """Raises ValueError for what cannot be had."""
    from fetch_engine.libcurl.choice import FastRules, RoutingTransport, is_fast_possible, never_fast

    if not is_fast_possible():
        if options.client == "fast":
            raise ValueError("the fast transport needs pycurl and an asyncio event loop")
        return await open_httpx()
    if options.client == "auto" and never_fast(options):
        return await open_httpx()
    from fetch_engine.libcurl.transport import FastTransport

    fast = FastTransport(options, limits)
    return fast if options.client == "fast" else RoutingTransport(fast, FastRules(options), open_httpx)
