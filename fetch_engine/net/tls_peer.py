"""Reads what is worth knowing of a TLS connection off Python's object for it."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from fetch_engine.model.tls_facts import Certificate, TlsFacts, shared


def facts_of(connection: ssl.SSLObject, server_name: str) -> TlsFacts:
    """The facts of a connection whose handshake is over. Never raises: what cannot be read is left out."""
    cipher, _, bits = connection.cipher() or ("", "", 0)
    verified = connection.context.verify_mode == ssl.CERT_REQUIRED
    chain, whole = _chain(connection, verified)
    return shared(
        TlsFacts(
            protocol=connection.version() or "",
            cipher=cipher,
            bits=bits,
            alpn=connection.selected_alpn_protocol(),
            server_name=server_name,
            verified=verified,
            chain=tuple(map(certificate, chain)),
            whole=whole,
        )
    )


def _chain(connection: ssl.SSLObject, verified: bool) -> tuple[Sequence[Mapping[str, Any]], bool]:
    # The public methods came with Python 3.13 and give bytes to be parsed; the object below them has given parsed
    # certificates since 3.10. tests/wire/test_tls_facts.py notices its loss.
    inner: Any = getattr(connection, "_sslobj", None)
    with contextlib.suppress(AttributeError, ssl.SSLError, ValueError):
        found = inner.get_verified_chain() if verified else inner.get_unverified_chain()
        if found:
            return [each.get_info() for each in found], True
    leaf = connection.getpeercert()
    return ([leaf] if leaf else []), False


def certificate(info: Mapping[str, Any]) -> Certificate:
    """From the form in which `ssl.SSLSocket.getpeercert` has it."""
    return Certificate(
        subject=_name(info.get("subject", ())),
        issuer=_name(info.get("issuer", ())),
        names=tuple(str(value) for _, value in info.get("subjectAltName", ())),
        not_before=_time(info.get("notBefore")),
        not_after=_time(info.get("notAfter")),
    )


def _name(name: Sequence[Sequence[tuple[str, str]]]) -> str:
    parts = [pair for group in name for pair in group]
    common = [value for key, value in parts if key == "commonName"]
    return common[-1] if common else ", ".join(f"{key}={value}" for key, value in parts)


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else float(ssl.cert_time_to_seconds(text))
    except ValueError:
        return None
