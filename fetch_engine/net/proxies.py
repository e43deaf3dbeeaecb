"""Which proxy a request goes through, and the tunnel to its target (RFC 9110 section 9.3.6)."""

from __future__ import annotations

import base64
import dataclasses
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.wire import RawHeaders, RawRequest
from fetch_engine.net.no_proxy import DirectHosts, split_entries

if TYPE_CHECKING:
    pass

_AUTHORIZATION = b"proxy-authorization"
_DEFAULT_PORT = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_MOST_OF_A_LOGIN = 255  # bytes, RFC 1929


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. `authorization` is sent to an http or https one, `login` to one of SOCKS5; to nobody else."""

    scheme: str
    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)
    login: tuple[bytes, bytes] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """From `[scheme://][user:password@]host[:port]`, as TransportOptions says. Raises ValueError."""
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in _DEFAULT_PORT:
            raise ValueError(f"a proxy is http, https, socks5 or socks5h, not {parts.scheme}")
        if not parts.hostname:
            raise ValueError("the proxy has no host")
        if "\\" in parts.netloc:
            raise ValueError("backslash in the proxy's address; in a password it is written %5C")
        try:
            port = parts.port or _DEFAULT_PORT[parts.scheme]
        except ValueError:  # its words would hold what stands there, and that may be a password
            raise ValueError("the proxy's port must be a number from 1 to 65535") from None
        authorization = login = None
        if parts.username is not None:
            user = urllib.parse.unquote_to_bytes(parts.username)
            password = urllib.parse.unquote_to_bytes(parts.password or "")
            if parts.scheme.startswith("socks5"):
                login = user, password
                if max(map(len, login)) > _MOST_OF_A_LOGIN:
                    raise ValueError(f"user and password of a SOCKS proxy are {_MOST_OF_A_LOGIN} bytes long at most")
            else:
                authorization = b"Basic " + base64.b64encode(user + b":" + password)
        return cls(parts.scheme, parts.hostname, port, authorization, login)

    @property
    def is_socks(self) -> bool:
        """Whether it passes bytes on and knows nothing of HTTP."""
        return self.scheme.startswith("socks5")

    def __str__(self) -> str:
        return f"proxy {self.host}:{self.port}"

    def headers(self) -> RawHeaders:
        """What the proxy is told besides the request."""
        return [] if self.authorization is None else [(b"Proxy-Authorization", self.authorization)]

    def forwarded(self, request: RawRequest) -> RawRequest:
        """A request for an http target as this proxy wants it (RFC 9112 section 3.2.2)."""
        host = f"[{request.host}]" if ":" in request.host else request.host
        port = "" if request.port == _DEFAULT_PORT[request.scheme] else f":{request.port}"
        target = f"{request.scheme}://{host}{port}".encode("ascii") + request.target
        if self.authorization is not None:
            request = without_proxy_authorization(request)
        return dataclasses.replace(request, target=target, headers=[*request.headers, *self.headers()])


class ProxyRules:
    """The proxy for each target: one for all, or by the environment, where curl looks for it."""

    def __init__(
        self,
        proxy: str | None,
        *,
        trust_env: bool,
        no_proxy: Sequence[str] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._all = Proxy.parse(proxy) if proxy else None
        self._by_scheme: dict[str, Proxy] = {}
        if trust_env and proxy is None:
            # HTTP_PROXY is what a web server makes of a request's header `Proxy` for its CGI programs (CVE-2016-5385).
            for scheme, names in (("http", ("http_proxy",)), ("https", ("https_proxy", "HTTPS_PROXY"))):
                url = _first(environ, *names, "all_proxy", "ALL_PROXY")
                if url:
                    self._by_scheme[scheme] = Proxy.parse(url)
        if no_proxy is None and trust_env:
            no_proxy = split_entries(_first(environ, "no_proxy", "NO_PROXY"))
        self._direct = DirectHosts(no_proxy or ())

    @property
    def any(self) -> bool:
        """Whether there is a proxy for anything."""
        return self._all is not None or bool(self._by_scheme)

    def find(self, scheme: str, host: str, wanted: str | None = None) -> Proxy | None:
        """The proxy for `host`, None to go there directly. `wanted` is what the request says, "" for no proxy.

        Raises AttemptFailed (proxy) if `wanted` is none.
        """
        if wanted is not None:
            return _wanted(wanted) if wanted else None
        proxy = self._all or self._by_scheme.get(scheme)
        return None if proxy is None or host in self._direct else proxy


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _wanted(url: str) -> Proxy:
    try:
        return Proxy.parse(url)
    except ValueError as error:
        why = str(error)
    raise AttemptFailed(ErrorKind.PROXY, why, unsent=True)


def without_proxy_authorization(request: RawRequest) -> RawRequest:
    """The request as a target may see it."""
    if not any(name.lower() == _AUTHORIZATION for name, _ in request.headers):
        return request
    headers = [(name, value) for name, value in request.headers if name.lower() != _AUTHORIZATION]
    return dataclasses.replace(request, headers=headers)
