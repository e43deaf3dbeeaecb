"""What a transport can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

TlsVersion = Literal["1.2", "1.3"]
Client = Literal["auto", "httpx", "fast"]


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """How to reach servers and whom to trust.

    verify: False accepts any certificate. ca_file: PEM bundle in place of certifi's. ca_native: trust what the system
    trusts, and `ca_file` besides. client_cert, client_key: PEM. min_tls, max_tls: versions agreed to, both included.
    proxy: `[scheme://][user:password@]host[:port]` for everything, the scheme one of http, https, socks5 (names are
    looked up here), socks5h (by the proxy). trust_env: without `proxy`, take proxies from the environment: http_proxy
    (this one in lower case only), https_proxy, all_proxy. no_proxy: hosts, domains, addresses and networks that are
    reached directly, `*` for all; None takes no_proxy from the environment if `trust_env` is set.
    http2: offer HTTP/2 over TLS. resolve: (host, port) to IP addresses used in place of a look-up; `*` is any host.
    connect_to: (host, port) to those that are dialled in their place, "" and 0 for any or the same.
    address_filter: told each IP address before it is connected to; False refuses it (kind `blocked`).
    interface: local IP address or name of a network device that connections leave from. ip_version: use addresses of
    this version of IP only. max_sockets: at most so many at once; None for what the limit of descriptors allows.
    client: what carries requests. fast has to be installed; auto is fast where it is and where a request needs nothing
    that it lacks, else httpx.

    Raises ValueError for a client that does not exist.
    """

    verify: bool = True
    ca_file: str | None = None
    ca_native: bool = False
    client_cert: str | None = None
    client_key: str | None = None
    min_tls: TlsVersion = "1.2"
    max_tls: TlsVersion = "1.3"
    proxy: str | None = field(default=None, repr=False)
    trust_env: bool = False
    no_proxy: Sequence[str] | None = None
    http2: bool = False
    resolve: Mapping[tuple[str, int], Sequence[str]] = field(default_factory=dict)
    connect_to: Mapping[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    address_filter: Callable[[str], bool] | None = None
    interface: str | None = None
    ip_version: Literal[4, 6] | None = None
    max_sockets: int | None = None
    client: Client = "httpx"

    def __post_init__(self) -> None:
        if self.client not in get_args(Client):
            raise ValueError(f"invalid client: {self.client!r} (choose from {', '.join(get_args(Client))})")
