"""Limits and timeouts: every one is finite unless the caller says otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

KIB = 1024
GIB = 1024**3

On429 = Literal["rest", "fail", "ignore"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what runs at once and on what one response may cost.

    concurrency, per_host: running fetches in all and for one host. rate, host_rate: requests a second that start, in
    all and for one host; byte_rate, host_byte_rate: bytes a second off the wire; None for no bound. min_rate: bytes of
    a body off the wire that must come in each second, on the average of `min_rate_time` seconds; None for no bound.
    same_host: redirects to another host are refused. max_body: decoded bytes.
    preview_size: decoded bytes kept in the result. max_header_bytes, max_headers: of one response.
    max_codings: content codings in a chain. keepalive: seconds an idle connection is kept.
    on_429: what comes of a host that asks for less, by 429 or by 503 with Retry-After (RFC 6585 section 4, RFC 9110
    section 10.2.3). rest: nothing is sent there for as long as it asks; where that is more than `max_host_wait` seconds
    (0: never wait) the fetch ends with that response, and those that wait for the host fail with `host-busy`, unsent.
    fail: they always do. ignore: it is a response as any other.
    """

    concurrency: int = 64
    per_host: int = 8
    max_redirects: int = 10
    max_body: int = GIB
    preview_size: int = 64 * KIB
    max_header_bytes: int = 256 * KIB
    max_headers: int = 1000
    max_codings: int = 5
    keepalive: float = 15.0
    rate: float | None = None
    host_rate: float | None = None
    byte_rate: float | None = None
    host_byte_rate: float | None = None
    min_rate: float | None = None
    min_rate_time: float = 30.0
    same_host: bool = False
    on_429: On429 = "rest"
    max_host_wait: float = 60.0

    def __post_init__(self) -> None:
        for name in ("rate", "host_rate", "byte_rate", "host_byte_rate", "min_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0, or None for no bound")
        if not 0 < self.min_rate_time < math.inf:
            raise ValueError("min_rate_time must be above 0")
        if self.on_429 not in get_args(On429):
            raise ValueError(f"on_429 must be one of {', '.join(get_args(On429))}")
        if not self.max_host_wait >= 0:
            raise ValueError("max_host_wait must not be negative")
        for name in ("concurrency", "per_host"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("max_redirects", "max_body", "preview_size", "max_header_bytes", "max_headers", "max_codings"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None for no limit.

    connect: one connection (name, TCP, TLS). read, write: between two bytes that move. pool: for a free connection.
    total: one attempt with all its redirects, from its start to the last byte.
    """

    connect: float | None = 15.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = 60.0
    total: float | None = 300.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"timeout {name} must be above 0, or None for no limit")
