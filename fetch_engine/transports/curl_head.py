"""The head of a response as libcurl hands it over, line by line: read, and checked where libcurl is lenient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits
from fetch_engine.results import ErrorKind

_STATUS = re.compile(r"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: ([^\0\r\n\v\f]*))?")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n\v\f]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
BLANK = (b"\r\n", b"\n")


@dataclass(frozen=True, slots=True)
class CurlHead:
    """A head that is fine. ambiguous: it frames the body in two ways, so that nothing behind it can be trusted
    (RFC 9112 section 6.3)."""

    status: int
    reason: str
    http_version: str
    headers: tuple[tuple[str, str], ...]
    ambiguous: bool


def read_head(lines: Sequence[bytes], limits: Limits) -> CurlHead:
    """From the lines up to the blank one. Raises AttemptFailed (protocol)."""
    text = b"".join(lines).decode("latin-1")
    first, *rest = text.split("\n")
    status = _STATUS.fullmatch(first.rstrip("\r"))
    if status is None:
        raise _wrong("illegal status line")
    headers = tuple(_field(line) for line in rest if line)
    if len(headers) > limits.max_headers:
        raise _wrong(f"more than {limits.max_headers} header fields")
    version, code, reason = status.groups()
    return CurlHead(int(code), reason or "", f"HTTP/{version}", headers, _is_ambiguous(headers))


def check_trailer(line: bytes) -> None:
    """Raise AttemptFailed (protocol) for a line behind the last chunk that is no field."""
    if line not in BLANK:
        _field(line.decode("latin-1").rstrip("\n"))


def _field(line: str) -> tuple[str, str]:
    field = _FIELD.fullmatch(line.rstrip("\r"))
    if field is None:
        raise _wrong("illegal header line")
    return field[1], field[2].rstrip(" \t")


def _is_ambiguous(headers: tuple[tuple[str, str], ...]) -> bool:
    """Whether there are both a length and chunks. Raises AttemptFailed for lengths that differ, are none, and for
    codings that nobody asked for."""
    lengths: set[str] = set()
    codings = []
    for name, value in headers:
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
