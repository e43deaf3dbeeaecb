"""The forms in which a list of URLs may come: a URL a line, a request a line as JSON, a sitemap."""

from __future__ import annotations

import re
from collections import deque
from typing import Protocol

from tui.line_list import LineSplitter
from tui.request_lines import RequestSplitter
from tui.sitemap import SitemapReader

_BEGINNING = 512  # bytes that are enough to tell
_BLANK = b"\xef\xbb\xbf \t\r\n\x0b\x0c"
_XML = re.compile(rb"<(\?xml|!--|([\w.-]+:)?(urlset|sitemapindex)\b)")
_OBJECT = re.compile(rb"\{[ \t]*[\"}]")


class ListReader(Protocol):
    """Makes URLs of the bytes of a list.

    error: why there is no more after those URLs. nested: URLs of lists that this one names.
    """

    nested: deque[str]

    @property
    def error(self) -> str | None: ...

    def feed(self, chunk: bytes) -> list[str]:
        """The URLs that this chunk completes."""

    def finish(self) -> list[str]:
        """The URLs that the end completes."""


def open_reader(form: str) -> ListReader:
    """A reader for this form: lines, ndjson, sitemap; `auto` goes by how the list begins."""
    match form:
        case "lines":
            return LineSplitter()
        case "ndjson":
            return RequestSplitter()
        case "sitemap":
            return SitemapReader()
        case _:
            return GuessingReader()


class GuessingReader:
    """Takes what begins as XML or gzip for a sitemap, what begins as a JSON object for requests, the rest for lines.

    It waits for no more than the first line.
    """

    def __init__(self) -> None:
        self._beginning = b""
        self._reader: ListReader | None = None
        self.nested: deque[str] = deque()

    @property
    def error(self) -> str | None:
        return None if self._reader is None else self._reader.error

    def feed(self, chunk: bytes) -> list[str]:
        if self._reader is not None:
            return self._reader.feed(chunk)
        self._beginning += chunk
        # What is looked at depends on the bytes alone, not on how they came.
        head = self._beginning[:_BEGINNING]
        start = head.lstrip(_BLANK)
        undecided = not start or (start[:1] in b"<{\x1f" and b"\n" not in start)
        if undecided and len(head) < _BEGINNING:
            return []
        return self._decide(start)

    def finish(self) -> list[str]:
        urls = [] if self._reader is not None else self._decide(self._beginning.lstrip(_BLANK))
        assert self._reader is not None
        return urls + self._reader.finish()

    def _decide(self, start: bytes) -> list[str]:
        if start.startswith(b"\x1f\x8b") or _XML.match(start):
            form = "sitemap"
        else:
            form = "ndjson" if _OBJECT.match(start) else "lines"
        self._reader = open_reader(form)
        self._reader.nested = self.nested
        beginning, self._beginning = self._beginning, b""
        # Blanks before the declaration are a mistake that XML does not allow.
        return self._reader.feed(beginning.lstrip(_BLANK) if form == "sitemap" else beginning)
