"""A tunnel through an HTTP proxy (RFC 9110 section 9.3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.wire import RawRequest

if TYPE_CHECKING:
    from fetch_engine.net.streams import ByteStream
from fetch_engine.net.proxies import Proxy


async def open_tunnel(
    proxy: Proxy, stream: ByteStream, host: str, port: int, limits: Limits, recorder: Recorder
) -> None:
    """Make `stream`, connected to `proxy`, a connection to the target. Raises AttemptFailed (proxy)."""
    from fetch_engine.http.http11 import Http11Connection  # the rules alone do without a protocol

    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    target = authority.encode("ascii")
    request = RawRequest(b"CONNECT", "http", host, port, target, [(b"Host", target), *proxy.headers()])
    connection = Http11Connection(stream, limits, None)
    try:
        head, _ = await connection.send(request, Timeouts(None, None, None, None, None), recorder)
    except AttemptFailed as error:
        message = f"{proxy}: {error.message}"
    else:
        if 200 <= head.status < 300:
            if not connection.tunnelled():
                raise AttemptFailed(ErrorKind.PROXY, f"{proxy} sent something before the tunnel was used", unsent=True)
            return
        reason = head.reason.decode("ascii", "replace")
        message = f"{proxy} refused a tunnel to {authority}: {head.status} {reason}".rstrip()
    raise AttemptFailed(ErrorKind.PROXY, message, unsent=True)
