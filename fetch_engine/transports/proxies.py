"""Which proxy a request goes through, and the tunnel to its target (RFC 9110 section 9.3.6)."""

from __future__ import annotations

import base64
import dataclasses
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits, Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.results import ErrorKind
from fetch_engine.transports.exchange import Outgoing, RawHeaders
from fetch_engine.transports.http11 import Http11Connection
from fetch_engine.transports.network import ByteStream

_AUTHORIZATION = b"proxy-authorization"
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An http or https proxy. `authorization` is sent to it and to nobody else."""

    scheme: str
    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """From `[http[s]://][user:password@]host[:port]`. Raises ValueError."""
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in _DEFAULT_PORT:
            raise ValueError(f"a proxy is http or https, not {parts.scheme}")
        if not parts.hostname:
            raise ValueError("the proxy has no host")
        authorization = None
        if parts.username is not None:
            user = urllib.parse.unquote_to_bytes(parts.username)
            password = urllib.parse.unquote_to_bytes(parts.password or "")
            authorization = b"Basic " + base64.b64encode(user + b":" + password)
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORT[parts.scheme], authorization)

    def __str__(self) -> str:
        return f"proxy {self.host}:{self.port}"

    def headers(self) -> RawHeaders:
        """What the proxy is told besides the request."""
        return [] if self.authorization is None else [(b"Proxy-Authorization", self.authorization)]

    def forwarded(self, request: Outgoing) -> Outgoing:
        """A request for an http target as this proxy wants it (RFC 9112 section 3.2.2)."""
        host = f"[{request.host}]" if ":" in request.host else request.host
        port = "" if request.port == _DEFAULT_PORT[request.scheme] else f":{request.port}"
        target = f"{request.scheme}://{host}{port}".encode("ascii") + request.target
        if self.authorization is not None:
            request = without_proxy_authorization(request)
        return dataclasses.replace(request, target=target, headers=[*request.headers, *self.headers()])


class ProxyRules:
    """The proxy for each target: one for all, or by the environment (`http_proxy`, `https_proxy`, `no_proxy`)."""

    def __init__(self, proxy: str | None, *, trust_env: bool) -> None:
        self._all = None if proxy is None else Proxy.parse(proxy)
        self._by_scheme: dict[str, Proxy] = {}
        if trust_env and proxy is None:
            environment = urllib.request.getproxies_environment()
            for scheme in _DEFAULT_PORT:
                url = environment.get(scheme) or environment.get("all")
                if url:
                    self._by_scheme[scheme] = Proxy.parse(url)

    def find(self, scheme: str, host: str, wanted: str | None = None) -> Proxy | None:
        """The proxy for `host`, None to go there directly. `wanted` is what the request says, "" for no proxy.

        Raises AttemptFailed (proxy) if `wanted` is none.
        """
        if wanted is not None:
            return _wanted(wanted) if wanted else None
        if self._all is not None or not self._by_scheme:
            return self._all
        if urllib.request.proxy_bypass_environment(host):  # type: ignore[attr-defined]
            return None
        return self._by_scheme.get(scheme)


def _wanted(url: str) -> Proxy:
    try:
        return Proxy.parse(url)
    except ValueError as error:
        why = str(error) if "@" not in url else "the proxy's URL is not valid"
    raise AttemptFailed(ErrorKind.PROXY, why, unsent=True)


def without_proxy_authorization(request: Outgoing) -> Outgoing:
    """The request as a target may see it."""
    if not any(name.lower() == _AUTHORIZATION for name, _ in request.headers):
        return request
    headers = [(name, value) for name, value in request.headers if name.lower() != _AUTHORIZATION]
    return dataclasses.replace(request, headers=headers)


async def open_tunnel(
    proxy: Proxy, stream: ByteStream, host: str, port: int, limits: Limits, recorder: Recorder
) -> None:
    """Make `stream`, connected to `proxy`, a connection to the target. Raises AttemptFailed (proxy)."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    target = authority.encode("ascii")
    request = Outgoing(b"CONNECT", "http", host, port, target, [(b"Host", target), *proxy.headers()])
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
