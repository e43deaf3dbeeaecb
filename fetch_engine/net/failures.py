"""From any exception of the libraries below to one error kind and a short text for a person."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

import anyio
import h2.exceptions

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

_MOST_TEXT = 200

# httpx and httpcore name their exceptions alike.
_HTTP: dict[str, tuple[ErrorKind, str]] = {
    "ConnectTimeout": (ErrorKind.TIMEOUT_CONNECT, "no connection in time"),
    "ReadTimeout": (ErrorKind.TIMEOUT_READ, "nothing received in time"),
    "WriteTimeout": (ErrorKind.TIMEOUT_WRITE, "nothing could be sent in time"),
    "PoolTimeout": (ErrorKind.TIMEOUT_POOL, "no connection became free in time"),
    "TimeoutException": (ErrorKind.TIMEOUT_READ, "timed out"),
    "ConnectError": (ErrorKind.CONNECT, "no connection"),
    "ReadError": (ErrorKind.RESET, "connection lost while receiving"),
    "WriteError": (ErrorKind.RESET, "connection lost while sending"),
    "CloseError": (ErrorKind.RESET, "connection lost while closing"),
    "NetworkError": (ErrorKind.RESET, "connection lost"),
    "ConnectionNotAvailable": (ErrorKind.RESET, "connection no longer usable"),
    "ProxyError": (ErrorKind.PROXY, "the proxy refused"),
    "UnsupportedProtocol": (ErrorKind.UNSUPPORTED_SCHEME, "only http and https can be fetched"),
    "LocalProtocolError": (ErrorKind.PROTOCOL, "the request is not valid HTTP"),
    "RemoteProtocolError": (ErrorKind.PROTOCOL, "the answer is not valid HTTP"),
    "ProtocolError": (ErrorKind.PROTOCOL, "not valid HTTP"),
    "DecodingError": (ErrorKind.DECODE, "the body cannot be decoded"),
    "TooManyRedirects": (ErrorKind.TOO_MANY_REDIRECTS, "too many redirects"),
    "InvalidURL": (ErrorKind.INVALID_URL, "not a valid URL"),
    "HTTPStatusError": (ErrorKind.PROTOCOL, "unexpected status"),
    "CookieConflict": (ErrorKind.PROTOCOL, "conflicting cookies"),
    "TransportError": (ErrorKind.RESET, "connection lost"),
    "RequestError": (ErrorKind.PROTOCOL, "the request failed"),
    "HTTPError": (ErrorKind.PROTOCOL, "the request failed"),
}

_ANYIO: tuple[tuple[type[BaseException], ErrorKind, str], ...] = (
    (anyio.ConnectionFailed, ErrorKind.CONNECT, "no connection"),
    (anyio.BrokenResourceError, ErrorKind.RESET, "connection lost"),
    (anyio.ClosedResourceError, ErrorKind.RESET, "connection closed under the request"),
    (anyio.EndOfStream, ErrorKind.RESET, "closed by the server"),
    (anyio.IncompleteRead, ErrorKind.INCOMPLETE, "closed before everything had come"),
    (anyio.DelimiterNotFound, ErrorKind.PROTOCOL, "line too long"),
)

_CONNECT_ERRNO = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}
)
_RESET_ERRNO = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ETIMEDOUT, errno.ENOTCONN})

_CERTIFICATE = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate chain ends in a self-signed certificate nobody here trusts",
    20: "the certificate was issued by nobody trusted here",
    21: "the certificate was issued by nobody trusted here",
    23: "the certificate was revoked",
}
_WRONG_NAME = frozenset({62, 63, 64})

_TLS = {
    "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port",
    "HTTP_REQUEST": "the server does not speak TLS on this port",
    "UNSUPPORTED_PROTOCOL": "the server offers only TLS versions before 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server accepts none of our TLS versions",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server accepts none of our ciphers, or wants a client certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust our client certificate",
    "UNEXPECTED_EOF_WHILE_READING": "closed by the server inside TLS",
}


def describe(error: BaseException) -> tuple[ErrorKind, str]:
    """The kind and a short text for `error`, by the first exception of its chain that is known.

    `internal` is left for what no peer can cause. Never call it with a cancellation.
    """
    for link in _chain(error):
        known = _known(link)
        if known is not None:
            kind, message = known
            return kind, message if len(message) <= _MOST_TEXT else message[: _MOST_TEXT - 1] + "…"
    return ErrorKind.INTERNAL, f"{type(error).__name__}: {error}"[:_MOST_TEXT]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and the members of groups, each once."""
    waiting, seen = [error], set()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        # The cause says more than the wrapper around it.
        below = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        if below is not None and _known(below) is not None:
            waiting.insert(0, below)
            continue
        yield link
        if isinstance(link, BaseExceptionGroup):
            waiting.extend(link.exceptions)
        if below is not None:
            waiting.append(below)


def _known(error: BaseException) -> tuple[ErrorKind, str] | None:
    if isinstance(error, AttemptFailed):
        return error.kind, error.message
    if isinstance(error, ssl.SSLError):
        return ErrorKind.TLS, _tls_text(error)
    if isinstance(error, socket.gaierror):
        return ErrorKind.DNS, str(error.strerror or error)
    if isinstance(error, OSError) and not isinstance(error, anyio.ConnectionFailed):
        return _os_error(error)
    if isinstance(error, h2.exceptions.H2Error):
        return _protocol(error)
    if isinstance(error, UnicodeError):
        return ErrorKind.INVALID_URL, f"cannot be encoded: {error.reason if hasattr(error, 'reason') else error}"
    for base, kind, text in _ANYIO:
        if isinstance(error, base):
            return kind, text
    for base in type(error).__mro__:
        if base.__module__.partition(".")[0] in ("httpx", "httpcore") and base.__name__ in _HTTP:
            kind, text = _HTTP[base.__name__]
            return kind, f"{text}: {error}" if str(error) else text
    return None


def _os_error(error: OSError) -> tuple[ErrorKind, str]:
    text = (os.strerror(error.errno) if error.errno else str(error) or type(error).__name__).lower()
    if error.errno in _CONNECT_ERRNO:
        return ErrorKind.CONNECT, text
    if isinstance(error, TimeoutError) and error.errno is None:
        return ErrorKind.TIMEOUT_READ, "timed out"
    if error.errno in _RESET_ERRNO or isinstance(error, ConnectionError):
        return ErrorKind.RESET, text
    return ErrorKind.CONNECT, text


def _protocol(error: Exception) -> tuple[ErrorKind, str]:
    if isinstance(error, h2.exceptions.InvalidBodyLengthError) and error.actual_length < error.expected_length:
        return ErrorKind.INCOMPLETE, f"body ended after {error.actual_length} of {error.expected_length} bytes"
    return ErrorKind.PROTOCOL, str(error) or type(error).__name__


def _tls_text(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            return f"the certificate is for another host: {error.verify_message}"
        return _CERTIFICATE.get(error.verify_code, f"the certificate is not valid: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError):
        return "closed by the server inside TLS"
    reason = getattr(error, "reason", None) or ""  # absent where Python itself raised it
    return _TLS.get(reason) or f"TLS failed: {reason.replace('_', ' ').lower() or error}"
