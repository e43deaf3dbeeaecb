"""The frame of a pane: a title rule that joins the pane above, sides, and a scroll bar in the right side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual.reactive import reactive

from tui.text.plain_text import fit
from tui.text.spans import Line, Span
from tui.widgets.line_widget import CURSOR, END, LineWidget


@dataclass(frozen=True, slots=True)
class Extent:
    """What part of a longer content is on screen: `shown` of `total` lines, from line `top`."""

    top: int
    shown: int
    total: int


class Frame(LineWidget, can_focus=True):
    """A pane. Subclasses give title and content; `joins` and `closes` say whether panes stand above and below it."""

    ABOUT: ClassVar[str] = ""  # what the help says of it

    joins = reactive(False)
    closes = reactive(True)
    _bar = range(0)
    _bar_painting = -1

    def title(self) -> tuple[Line, Line]:
        """What stands in the title rule, left and right. The right one is left out where both do not fit."""
        return [], []

    def content(self, y: int, width: int) -> Line:
        """The spans of content line `y`."""
        return []

    def extent(self) -> Extent | None:
        """Where the content is scrolled to, for the scroll bar; None without one."""
        return None

    def scrolled_lines(self) -> tuple[int, int]:
        """The first content line beside which the scroll bar runs, and how many there are."""
        return 0, self.content_height

    @property
    def content_height(self) -> int:
        """Lines between title rule and lower edge."""
        return max(0, self.measured.height - 1 - self.closes)

    @property
    def content_width(self) -> int:
        """Cells between the sides, which are each followed or preceded by a blank."""
        return max(0, self.measured.width - 4)

    def watch_joins(self) -> None:
        self.repaint()

    def watch_closes(self) -> None:
        self.repaint()

    def line(self, y: int, width: int) -> Line:
        if y == 0:
            return self._title_rule(width)
        if self.closes and y == self.measured.height - 1:
            g = self.glyphs
            return [(g.bottom_left + g.horizontal * (width - 2) + g.bottom_right, "rule")]
        inside = max(0, width - 4)
        inner = self.content(y - 1, inside)
        selected: Line = [("", "cursor")] if inner and inner[0] == CURSOR else []
        filled = _pad(inner, inside)
        right = (self._scroll_glyph(y - 1), "rule")
        return [(self.glyphs.vertical, "rule"), *selected, (" ", ""), *filled, (" ", ""), END, right]

    def _title_rule(self, width: int) -> Line:
        g = self.glyphs
        left, right = self.title()
        room = width - 6
        used = _cells(left)
        spare = room - used - _cells(right) - 3
        if spare < 0 or not right:
            right, spare = [], room - used - 1
        corner, end = (g.tee_left, g.tee_right) if self.joins else (g.top_left, g.top_right)
        if self.closes and self.measured.height == 1:  # folded to its title
            corner, end = g.bottom_left, g.bottom_right
        line: Line = [(corner + g.horizontal + " ", "rule"), *_cut(left, room)]
        line.append((" " + g.horizontal * max(0, spare + 1), "rule"))
        if right:
            line += [(" ", "rule"), *right, (" ", "rule")]
        return [*line, (g.horizontal + end, "rule")]

    def _scroll_glyph(self, y: int) -> str:
        if self._bar_painting != self.painting:
            self._bar_painting, self._bar = self.painting, self._scroll_bar()
        return self.glyphs.bar_full if y in self._bar else self.glyphs.vertical

    def _scroll_bar(self) -> range:
        """The content lines beside which the bar stands."""
        extent = self.extent()
        if extent is None or extent.total <= extent.shown or extent.shown < 1:
            return range(0)
        first, height = self.scrolled_lines()
        size = max(1, height * extent.shown // extent.total)
        start = first + round((height - size) * extent.top / (extent.total - extent.shown))
        return range(start, start + size)


def _cells(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def _cut(line: Line, width: int) -> list[Span]:
    spans = []
    for text, role in line:
        if width <= 0:
            break
        cells = cell_len(text)
        spans.append((text if cells <= width else fit(text, width), role))
        width -= cells
    return spans


def _pad(line: Line, width: int) -> list[Span]:
    spans = _cut(line, width)
    return [*spans, (" " * max(0, width - _cells(spans)), "")]
