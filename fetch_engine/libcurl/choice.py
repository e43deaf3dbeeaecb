"""Which transport carries a request: the fast one where it can, else the one with every detail."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from urllib.parse import urlsplit

import anyio

from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import Transport, WireRequest, WireResponse
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net.proxies import ProxyRules

FAST_MODULE = "pycurl"


def is_fast_possible() -> bool:
    """Whether it is installed, and runs in the current event loop."""
    if importlib.util.find_spec(FAST_MODULE) is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def never_fast(options: TransportOptions) -> str | None:
    """What the fast transport lacks for any request with these options; None for nothing."""
    if options.http2:
        return "HTTP/2"
    if options.ca_native:
        return "the system's certificates"
    return "proxies" if options.proxy else None


class FastRules:
    """Tells what the fast transport lacks for a request. Raises ValueError for a proxy that is none."""

    def __init__(self, options: TransportOptions) -> None:
        self._never = never_fast(options)
        self._proxies = ProxyRules(options.proxy, trust_env=options.trust_env, no_proxy=options.no_proxy)

    def lacks(self, request: WireRequest) -> str | None:
        """In words; None for nothing."""
        if self._never is not None:
            return self._never
        if request.method == "HEAD" and request.body:
            return "a body with HEAD"
        if request.proxy or (request.proxy is None and self._proxies.any and self._is_proxied(request.url)):
            return "proxies"
        return None

    def _is_proxied(self, url: str) -> bool:
        parts = urlsplit(url)
        return self._proxies.find(parts.scheme, parts.hostname or "") is not None


class RoutingTransport:
    """The fast transport for what it can do, and for the rest another one, opened when it is needed first.

    TLS is the other one's: that keeps its connections, and tells what they were made with.
    """

    def __init__(self, fast: Transport, rules: FastRules, open_other: Callable[[], Awaitable[Transport]]) -> None:
        self._fast = fast
        self._rules = rules
        self._open_other = open_other
        self._other: Transport | None = None
        self._opening = anyio.Lock()

    @property
    def connections(self) -> int:
        """Sockets that both have."""
        return sum(getattr(transport, "connections", 0) for transport in (self._fast, self._other))

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        if not request.url.startswith("https:") and self._rules.lacks(request) is None:
            return self._fast.stream(request, timeouts, recorder)
        if self._other is not None:
            return self._other.stream(request, timeouts, recorder)
        return _First(self.other, request, timeouts, recorder)

    async def other(self) -> Transport:
        """The other one, opened. Raises AttemptFailed."""
        async with self._opening:
            if self._other is None:
                self._other = await self._open_other()
            return self._other

    async def aclose(self) -> None:
        try:
            await self._fast.aclose()
        finally:
            if self._other is not None:
                await self._other.aclose()


class _First:
    """An exchange over a transport that may have to be opened."""

    def __init__(
        self,
        opened: Callable[[], Awaitable[Transport]],
        request: WireRequest,
        timeouts: Timeouts,
        recorder: Recorder,
    ) -> None:
        self._opened = opened
        self._asked = request, timeouts, recorder
        self._inner: AbstractAsyncContextManager[WireResponse] | None = None

    async def __aenter__(self) -> WireResponse:
        self._inner = (await self._opened()).stream(*self._asked)
        return await self._inner.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._inner is not None
        await self._inner.__aexit__(kind, error, traceback)
