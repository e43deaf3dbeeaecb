"""From libcurl's result codes to one error kind and a short text for a person (libcurl-errors(3))."""

from __future__ import annotations

import errno

from fetch_engine.http.heads import LONGEST_LINE
from fetch_engine.model.results import ErrorKind

_MOST_TEXT = 200

_KINDS: dict[int, tuple[ErrorKind, str]] = {
    3: (ErrorKind.INVALID_URL, "not a valid URL"),
    5: (ErrorKind.PROXY, "the proxy's name was not found"),
    6: (ErrorKind.DNS, "name not found"),
    7: (ErrorKind.CONNECT, "no connection"),
    8: (ErrorKind.PROTOCOL, "the answer is not valid HTTP"),
    16: (ErrorKind.PROTOCOL, "not valid HTTP/2"),
    18: (ErrorKind.INCOMPLETE, "closed by the server inside the body"),
    43: (ErrorKind.INTERNAL, "libcurl refused an option"),
    45: (ErrorKind.CONNECT, "the interface cannot be used"),
    52: (ErrorKind.RESET, "the server closed the connection without an answer"),
    55: (ErrorKind.RESET, "connection lost while sending"),
    56: (ErrorKind.RESET, "connection lost while receiving"),
    61: (ErrorKind.PROTOCOL, "a transfer coding that was not asked for"),
    92: (ErrorKind.PROTOCOL, "not valid HTTP/2"),
    97: (ErrorKind.PROXY, "the proxy refused"),
}
_TLS = frozenset({35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98})

_CERTIFICATE = (
    ("has expired", "the certificate has expired"),
    ("not yet valid", "the certificate is not valid yet"),
    ("self-signed certificate in", "the certificate chain ends in a self-signed certificate nobody here trusts"),
    ("self-signed", "the certificate is self-signed"),
    ("unable to get", "the certificate was issued by nobody trusted here"),
    ("no alternative certificate subject name", "the certificate is for another host"),
    ("does not match", "the certificate is for another host"),
    ("wrong version number", "the server does not speak TLS on this port"),
    ("http request", "the server does not speak TLS on this port"),
    ("unsupported protocol", "the server offers only TLS versions before 1.2"),
    ("alert protocol version", "the server accepts none of our TLS versions"),
    ("certificate required", "the server wants a client certificate"),
    ("handshake failure", "the server accepts none of our ciphers, or wants a client certificate"),
    ("reset by peer", "connection reset by peer in the TLS handshake"),
    ("unexpected eof", "closed by the server inside TLS"),
)


def describe_code(code: int, text: str, os_error: int, where: str, *, answered: bool) -> tuple[ErrorKind, str]:
    """Kind and text for a result code that is not 0.

    text: libcurl's. os_error: the last errno, 0 for none. where: host and port. answered: the head of the response is
    there.
    """
    low = text.lower()
    if code in _TLS:
        known = next((words for part, words in _CERTIFICATE if part in low), None)
        return ErrorKind.TLS, f"{where.rpartition(':')[0]}: {known or _short(text) or 'TLS failed'}"
    if code == 1 and "protocol" in low and "http/0.9" not in low:
        return ErrorKind.UNSUPPORTED_SCHEME, "only http and https can be fetched"
    if code == 1:
        return ErrorKind.PROTOCOL, "the answer is not HTTP/1.0 or 1.1"
    if code == 8 and "multiple location" in low:  # found there whether or not redirects are followed
        return ErrorKind.REDIRECT_REFUSED, "the redirect names more than one location"
    if code == 56 and ("chunk" in low or "too large" in low or "too many" in low):
        return ErrorKind.PROTOCOL, _short(text)
    if code == 56 and answered and os_error != errno.ECONNRESET:
        return ErrorKind.INCOMPLETE, "closed by the server inside the body"
    if code == 100:
        return ErrorKind.PROTOCOL, f"a header line of more than {LONGEST_LINE} bytes"
    kind, words = _KINDS.get(code, (ErrorKind.INTERNAL, f"libcurl's error {code}"))
    if kind is ErrorKind.CONNECT and os_error == errno.ECONNREFUSED:
        return kind, f"connection refused by {where}"
    return kind, f"{words}: {_short(text)}" if text else words


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"
