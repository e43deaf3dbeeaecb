"""The pane that shows one fetch: a frozen copy, in sections."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType

from tui.describe import short_url
from tui.frame import Extent, Frame
from tui.keys import bindings
from tui.painted import Line
from tui.sections import Section, Subject, headline, sections_of

ROOM_FOR_TIMING = 28  # lines


class DetailsPane(Frame):
    """Sections of one fetch, wrapped to the width, scrolled by line: what it was given, never anything newer."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text", "details")]
    ABOUT = "One fetch, as a copy of what was known when it was opened."
    HEAD = 3  # tabs, facts, a blank

    def __init__(self) -> None:
        super().__init__(id="details")
        self.subject: Subject | None = None
        self.sections: list[Section] = []
        self.current = 0
        self.top = 0
        self._facts: Line = []
        self._wrapped: tuple[int, list[Line]] | None = None  # of the current section, for one width
        self._timing: tuple[int, list[Line]] | None = None  # likewise

    def show(self, subject: Subject) -> None:
        """Take another subject; a section that was chosen stays the same where the new subject has it too."""
        if subject == self.subject:
            return
        name = self.sections[self.current].name.split()[0] if self.current else ""
        self.subject = subject
        self.sections = sections_of(subject, self.glyphs)
        self._facts = headline(subject.record) if subject.record is not None else []
        names = [section.name.split()[0] for section in self.sections]
        self.current = names.index(name) if name in names else 0
        self._start_over()

    def title(self) -> tuple[Line, Line]:
        if self.subject is None:
            return [("Details", "title")], []
        name = short_url(self.subject.row.url, max(12, self.content_width - 24))
        return [(f"{self.subject.row.id} ", "faint"), (name, "title")], [("frozen copy", "faint")]

    def content(self, y: int, width: int) -> Line:
        if self.subject is None:
            return [("the selected fetch is shown here", "faint")] if y == 0 else []
        if y == 0:
            return self._tabs()
        if y == 1:
            return self._facts
        below = y - self.HEAD - self._height()
        if below >= 0:
            return [] if below == 0 else self._timing_lines(width)[below - 1]
        lines = self._lines(width)
        place = self.top + y - self.HEAD
        return lines[place] if y >= self.HEAD and place < len(lines) else []

    def extent(self) -> Extent | None:
        if self.subject is None:
            return None
        return Extent(self.top, self._height(), len(self._lines(self.content_width)))

    def scrolled_lines(self) -> tuple[int, int]:
        return self.HEAD, self._height()

    def action_section(self, by: int) -> None:
        if self.sections:
            self.current = (self.current + by) % len(self.sections)
            self._start_over()

    def action_move(self, by: int) -> None:
        last = len(self._lines(self.content_width)) - self._height()
        self.top = max(0, min(self.top + by, last))
        self.repaint()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self._height() - 1))

    def action_first(self) -> None:
        self.action_move(-self.top)

    def action_last(self) -> None:
        self.action_move(len(self._lines(self.content_width)))

    def on_resize(self) -> None:
        self.action_move(0)
        super().on_resize()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    def _height(self) -> int:
        height = max(0, self.content_height - self.HEAD)
        timing = len(self._timing_lines(self.content_width))
        return height - timing - 1 if timing else height

    def _timing_lines(self, width: int) -> list[Line]:
        """The timing, shown below the first section where there is room for both."""
        if self.content_height < ROOM_FOR_TIMING or self.current != 0 or self._facts == []:
            return []
        if self._timing is None or self._timing[0] != width:
            timing = next(section for section in self.sections if section.name == "Timing")
            self._timing = width, timing.lines(width)
        return self._timing[1]

    def _tabs(self) -> Line:
        line: Line = []
        for number, section in enumerate(self.sections):
            here = number == self.current
            line += [(f"[{section.name}]" if here else f" {section.name} ", "key" if here else "faint"), (" ", "")]
        return line

    def _lines(self, width: int) -> list[Line]:
        if self._wrapped is None or self._wrapped[0] != width:
            self._wrapped = width, self.sections[self.current].lines(width) if self.sections else []
        return self._wrapped[1]

    def _start_over(self) -> None:
        self.top = 0
        self._wrapped = self._timing = None
        self.repaint()
