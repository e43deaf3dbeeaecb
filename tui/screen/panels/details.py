"""The pane that shows one fetch: a frozen copy, in sections."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.binding import BindingType

from fetch_engine.model.results import FetchResult
from tui.bridge.snapshot import HeldRow
from tui.keys.table import bindings
from tui.rows.describe import short_url
from tui.screen.body.pace import Background
from tui.screen.body.source import BodySource
from tui.screen.body.view import BodyView
from tui.screen.details import DetailsTarget, Section, headline, sections_of
from tui.screen.record_actions import RecordActions
from tui.screen.screens.ask import AskScreen
from tui.text.spans import Line
from tui.widgets.frame import Extent, Frame
from tui.widgets.pages import Page, Scroll
from tui.widgets.wheel import Wheel

ROOM_FOR_TIMING = 28  # lines


class DetailsPane(Wheel, Frame, RecordActions):
    """Sections of one fetch, wrapped to the width, scrolled by row: what it was given, never anything newer."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text", "details")]
    ABOUT = "One fetch, as a copy of what was known when it was opened."
    HEAD = 3  # tabs, facts, a note on the body

    def __init__(self) -> None:
        super().__init__(id="details")
        self.subject: DetailsTarget | None = None
        self.sections: list[Section] = []
        self.current = 0
        self.secrets = False
        self.body: BodyView | None = None
        self._scroll: Scroll | None = None
        self._rows: list[Line] | None = None  # on screen
        self._facts: Line = []
        self._timing: tuple[int, list[Line]] | None = None  # for one width
        self._forming = Background()
        self._searching = Background()
        self._last_search = ""

    def show(self, subject: DetailsTarget) -> None:
        """Take another subject; a section that was chosen stays the same where the new subject has it too."""
        if subject == self.subject:
            return
        chosen = self._section_name() if self.current else ""
        self.subject = subject
        self._forming.stop()
        self._searching.stop()
        self.body = None
        self._make_sections()
        self._facts = headline(subject.record) if subject.record is not None else []
        names = [_plain_name(section) for section in self.sections]
        first = "Refs" if isinstance(subject.row, HeldRow) else ""
        self.current = names.index(chosen) if chosen in names else names.index(first) if first else 0
        self._start_over()

    def _make_sections(self) -> None:
        assert self.subject is not None
        self.sections = sections_of(self.subject, self.glyphs, self._make_body, secrets=self.secrets)

    def _make_body(self, result: FetchResult, trimmed: bool) -> Page:
        if self.body is None:
            source = BodySource.of(result, trimmed=trimmed)
            self.body = BodyView(source, result.sha256, self._forming, self._body_changed, self.glyphs.cursor)
        return self.body

    def _body_changed(self) -> None:
        if self._scroll is not None and self._scroll.page is self.body:
            self._scroll.settle()
            self.repaint()

    def acted_on(self) -> DetailsTarget | None:
        return self.subject

    # painting

    def title(self) -> tuple[Line, Line]:
        if self.subject is None:
            return [("Details", "title")], []
        name = short_url(self.subject.row.url, max(12, self.content_width - 24))
        return [(f"{self.subject.row.id} ", "faint"), (name, "title")], [("frozen copy", "faint")]

    def content(self, y: int, width: int) -> Line:
        if self.subject is None:
            return [("the selected fetch is shown here", "faint")] if y == 0 else []
        if y == 0:
            return self._tabs(width)
        if y == 1:
            return self._facts
        if y == 2:
            return self.body.note() if self.body is not None and self._section_name() == "Body" else []
        below = y - self.HEAD - self._height()
        if below >= 0:
            return [] if below == 0 else self._timing_lines(width)[below - 1]
        if self._rows is None:
            self._rows = self._sized().visible()
        return self._rows[y - self.HEAD] if y - self.HEAD < len(self._rows) else []

    def repaint(self) -> None:
        self._rows = None
        super().repaint()

    def extent(self) -> Extent | None:
        return None if self.subject is None else Extent(*self._sized().shown)

    def scrolled_lines(self) -> tuple[int, int]:
        return self.HEAD, self._height()

    def on_resize(self) -> None:
        self._rows = None
        super().on_resize()

    def on_unmount(self) -> None:
        self._forming.stop()
        self._searching.stop()

    # keys

    def action_section(self, by: int) -> None:
        if self.sections:
            self.current = (self.current + by) % len(self.sections)
            self._start_over()

    def action_move(self, by: int) -> None:
        if self.subject is not None:
            self._sized().move(by)
            self.repaint()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self._height() - 1))

    def action_first(self) -> None:
        if self.subject is not None:
            self._sized().first()
            self.repaint()

    def action_last(self) -> None:
        if self.subject is not None:
            self._sized().last()
            self.repaint()

    def action_search(self) -> None:
        if self.body is not None and self.body.complete:
            self.app.push_screen(AskScreen("Search in the body", self._last_search), self._search)

    def _search(self, text: str | None) -> None:
        body = self.body
        if text is None or body is None:
            return
        self._last_search = text
        self._to_body()
        scroll = self._sized()
        body.search(text, scroll.top[0], self._searching, scroll.width, partial(self._show_line, body))

    def action_match(self, by: int) -> None:
        if self.body is not None and (line := self.body.go(by, self.content_width)) is not None:
            self._to_body()
            self._show_line(self.body, line)

    def action_secrets(self) -> None:
        if self.subject is not None:
            self.secrets = not self.secrets
            top = self._sized().top
            self._make_sections()
            self._start_over()
            self._sized().top = top
            self.repaint()

    # parts

    def _show_line(self, body: BodyView, line: int) -> None:
        if body is self.body:
            self._sized().show(line)
            self.repaint()

    def _to_body(self) -> None:
        if self._section_name() != "Body":
            self.current = [_plain_name(section) for section in self.sections].index("Body")
            self._start_over()

    def _section_name(self) -> str:
        return _plain_name(self.sections[self.current]) if self.sections else ""

    def _sized(self) -> Scroll:
        """The scroll of the current section, knowing its window."""
        if self._scroll is None:
            self._scroll = Scroll(self.sections[self.current].page)
        if (self._scroll.width, self._scroll.height) != (self.content_width, self._height()):
            self._scroll.resize(self.content_width, self._height())
        return self._scroll

    def _height(self) -> int:
        height = max(0, self.content_height - self.HEAD)
        timing = len(self._timing_lines(self.content_width))
        return height - timing - 1 if timing else height

    def _timing_lines(self, width: int) -> list[Line]:
        """The timing, shown below the first section where there is room for both."""
        if self.content_height < ROOM_FOR_TIMING or self.current != 0 or self._facts == []:
            return []
        if self._timing is None or self._timing[0] != width:
            timing = next(section for section in self.sections if section.name == "Timing").lines(width)
            self._timing = width, timing if len(timing) <= self.content_height // 2 else []
        return self._timing[1]

    def _tabs(self, width: int) -> Line:
        names = [section.name for section in self.sections]
        first = 0
        while first < self.current and sum(len(name) + 3 for name in names[first : self.current + 1]) > width:
            first += 1
        line: Line = [(f"{self.glyphs.left} ", "faint")] if first else []
        for number, name in enumerate(names[first:], first):
            here = number == self.current
            line += [(f"[{name}]" if here else f" {name} ", "key" if here else "faint"), (" ", "")]
        return line

    def _start_over(self) -> None:
        self._scroll = self._timing = None
        self.repaint()


def _plain_name(section: Section) -> str:
    """A section's name without its count."""
    return section.name.split()[0]
