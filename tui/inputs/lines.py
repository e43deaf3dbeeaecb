"""Lists with a URL a line."""

from __future__ import annotations

from collections import deque

MAX_LINE = 128 * 1024  # bytes; well above the longest URL that the engine takes
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\x0b\x0c"


class LineSplitter:
    """Cuts a stream of bytes into URLs: one a line, LF or CR LF, without blank lines and `#` comments.

    White space around a URL goes, and so does a byte order mark at the start. Bytes that are no UTF-8 become lone
    surrogates. Of a line above MAX_LINE bytes only the start is kept, with a space and an ellipsis: no URL any more,
    so that it fails as invalid instead of fetching something else.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit or MAX_LINE
        self.error: str | None = None
        self.nested: deque[str] = deque()
        self._tail = bytearray()
        self._too_long = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """The URLs that this chunk completes."""
        first, *rest = chunk.split(b"\n")
        self._extend(first)
        if not rest:
            return []
        *whole, last = rest
        lines = [self._take(), *(self._text(line, too_long=len(line) > self._limit) for line in whole)]
        self._extend(last)
        return [line for line in lines if line is not None]

    def finish(self) -> list[str]:
        """The URL on a last line without an end."""
        line = self._take()
        return [] if line is None else [line]

    def _extend(self, part: bytes) -> None:
        room = self._limit - len(self._tail)
        self._tail += part[:room]
        self._too_long = self._too_long or len(part) > room

    def _take(self) -> str | None:
        line = self._text(bytes(self._tail), too_long=self._too_long)
        self._tail.clear()
        self._too_long = False
        return line

    def _text(self, line: bytes, *, too_long: bool) -> str | None:
        line = line[: self._limit]
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        line = line.strip(_BLANK)
        return self._url(line.decode("utf-8", "surrogateescape"), too_long=too_long)

    def _url(self, line: str, *, too_long: bool) -> str | None:
        """What a line is, without white space around it; None for nothing. Called once for each."""
        if not line or line.startswith("#"):
            return None
        return f"{line} …" if too_long else line
