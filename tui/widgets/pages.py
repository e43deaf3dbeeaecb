"""What a pane scrolls through: logical lines, each wrapped to the width only when it comes on screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tui.text.spans import Line

Slot = tuple[int, int]
"""A logical line, and one of the rows it is wrapped into."""


class Page(Protocol):
    """Lines that know how they wrap."""

    def count(self, width: int) -> int:
        """How many logical lines there are at this width."""

    def rows(self, at: int, width: int) -> Sequence[Line]:
        """Logical line `at` in rows of at most `width` cells; at least one."""


class Lines:
    """A page whose few lines are all made at once, for one width at a time."""

    def __init__(self, make: Callable[[int], list[Line]]) -> None:
        self._make = make
        self._made: tuple[int, list[Line]] = (-1, [])

    def count(self, width: int) -> int:
        return len(self.all(width))

    def rows(self, at: int, width: int) -> Sequence[Line]:
        return (self.all(width)[at],)

    def all(self, width: int) -> list[Line]:
        """Every line."""
        if self._made[0] != width:
            self._made = width, self._make(width)
        return self._made[1]


class Scroll:
    """Where a page is scrolled to. Every step costs what is on screen, however long the page is."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.width = 1
        self.height = 1
        self.top: Slot = (0, 0)

    def resize(self, width: int, height: int) -> None:
        """Take the size of the window, in cells."""
        self.width, self.height = max(1, width), max(1, height)
        self.settle()

    def settle(self) -> None:
        """Stay within a page that has changed."""
        line = min(self.top[0], max(0, self._count - 1))
        row = min(self.top[1], len(self._rows(line)) - 1) if self._count else 0
        self.top = min((line, row), self._last_top())

    def visible(self) -> list[Line]:
        """The rows on screen, at most `height`."""
        found: list[Line] = []
        line, row = self.top
        while line < self._count and len(found) < self.height:
            found += self._rows(line)[row:]
            line, row = line + 1, 0
        return found[: self.height]

    def move(self, by: int) -> None:
        """`by` rows down, or up."""
        self.top = min(self._after(self.top, by), self._last_top())

    def first(self) -> None:
        """To the top."""
        self.top = (0, 0)

    def last(self) -> None:
        """To the bottom."""
        self.top = self._last_top()

    def show(self, line: int) -> None:
        """Bring a logical line on screen, unless it is there: a third from the top."""
        if not self.top <= (line, 0) <= self._after(self.top, self.height - 1):
            self.top = min(self._after((line, 0), -(self.height // 3)), self._last_top())

    @property
    def shown(self) -> tuple[int, int, int]:
        """The first line on screen, how many there are, and of how many."""
        end = self._after(self.top, self.height - 1)[0]
        return self.top[0], min(end, self._count - 1) - self.top[0] + 1, self._count

    @property
    def _count(self) -> int:
        return self.page.count(self.width)

    def _rows(self, line: int) -> Sequence[Line]:
        return self.page.rows(line, self.width)

    def _last_top(self) -> Slot:
        count = self._count
        return self._after((count - 1, len(self._rows(count - 1)) - 1), 1 - self.height) if count else (0, 0)

    def _after(self, place: Slot, by: int) -> Slot:
        """The place `by` rows below, or above; at the end of the page the end."""
        line, row = place
        row += by
        while row < 0 and line > 0:
            line -= 1
            row += len(self._rows(line))
        while line < self._count - 1 and row >= (rows := len(self._rows(line))):
            row -= rows
            line += 1
        return line, max(0, min(row, len(self._rows(line)) - 1)) if line < self._count else 0
