"""Sitemaps and sitemap indexes (sitemaps.org protocol 0.9), also gzipped, read as they come in bounded memory."""

from __future__ import annotations

import zlib
from collections import deque
from xml.parsers import expat

MAX_BYTES = 50 * 1024 * 1024  # of XML; as the protocol has it
MAX_URL = 128 * 1024  # characters; well above the longest URL that the engine takes
_DEEPEST = 100  # elements within each other
_PIECE = 64 * 1024
_URL, _LIST = ("urlset", "url", "loc"), ("sitemapindex", "sitemap", "loc")


class _Refused(Exception):
    """Why the rest is not read."""


class SitemapReader:
    """Gives the URLs of a sitemap; those of an index go into `nested`.

    A document type is refused, and with it every entity: expanded, they grow without bound or bring in files.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self.nested: deque[str] = deque()
        self._urls: list[str] = []
        self._size = 0
        self._gzip: zlib._Decompress | None = None
        self._begun = False
        self._path: list[str] = []
        self._space = ""
        self._text: list[str] | None = None
        self._length = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def feed(self, chunk: bytes) -> list[str]:
        """The URLs that this chunk completes; after an error none."""
        return self._take(chunk, final=False)

    def finish(self) -> list[str]:
        """The URLs that the end completes."""
        return self._take(b"", final=True)

    def _take(self, chunk: bytes, *, final: bool) -> list[str]:
        if self.error is None:
            try:
                self._parse(chunk, final=final)
            except _Refused as refusal:
                self.error = f"the sitemap is refused: {refusal}"
            except expat.ExpatError as error:
                self.error = f"no valid sitemap: {expat.ErrorString(error.code)}, line {error.lineno}"
            except zlib.error:
                self.error = "no valid sitemap: broken gzip data"
        urls, self._urls = self._urls, []
        return urls

    def _parse(self, chunk: bytes, *, final: bool) -> None:
        if chunk and not self._begun:
            self._begun = True
            if chunk.startswith(b"\x1f\x8b"):
                self._gzip = zlib.decompressobj(31)
        if self._gzip is None:
            self._parse_xml(chunk)
        else:
            self._inflate(chunk)
        if final:
            if self._gzip is not None and not self._gzip.eof:
                raise _Refused("its gzip data ends too early")
            self._parser.Parse(b"", True)

    def _inflate(self, data: bytes) -> None:
        while data:
            assert self._gzip is not None
            if self._gzip.eof:  # another member (RFC 1952 section 2.2)
                if not data.strip(b"\0"):
                    return
                self._gzip = zlib.decompressobj(31)
            self._parse_xml(self._gzip.decompress(data, _PIECE))
            data = self._gzip.unused_data if self._gzip.eof else self._gzip.unconsumed_tail

    def _parse_xml(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_BYTES:
            raise _Refused(f"more than {MAX_BYTES} bytes")
        self._parser.Parse(data, False)

    def _refuse_doctype(self, *_: object) -> None:
        raise _Refused("it has a document type declaration")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if not self._path:
            self._space = space
            if local not in (_URL[0], _LIST[0]):
                raise _Refused(f"its root is <{local[:40]}>, neither <urlset> nor <sitemapindex>")
        if len(self._path) == _DEEPEST:
            raise _Refused(f"more than {_DEEPEST} elements within each other")
        # Elements of other namespaces, as the locations of pictures, are no pages.
        self._path.append(local if space == self._space else name)
        if tuple(self._path) in (_URL, _LIST):
            self._text = []
            self._length = 0

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._length += len(text)
            if self._length > MAX_URL:
                text = ""
            self._text.append(text)

    def _end(self, _: str) -> None:
        path = tuple(self._path)
        self._path.pop()
        if self._text is None or path not in (_URL, _LIST):
            return
        url = "".join(self._text).strip()
        if self._length > MAX_URL:
            url = f"{url[:MAX_URL]} …"  # a URL no more, so that nothing else is fetched
        self._text = None
        if path == _LIST:
            self.nested.append(url)
        elif url:
            self._urls.append(url)


def index_of(url: str) -> bytes:
    """A sitemap index that names this one list."""
    from xml.sax.saxutils import escape  # it brings all of urllib.request

    loc = escape(url).encode("utf-8", "replace")
    return b"<sitemapindex><sitemap><loc>" + loc + b"</loc></sitemap></sitemapindex>"
