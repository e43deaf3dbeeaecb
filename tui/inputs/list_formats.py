"""The forms in which a list of URLs may come: a URL a line, a request a line as JSON, a sitemap."""

from __future__ import annotations

import re
from collections import deque
from typing import Protocol

from tui.inputs.lines import LineSplitter
from tui.inputs.requests import RequestSplitter
from tui.inputs.sitemap import SitemapReader
from tui.inputs.utf16 import Utf8Reader, encoding_of, is_start_of_mark

_BEGINNING = 512  # bytes that are enough to tell
_BLANK = b"\xef\xbb\xbf \t\r\n\x0b\x0c"
_XML = re.compile(rb"<(\?xml|!--|([\w.-]+:)?(urlset|sitemapindex)\b)")
_PAGE = re.compile(rb"<(!doctype\s+html|html)\b", re.IGNORECASE)
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
            return Utf8Reader(LineSplitter())
        case "ndjson":
            return Utf8Reader(RequestSplitter())
        case "sitemap":
            return SitemapReader()
        case _:
            return GuessingReader()


class GuessingReader:
    """Takes what begins as XML for a sitemap, what begins as a JSON object for requests, the rest for lines.

    It waits for no more than the first line. A web page is refused: nobody means its lines.
    """

    def __init__(self) -> None:
        self._beginning = b""
        self._refusal: str | None = None
        self._reader: ListReader | None = None
        self.nested: deque[str] = deque()

    @property
    def error(self) -> str | None:
        return self._refusal or (None if self._reader is None else self._reader.error)

    def feed(self, chunk: bytes) -> list[str]:
        if self._refusal is not None:
            return []
        if self._reader is not None:
            return self._reader.feed(chunk)
        self._beginning += chunk
        # What is looked at depends on the bytes alone, not on how they came.
        head = self._beginning[:_BEGINNING]
        start = _start(head)
        undecided = is_start_of_mark(head) or not start or (start[:1] in b"<{" and b"\n" not in start)
        if undecided and len(head) < _BEGINNING:
            return []
        return self._decide(start)

    def finish(self) -> list[str]:
        urls = [] if self._reader is not None else self._decide(_start(self._beginning))
        assert self._reader is not None
        return urls + self._reader.finish()

    def _decide(self, start: bytes) -> list[str]:
        if _PAGE.match(start):
            self._refusal = "it is a web page, not a list of URLs"
            self._beginning = b""
        form = "sitemap" if _XML.match(start) else "ndjson" if _OBJECT.match(start) else "lines"
        self._reader = open_reader(form)
        self._reader.nested = self.nested
        beginning, self._beginning = self._beginning, b""
        # Blanks before the declaration are a mistake that XML does not allow.
        if form == "sitemap" and encoding_of(beginning) is None:
            beginning = beginning.lstrip(_BLANK)
        return self._reader.feed(beginning)


def _start(head: bytes) -> bytes:
    """What a list begins with, behind blanks, in UTF-8 as far as it goes."""
    found = encoding_of(head)
    if found is not None:
        mark, encoding = found
        head = head[len(mark) :].decode(encoding, "ignore").encode("utf-8", "ignore")
    return head.lstrip(_BLANK)
