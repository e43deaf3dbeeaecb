"""Lists in UTF-16 or UTF-32 with a byte order mark, as Windows writes them, read as the same list in UTF-8."""

from __future__ import annotations

import codecs
from collections import deque
from typing import Protocol

_MARKS = {  # the longer ones first
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_INVALID = "weakfetch-tui-invalid"


class _Reader(Protocol):
    nested: deque[str]

    @property
    def error(self) -> str | None: ...

    def feed(self, chunk: bytes) -> list[str]: ...

    def finish(self) -> list[str]: ...


def encoding_of(head: bytes) -> tuple[bytes, str] | None:
    """The byte order mark that this begins with, and its encoding."""
    return next(((mark, name) for mark, name in _MARKS.items() if head.startswith(mark)), None)


def is_start_of_mark(head: bytes) -> bool:
    """Whether a byte order mark, or a longer one, may still come of this."""
    return bool(head) and any(mark.startswith(head) and mark != head for mark in _MARKS)


def _stay_invalid(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udfff", error.end


codecs.register_error(_INVALID, _stay_invalid)


class Utf8Reader:
    """Gives a reader of UTF-8 what it can read. What is no valid text stays invalid, so that it is no URL either."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._head: bytes | None = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self.nested = reader.nested

    @property
    def error(self) -> str | None:
        return self._reader.error

    def feed(self, chunk: bytes) -> list[str]:
        """The URLs that this chunk completes."""
        if self._head is None:
            return self._reader.feed(self._recoded(chunk))
        self._head += chunk
        return [] if is_start_of_mark(self._head) else self._begin()

    def finish(self) -> list[str]:
        """The URLs that the end completes."""
        urls = [] if self._head is None else self._begin()
        if self._decoder is not None and self._decoder.getstate()[0]:
            urls += self._reader.feed(b"\xff")  # half a character
        return urls + self._reader.finish()

    def _begin(self) -> list[str]:
        head, self._head = self._head or b"", None
        if (found := encoding_of(head)) is not None:
            self._decoder = codecs.getincrementaldecoder(found[1])(_INVALID)
            head = head[len(found[0]) :]
        return self._reader.feed(self._recoded(head))

    def _recoded(self, chunk: bytes) -> bytes:
        if self._decoder is None:
            return chunk
        return self._decoder.decode(chunk).encode("utf-8", "surrogatepass")
