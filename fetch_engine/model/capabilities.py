"""What each transport can give; the contract tests hold it to that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What not every transport has.

    trio: runs there, too. http2, proxies: speaks HTTP/2, goes through proxies. system_trust: trusts what the system
    trusts. tls_facts: tells what a TLS connection was made with. tls_kept: keeps TLS connections for the next request.
    framing: sees every byte of the wire, that of chunks and TLS too, and when the last byte of a request has left.
    exact: closes a connection as soon as something speaks against it, and not when it would carry the next request.
    """

    trio: bool = True
    http2: bool = True
    proxies: bool = True
    system_trust: bool = True
    tls_facts: bool = True
    tls_kept: bool = True
    framing: bool = True
    exact: bool = True


HTTPX = Capabilities()
# libcurl reads TLS records ahead of what it is asked for, and does not tell: what a server sent behind a response
# would be the answer to the next request.
FAST = Capabilities(
    trio=False,
    http2=False,
    proxies=False,
    system_trust=False,
    tls_facts=False,
    tls_kept=False,
    framing=False,
    exact=False,
)
