"""How the engine opens its HTTP client when the caller brings none."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

from anyio import to_thread

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits
from fetch_engine.results import ErrorKind
from fetch_engine.transports.options import TransportOptions
from fetch_engine.transports.protocol import Transport


def http_opener(options: TransportOptions | None, limits: Limits) -> Callable[[], Awaitable[Transport]]:
    """An opener of clients that share one TLS context: building it takes 60 ms and more of CPU.

    The opener raises AttemptFailed: `tls` for certificate files that cannot be used, `connect` for a proxy or an
    interface that is none.
    """
    context: ssl.SSLContext | None = None

    async def open_transport() -> Transport:
        nonlocal context
        from fetch_engine.transports.httpx_transport import open_httpx_transport
        from fetch_engine.transports.tls import build_ssl_context

        if context is None:
            context = await to_thread.run_sync(build_ssl_context, options)
        try:
            return open_httpx_transport(options, limits, context)
        except ValueError as error:
            why = str(error)
        raise AttemptFailed(ErrorKind.CONNECT, why, unsent=True)

    return open_transport
