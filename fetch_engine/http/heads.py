"""The head of an HTTP/1.1 message, the same for all that read one (RFC 9112 sections 2 to 6).

Lenient as curl and browsers are where nothing is at stake: a line whose name is not a name is left out, with a warning.
Strict where it is about where a message ends: two programs that disagree there take one answer for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.numbers import whole_number
from fetch_engine.model.requests import TOKEN
from fetch_engine.model.results import ErrorKind

# libcurl takes no line of 100 KiB or more, its end and a zero byte counted.
LONGEST_LINE = 100 * 1024 - 1

_STATUS = re.compile(r"HTTP/(1\.[01]) ([0-9]{3})(?: ([^\0\r\n]*))?\r?\n")
_FIELD = re.compile(r"(?m)^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\0\r\n]*+)\r?$")
_NOT_TOKEN = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_DECIDING = frozenset({len("content-length"), len("transfer-encoding"), len("connection")})
_MOST_SHOWN = 40
BLANK = (b"\r\n", b"\n")

Fields = tuple[tuple[str, str], ...]


@dataclass(slots=True)  # not frozen: that takes three times as long to make, and there is one for each response
class ReadHead:
    """A head that is fine. Nobody changes it.

    length, is_chunked: what its fields say of the body. is_last: nothing behind the body can be trusted, or is to
    come: it frames the body in two ways (RFC 9112 section 6.3), or the connection ends with it. dropped: the names on
    lines that were left out.
    """

    status: int
    reason: str
    http_version: str
    headers: Fields
    length: int | None
    is_chunked: bool
    is_ambiguous: bool
    closes: bool
    dropped: tuple[str, ...]

    @property
    def is_last(self) -> bool:
        """Whether nothing may follow on the connection."""
        return self.is_ambiguous or self.closes

    def warnings(self) -> Iterable[str]:
        """What is to be told of the lines that were left out."""
        return (f"malformed header line dropped, its name is {name}" for name in self.dropped)


def read_head(lines: Sequence[bytes], limits: Limits) -> ReadHead:
    """From the lines, with their ends, up to the blank one. Raises AttemptFailed (protocol)."""
    first, *rest = lines or (b"",)
    status = _STATUS.fullmatch(first.decode("latin-1"))
    if status is None:
        raise _wrong(f"the answer is not HTTP/1.0 or 1.1: {shown(first)}")
    headers, dropped = read_fields(rest)
    if len(headers) > limits.max_headers:
        raise _wrong(f"more than {limits.max_headers} header fields")
    version, code, reason = status.groups()
    if not "100" <= code <= "599":
        raise _wrong(f"status {code} is not one from 100 to 599")
    length, is_chunked, closes = _framing(headers)
    is_old = version == "1.0"
    # In HTTP/1.0 there are no chunks: whoever sends them there cannot be relied on (RFC 9112 section 6.1).
    is_ambiguous = is_chunked and (length is not None or is_old)
    closes = closes or is_old
    return ReadHead(
        int(code), reason or "", f"HTTP/{version}", headers, length, is_chunked, is_ambiguous, closes, dropped
    )


def read_fields(lines: Sequence[bytes]) -> tuple[Fields, tuple[str, ...]]:
    """The fields on these lines, and the names on those that were left out. Raises AttemptFailed (protocol)."""
    found = _FIELD.findall(b"".join(lines).decode("latin-1"))  # all at once: half of the time
    if len(found) != len(lines):
        return _one_by_one(lines)
    return tuple([(name, value.rstrip(" \t")) for name, value in found]), ()


def check_trailer(lines: Sequence[bytes]) -> None:
    """Raise AttemptFailed (protocol) for a line behind the last chunk that is no field.

    Nothing of it is used, but what is no field may be the head of another response.
    """
    if len(_FIELD.findall(b"".join(lines).decode("latin-1"))) != len(lines):
        raise _wrong("illegal trailer line")


def shown(line: bytes) -> str:
    """The beginning of a line, as a message may show it."""
    text = line[:_MOST_SHOWN].decode("latin-1").rstrip("\r\n")
    return ascii(text) if len(line) <= _MOST_SHOWN else f"{text!a}..."


def _one_by_one(lines: Sequence[bytes]) -> tuple[Fields, tuple[str, ...]]:
    fields: list[tuple[str, str]] = []
    dropped: list[str] = []
    into: list[tuple[str, str]] | None = None  # where a folded line goes on
    for line in lines:
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
        if "\0" in text or "\r" in text:
            raise _wrong("illegal header line: it has a control character")
        if text[:1] in (" ", "\t"):
            if into is None:
                raise _wrong("illegal header line: the first one is folded")
            _unfold(into, text.strip(" \t"))
            continue
        name, colon, value = text.partition(":")
        if not colon:
            raise _wrong(f"illegal header line: {shown(line)} has no colon")
        if TOKEN.fullmatch(name):
            into = fields
            fields.append((name, value.strip(" \t")))
        elif _NOT_TOKEN.sub("", name).lower() in _FRAMING:
            raise _wrong(f"illegal header line: {shown(name.encode('latin-1'))} decides where the body ends")
        else:
            into = []
            dropped.append(shown(name.encode("latin-1")))
    return tuple(fields), tuple(dropped)


def _unfold(fields: list[tuple[str, str]], more: str) -> None:
    """Join a folded line to the field before it (RFC 9112 section 5.2); none, if that was left out."""
    if not fields:
        return
    name, value = fields.pop()
    fields.append((name, f"{value} {more}".strip(" ")))


def _framing(headers: Fields) -> tuple[int | None, bool, bool]:
    """The length of the body, whether it comes in chunks, and whether the connection ends with it.

    Raises AttemptFailed for lengths that differ, are none, and for codings that nobody asked for.
    """
    lengths: set[str] = set()
    codings = []
    closes = False
    for name, value in headers:
        if len(name) not in _DECIDING:
            continue
        lower = name.lower()
        if lower == "content-length":
            lengths.update(part.strip(" \t") for part in value.split(","))
        elif lower == "transfer-encoding":
            codings.append(value.lower())
        elif lower == "connection":
            closes = closes or "close" in [option.strip(" \t") for option in value.lower().split(",")]
    if len(lengths) > 1:
        raise _wrong("conflicting Content-Length headers")
    if codings and codings != ["chunked"]:
        raise _wrong("Transfer-Encoding other than chunked")
    try:
        length = whole_number(lengths.pop()) if lengths else None
    except ValueError:
        raise _wrong("bad Content-Length") from None
    return length, bool(codings), closes


def _wrong(why: str) -> AttemptFailed:
    return AttemptFailed(ErrorKind.PROTOCOL, why)
