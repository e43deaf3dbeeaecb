"""Sitemaps and sitemap indexes (sitemaps.org protocol 0.9), read as they come in bounded memory."""

from __future__ import annotations

from collections import deque
from xml.parsers import expat

MAX_BYTES = 50 * 1024 * 1024  # of XML; as the protocol has it
MAX_URL = 128 * 1024  # characters; well above the longest URL that the engine takes
_DEEPEST = 100  # elements within each other
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
                self.error = f"invalid sitemap: {expat.ErrorString(error.code)}, line {error.lineno}"
        urls, self._urls = self._urls, []
        return urls

    def _parse(self, chunk: bytes, *, final: bool) -> None:
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            raise _Refused(f"more than {MAX_BYTES} bytes")
        self._parser.Parse(chunk, final)

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
