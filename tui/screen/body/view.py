"""A body as a page: made beside the loop, searched, and what is on screen of it coloured."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tui.screen.body.pace import Background, Pace, at_once
from tui.screen.body.search import MAX_MATCHES, Found, find, pattern_of
from tui.screen.body.source import BodySource, of_how_much
from tui.text.body_text import hex_count, hex_lines
from tui.text.plain_text import amount, safe
from tui.text.spans import Line
from tui.widgets.wrapping import marked, wrap, wrap_spans

SHOWN = 1 << 20  # bytes of a body that are put in form; a pager takes the rest
AT_ONCE = 4096  # bytes for which a thread would take longer than the work
BEGINNING = 16 * 1024  # bytes of a longer body that are shown while the rest is put in form
_TAB = 4
_CACHED = 300  # lines
_MARKS = 20  # matches marked in one row: each makes two more pieces to be painted

if TYPE_CHECKING:
    from tui.screen.body.document import Document

    Loaded = tuple[Document, int, str]  # of how many bytes it is made; why they are not all


class BodyView:
    """One body. `changed` is called, in the loop, when there is something new to paint.

    document: None until its beginning has been made, or where that failed. complete: all that is to be shown is there.
    """

    def __init__(
        self, source: BodySource, sha256: str, background: Background, changed: Callable[[], object], mark: str
    ) -> None:
        self.source = source
        self.document: Document | None = None
        self.complete = False
        self.found: Found | None = None
        self.current = 0  # the match that `n` and `N` went to
        self._sha256 = sha256
        self._background = background
        self._changed = changed
        self._mark = mark
        self._read = 0
        self._missing = ""
        self._said = "" if source.size else "(no body)"
        self._searching = ""
        self._cache: dict[int, Sequence[Line]] = {}
        self._cached_for = -1
        if source.size:
            self._load()

    def _load(self) -> None:
        if self.source.in_memory and self.source.size <= AT_ONCE:
            self._take(_load(self.source, SHOWN, at_once()))
        else:
            self._said = "putting it in form"
            first = BEGINNING if self.source.size > 2 * BEGINNING else SHOWN
            self._background.start(partial(_load, self.source, first), self._take, self._fail)

    def _take(self, loaded: Loaded) -> None:
        self.document, self._read, self._missing = loaded
        self.complete = self._read != BEGINNING or self.source.size == BEGINNING
        if not self.complete:
            self._background.start(partial(_load, self.source, SHOWN), self._take, self._fail)
        self._said = ""
        self._cache.clear()
        self._changed()

    def _fail(self, error: str) -> None:
        self._said, self._searching = f"this body cannot be shown: {error}", ""
        self._changed()

    # as a page

    def count(self, width: int) -> int:
        return self._lines(width) + len(self._end(width))

    def rows(self, at: int, width: int) -> Sequence[Line]:
        count = self._lines(width)
        if at >= count:
            return (self._end(width)[at - count],)
        if self._cached_for != width or len(self._cache) > _CACHED:
            self._cache.clear()
            self._cached_for = width
        if at not in self._cache:
            document = self.document
            assert document is not None
            self._cache[at] = self._hex(document.data or b"", at, width) if _is_hex(document) else self._text(at, width)
        return self._cache[at]

    def _lines(self, width: int) -> int:
        document = self.document
        if document is None:
            return 0
        if document.data is not None:
            return -(-len(document.data) // hex_count(width))
        return len(document.lines)

    def _text(self, at: int, width: int) -> list[Line]:
        document = self.document
        assert document is not None
        digits = max(2, len(str(document.last_number)))
        line = shown(document.lines[at])
        rows = wrap_spans(document.colour(line), width - digits - 1)
        ranges = deque(() if self.found is None else (each.span() for each in self.found.wanted.finditer(line)))
        here = self.found is not None and len(self.found) > 0 and self.found.lines[self.current] == at
        number = document.numbers[at]
        first: Line = [(f"{number or '':>{digits}}", "faint"), (self._mark if here else " ", "key")]
        painted, start = [], 0
        for row in rows:
            length = sum(len(text) for text, _ in row)
            inside: list[tuple[int, int]] = []
            while ranges and ranges[0][0] < start + length:
                begin, end = ranges[0]
                if inside and inside[-1][1] + start == begin:  # next to each other they look like one
                    begin = inside.pop()[0] + start
                if len(inside) < _MARKS:
                    inside.append((max(begin, start) - start, min(end, start + length) - start))
                if end > start + length:  # it goes on in the next row
                    break
                ranges.popleft()
            painted.append([*first, *(marked(row, inside) if inside else row)])
            first = [(" " * (digits + 1), "")]
            start += length
        return painted

    def _hex(self, data: bytes, at: int, width: int) -> list[Line]:
        count = hex_count(width)
        start = at * count
        line = hex_lines(data[start : start + count], width, start)[0]
        offset = self._offset()
        role = "key" if offset is not None and start <= offset < start + count else ""
        return [[(line[:8], "faint"), (line[8:], role)]]

    def _end(self, width: int) -> list[Line]:
        if self.document is None:
            return [[(part, "faint")] for part in wrap(safe(self._said), width)] if self._said else []
        if not self.complete:
            return [[], [("putting the rest in form", "faint")]]
        lines: list[Line] = [[], [(f"-- {self._extent()} --", "faint")]]
        if self._missing:
            lines += [[(part, "faint")] for part in wrap(safe(self._missing), width)]
        elif self.source.elsewhere is not None:
            lines += [[(part, "faint")] for part in wrap(safe(f"at {self.source.elsewhere}"), width)]
        return lines + [[(part, "faint")] for part in wrap(f"sha256 {self._sha256}", width)]

    def _extent(self) -> str:
        size = self.source.size
        if self._read >= size:
            return f"all {amount(size)} shown"
        return of_how_much(self._read, size) + ("" if self._missing else ", v for all")

    def note(self) -> Line:
        """One line about it: the search, or what it is and how much of it is shown."""
        if self._searching:
            return [(f"searching {safe(self._searching, 40)}", "busy")]
        if self.found is not None:
            return self._match_note(self.found)
        if self.document is None:
            return [(self._said, "busy")] if self.source.size and not self._said.startswith("this") else []
        document = self.document
        if not self.complete:
            return [(safe(document.kind, 60), "head"), ("  putting the rest in form", "busy")]
        lines = f", {document.last_number} lines" if document.last_number > 1 else ""
        note: Line = [(safe(document.kind, 60), "head"), (lines, "faint")]
        if self._read < self.source.size:
            note.append((f"  {self._extent()}", "warn"))
        return note

    def _match_note(self, found: Found) -> Line:
        text = f" {safe(found.text, 40)}"
        cut = f"  {self._extent()}" if self._read < self.source.size else ""
        if not len(found):
            return [("not found:", "warn"), (text, ""), (cut, "faint")]
        more = "+" if found.more else ""
        return [(f"{self.current + 1} of {len(found)}{more}", "key"), (text, ""), (cut, "faint")]

    # search

    def search(self, text: str, line: int, background: Background, width: int, show: Callable[[int], object]) -> None:
        """Find `text`; `show` is then called with the line of the first match at `line` or below it."""
        self._cache.clear()
        self.found, self._searching = None, text
        background.stop()
        document = self.document
        if not text or document is None:
            self._searching = ""
            self._changed()
            return
        if document.data is not None:
            data = document.data.decode("latin-1")
            wanted = text.encode("utf-8", "replace").decode("latin-1")
            line *= hex_count(width)
            work: Callable[[Pace], Found] = partial(_find_bytes, wanted, data, text)
        else:
            lines = document.lines
            work = partial(find, text, len(lines), lambda at: shown(lines[at]))

        def done(found: Found) -> None:
            self.found, self._searching = found, ""
            self.current = found.first_from(line)
            self._cache.clear()
            if len(found):
                show(self._line_of_current(width))  # which paints, too
            else:
                self._changed()

        background.start(work, done, self._fail)

    def go(self, by: int, width: int) -> int | None:
        """To the next match, or the one before; its line, None without one."""
        if self.found is None or not len(self.found):
            return None
        self.current = (self.current + by) % len(self.found)
        self._cache.clear()
        return self._line_of_current(width)

    def _line_of_current(self, width: int) -> int:
        offset = self._offset()
        if offset is not None:
            return offset // hex_count(width)
        return 0 if self.found is None else self.found.lines[self.current]

    def _offset(self) -> int | None:
        """Of the current match in bytes, where they are shown in hex."""
        found, document = self.found, self.document
        if found is None or document is None or document.data is None or not len(found):
            return None
        return found.lines[self.current]


def shown(line: str) -> str:
    """A line of a body as it is shown."""
    return line if line.isascii() and line.isprintable() else safe(line.expandtabs(_TAB), 1 << 14)


def _is_hex(document: Document) -> bool:
    return document.data is not None


def _load(source: BodySource, limit: int, pace: Pace) -> Loaded:
    data = source.read(limit)
    from tui.screen.body.document import (
        document_of,  # with what lays out HTML, JSON and CSS: nothing for the first frame
    )

    return document_of(data, source.content_type, pace), len(data), source.why_incomplete()


def _find_bytes(wanted: str, data: str, text: str, pace: Pace) -> Found:
    lines = array("L")
    at = data.find(wanted)
    while at >= 0 and len(lines) < MAX_MATCHES:
        lines.append(at)
        pace()
        at = data.find(wanted, at + max(1, len(wanted)))
    return Found(pattern_of(text), text, lines, more=at >= 0)
