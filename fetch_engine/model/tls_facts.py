"""What a TLS connection was made with, and what the server showed: frozen values, one object for equal ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a chain (RFC 5280). Times in seconds since 1970, None where they could not be read.

    subject, issuer: the common name, or the whole name where there is none. names: subject alternative names.
    """

    subject: str
    issuer: str
    names: tuple[str, ...] = ()
    not_before: float | None = None
    not_after: float | None = None


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """One connection. chain: the server's certificate first; empty where it could not be seen.

    server_name: what was asked for. verified: whether chain and name were checked. whole: whether `chain` is all of
    it, up to the root where it was verified, else as the server sent it.
    """

    protocol: str
    cipher: str
    bits: int
    alpn: str | None
    server_name: str
    verified: bool
    chain: tuple[Certificate, ...] = ()
    whole: bool = False


@lru_cache(maxsize=1024)
def shared(facts: TlsFacts) -> TlsFacts:
    """The first object made of equal facts: 100,000 connections to one server keep one chain."""
    return facts
