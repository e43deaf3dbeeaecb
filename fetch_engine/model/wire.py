"""A request and a response's head as they stand on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(slots=True)  # not frozen: see WireRequest
class RawRequest:
    """A request ready for the wire. Nobody changes it. `target` is the request target in the form the next hop wants.

    insecure, proxy: as in WireRequest.
    """

    method: bytes
    scheme: str
    host: str
    port: int
    target: bytes
    headers: RawHeaders = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    insecure: bool = False
    proxy: str | None = field(default=None, repr=False)


@dataclass(slots=True)  # not frozen: see WireRequest
class ResponseHead:
    """Status line and header fields of a response. Nobody changes it."""

    status: int
    reason: bytes
    http_version: str
    headers: RawHeaders
