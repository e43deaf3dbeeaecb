"""What a transport can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """How to reach servers and whom to trust.

    verify: False accepts any certificate. ca_file: PEM bundle in place of certifi's. client_cert, client_key: PEM.
    proxy: `[http[s]://][user:password@]host[:port]` for everything. trust_env: take proxies from the environment.
    http2: offer HTTP/2 over TLS. resolve: (host, port) to IP addresses used in place of a look-up.
    address_filter: told each IP address before it is connected to; False refuses it (kind `blocked`).
    max_sockets: at most so many at once; None for what the limit of descriptors allows.
    """

    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = field(default=None, repr=False)
    trust_env: bool = False
    http2: bool = False
    resolve: Mapping[tuple[str, int], Sequence[str]] = field(default_factory=dict)
    address_filter: Callable[[str], bool] | None = None
    max_sockets: int | None = None
