"""A connection to an origin, with everything between: socket, proxy tunnel, TLS."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Protocol

from anyio import to_thread

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net.dial import ConnectDeadline, Dialer
from fetch_engine.net.failures import describe
from fetch_engine.net.origin import Origin
from fetch_engine.net.proxies import Proxy
from fetch_engine.net.socks import open_socks
from fetch_engine.net.streams import ByteStream
from fetch_engine.net.tls import TLSStream, build_ssl_context


class OpenTunnel(Protocol):
    """Makes a stream, connected to a proxy, a connection to the target. Speaks HTTP, which nothing here knows."""

    async def __call__(
        self, proxy: Proxy, stream: ByteStream, host: str, port: int, limits: Limits, recorder: Recorder
    ) -> None:
        """Raises AttemptFailed (proxy)."""
        ...


class Connector:
    """Opens streams on which HTTP can be spoken at once. open_tunnel: makes a way through a proxy for HTTP."""

    def __init__(
        self,
        dialer: Dialer,
        context: ssl.SSLContext,
        options: TransportOptions,
        limits: Limits,
        open_tunnel: OpenTunnel,
    ) -> None:
        self._dialer = dialer
        self._open_tunnel = open_tunnel
        self._context = context
        self._proxy_context: ssl.SSLContext | None = None if options.http2 else context
        self._insecure_context: ssl.SSLContext | None = None
        self._options = options
        self._limits = limits

    async def check(self, host: str, port: int, timeouts: Timeouts, recorder: Recorder) -> None:
        """Whether a host behind a proxy may be reached; see `Dialer.check`. Raises AttemptFailed with `unsent` set."""
        patience = ConnectDeadline(timeouts.connect, timeouts.pool)
        with patience.scope:
            await self._dialer.check(host, port, recorder, patience)
            return
        message = f"{host} was not looked up within {timeouts.connect:g} s"
        raise AttemptFailed(ErrorKind.TIMEOUT_CONNECT, message, unsent=True)

    async def open(self, origin: Origin, timeouts: Timeouts, recorder: Recorder) -> tuple[ByteStream, str | None]:
        """A stream to `origin` and the protocol agreed on in TLS, if any.

        The caller has taken one socket from the budget; it goes back when the stream is closed, or when this fails.
        Raises AttemptFailed with `unsent` set.
        """
        patience = ConnectDeadline(timeouts.connect, timeouts.pool)
        proxy = origin.proxy
        with patience.scope:
            if proxy is None:
                stream: ByteStream = await self._dialer.dial(origin.host, origin.port, recorder, patience)
            else:
                stream = await self._to_proxy(proxy, recorder, patience)
            try:
                stream.recorder = recorder
                recorder.remote_address = stream.remote_address
                return await self._prepare(stream, origin, recorder, patience)
            except BaseException:
                stream.close()
                raise
        where = f"{origin.host}:{origin.port}" if proxy is None else f"{proxy}"
        message = f"no connection to {where} within {timeouts.connect:g} s ({patience.doing})"
        raise AttemptFailed(ErrorKind.TIMEOUT_CONNECT, message, unsent=True)

    async def _to_proxy(self, proxy: Proxy, recorder: Recorder, patience: ConnectDeadline) -> ByteStream:
        try:
            return await self._dialer.dial(proxy.host, proxy.port, recorder, patience, is_proxy=True)
        except AttemptFailed as error:
            if error.kind not in (ErrorKind.DNS, ErrorKind.CONNECT):
                raise
            message = f"{proxy}: {error.message}"
        raise AttemptFailed(ErrorKind.PROXY, message, unsent=True)

    async def _prepare(
        self, stream: ByteStream, origin: Origin, recorder: Recorder, patience: ConnectDeadline
    ) -> tuple[ByteStream, str | None]:
        scheme, host, port, proxy, insecure = origin
        if proxy is not None:
            patience.doing = "opening the tunnel"
            if proxy.scheme == "https":
                if self._proxy_context is None:
                    self._proxy_context = await to_thread.run_sync(_without_http2, self._options)
                stream = await self._secure(stream, self._proxy_context, proxy.host, proxy, recorder)
            if proxy.is_socks:
                await self._through_socks(proxy, stream, origin, recorder, patience)
            elif scheme == "https":
                # By the address that was checked: the proxy may know another one by that name.
                told = await self._dialer.check(host, port, recorder, patience)
                patience.doing = "opening the tunnel"
                await self._open_tunnel(proxy, stream, told, port, self._limits, recorder)
        if scheme != "https":
            return stream, None
        patience.doing = "TLS handshake"
        context = await self._any_certificate() if insecure else self._context
        secure = await self._secure(stream, context, host, None, recorder)
        return secure, secure.alpn

    async def _through_socks(
        self, proxy: Proxy, stream: ByteStream, origin: Origin, recorder: Recorder, patience: ConnectDeadline
    ) -> None:
        host = await self._dialer.check(origin.host, origin.port, recorder, patience)
        if proxy.scheme == "socks5":
            host = await self._dialer.look_up(origin.host, origin.port, recorder, patience)
        patience.doing = "opening the tunnel"
        await open_socks(proxy, stream, host, origin.port)

    async def _any_certificate(self) -> ssl.SSLContext:
        if self._insecure_context is None:
            options = dataclasses.replace(self._options, verify=False)
            self._insecure_context = await to_thread.run_sync(build_ssl_context, options)
        return self._insecure_context

    async def _secure(
        self, stream: ByteStream, context: ssl.SSLContext, host: str, proxy: Proxy | None, recorder: Recorder
    ) -> TLSStream:
        recorder.begin("tls")
        secure = TLSStream(stream, context, host)
        try:
            await secure.handshake()
        except ssl.SSLError as error:
            message = describe(error)[1]
        except OSError as error:
            message = f"{describe(error)[1]} in the TLS handshake"
        else:
            return secure
        if proxy is not None:
            raise AttemptFailed(ErrorKind.PROXY, f"{proxy}: {message}", unsent=True)
        raise AttemptFailed(ErrorKind.TLS, f"{host}: {message}", unsent=True)


def _without_http2(options: TransportOptions) -> ssl.SSLContext:
    """For proxies, which are spoken to in HTTP/1.1."""
    return build_ssl_context(options, http2=False)
