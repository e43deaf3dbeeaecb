"""What two requests must have in common to share a connection."""

from __future__ import annotations

from typing import NamedTuple

from fetch_engine.net.proxies import Proxy


class Origin(NamedTuple):
    """What two requests must have in common to share a connection.

    scheme, host, port: the server's, or the proxy's where that is asked for http URLs. proxy: what the connection goes
    through. insecure: made without a check of the server's certificate.
    """

    scheme: str
    host: str
    port: int
    proxy: Proxy | None = None
    insecure: bool = False
