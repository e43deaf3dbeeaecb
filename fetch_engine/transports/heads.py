"""The head of a response as libcurl hands it over, line by line: read, and checked where libcurl is lenient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits
from fetch_engine.results import ErrorKind

_STATUS = re.compile(r"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: ([^\0\r\n\v\f]*))?")
_FIELD = re.compile(r"(?m)^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\0\r\n\v\f]*+)\r*$")
_LENGTH = re.compile(r"[0-9]{1,18}")
_FRAMING = (len("content-length"), len("transfer-encoding"))
BLANK = (b"\r\n", b"\n")


@dataclass(slots=True)  # not frozen: that takes three times as long to make, and there is one for each response
class CurlHead:
    """A head that is fine. Nobody changes it.

    ambiguous: it frames the body in two ways, so that nothing behind it can be trusted (RFC 9112 section 6.3).
    """

    status: int
    reason: str
    http_version: str
    headers: tuple[tuple[str, str], ...]
    ambiguous: bool


def read_head(lines: Sequence[bytes], limits: Limits) -> CurlHead:
    """From the lines up to the blank one. Raises AttemptFailed (protocol)."""
    first, *rest = lines or (b"",)
    status = _STATUS.fullmatch(first.decode("latin-1").rstrip("\r\n"))
    if status is None:
        raise _wrong("illegal status line")
    headers = _fields(rest)
    if len(headers) > limits.max_headers:
        raise _wrong(f"more than {limits.max_headers} header fields")
    version, code, reason = status.groups()
    return CurlHead(int(code), reason or "", f"HTTP/{version}", headers, _is_ambiguous(headers))


def check_trailer(line: bytes) -> None:
    """Raise AttemptFailed (protocol) for a line behind the last chunk that is no field."""
    if line not in BLANK:
        _fields((line,))


def _fields(lines: Sequence[bytes]) -> tuple[tuple[str, str], ...]:
    """Raises AttemptFailed where a line is no field."""
    fields = _FIELD.findall(b"".join(lines).decode("latin-1"))  # all at once: half of the time
    if len(fields) != len(lines):
        raise _wrong("illegal header line")
    return tuple([(name, value.rstrip(" \t")) for name, value in fields])


def _is_ambiguous(headers: tuple[tuple[str, str], ...]) -> bool:
    """Whether there are both a length and chunks. Raises AttemptFailed for lengths that differ, are none, and for
    codings that nobody asked for."""
    lengths: set[str] = set()
    codings = []
    for name, value in headers:
        if len(name) not in _FRAMING:
            continue
        lower = name.lower()
        if lower == "content-length":
            lengths.update(part.strip(" \t") for part in value.split(","))
        elif lower == "transfer-encoding":
            codings.append(value.lower())
    if len(lengths) > 1:
        raise _wrong("conflicting Content-Length headers")
    if lengths and not _LENGTH.fullmatch(next(iter(lengths))):
        raise _wrong("bad Content-Length")
    if codings and codings != ["chunked"]:
        raise _wrong("Transfer-Encoding other than chunked")
    return bool(lengths and codings)


def _wrong(why: str) -> AttemptFailed:
    return AttemptFailed(ErrorKind.PROTOCOL, why)
