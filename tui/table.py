"""A table over rows that live elsewhere: it paints the lines on screen and keeps nothing for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from tui.frame import Extent, Frame
from tui.keys import bindings
from tui.painted import CURSOR, Line, Span
from tui.plain_text import fit
from tui.rows import Cursor, Rows


class Numbered(Protocol):
    """A row with the number people know it by."""

    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=Numbered)


@dataclass(frozen=True)  # no slots: on 3.11 a frozen generic class with slots cannot be made as Column[Row](...)
class Column(Generic[R]):
    """One column. `cell` takes a row and the column's width and gives text that has been through `safe`, and its role.

    width: cells; the least ones where `share` is above 0, which makes the column take that part of what is left.
    rank: where the width does not suffice, columns of the highest rank go first; those of rank 0 stay.
    """

    name: str
    width: int
    cell: Callable[[R, int], Span]
    right: bool = False
    share: int = 0
    rank: int = 0


class Table(Frame, Generic[R]):
    """A pane of rows with a cursor, their numbers first. Nothing is held for a row that is not on screen."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("rows")]
    EMPTY = ""

    class Moved(Message):
        """The user moved the cursor. Says nothing more: whoever cares asks the table."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Table.Moved)

    def __init__(self, rows: Rows[R], columns: Sequence[Column[R]], *, id: str, newest_first: bool = False) -> None:
        super().__init__(id=id)
        self.rows = rows
        self.columns = tuple(columns)
        self.cursor = Cursor(newest_first=newest_first)
        self._layout: tuple[tuple[int, int], list[tuple[Column[R], int]]] = ((-1, 0), [])
        self._digits = 3  # of the longest number seen

    # what subclasses add above and below the rows

    def above_count(self) -> int:
        """Lines above the column names."""
        return 0

    def above(self, y: int, width: int) -> Line:
        """Line `y` of those above the column names."""
        return []

    def below_count(self) -> int:
        """Lines below the rows."""
        return 0

    def below(self, y: int, width: int) -> Line:
        """Line `y` of those below the rows."""
        return []

    def header_count(self) -> int:
        """1 where the names of the columns are shown, 0 where there is no room."""
        return 1

    def row_role(self, row: R) -> str:
        """The role of the cells that have none."""
        return ""

    # rows and cursor

    @property
    def selected(self) -> R | None:
        """The row under the cursor."""
        return self.rows.row(self.cursor.place) if self.cursor.place < len(self.rows) else None

    @property
    def page_height(self) -> int:
        """Rows that fit."""
        return max(0, self.content_height - self._rows_line() - self.below_count())

    def update(self) -> None:
        """The rows changed: find the selected one again and paint what differs."""
        self.cursor.settle(self.rows, self.page_height)
        self._measure_numbers()
        self.repaint()

    def on_resize(self) -> None:
        self.cursor.settle(self.rows, self.page_height)
        super().on_resize()

    def select(self, place: int) -> None:
        """Move the cursor to this place, or the nearest there is."""
        self.cursor.move_to(self.rows, place, self.page_height)
        self._measure_numbers()
        self.repaint()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        self.select(self.cursor.place + by)

    def action_page(self, by: int) -> None:
        self.select(self.cursor.place + by * max(1, self.page_height - 1))

    def action_first(self) -> None:
        self.select(0)

    def action_last(self) -> None:
        self.select(len(self.rows) - 1)

    def on_click(self, event: events.Click) -> None:
        y = event.y - 1 - self._rows_line()
        if 0 <= y < self.page_height and self.cursor.top + y < len(self.rows):
            self.select(self.cursor.top + y)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    def watch_has_focus(self, _focused: bool) -> None:
        super().watch_has_focus(_focused)
        self.repaint()

    # painting

    def extent(self) -> Extent:
        return Extent(self.cursor.top, self.page_height, len(self.rows))

    def scrolled_lines(self) -> tuple[int, int]:
        return self._rows_line(), self.page_height

    def content(self, y: int, width: int) -> Line:
        above = self._above_shown()
        if y < above:
            return self.above(y, width)
        first = self._rows_line()
        if y < first:
            return self._header(width)
        bottom = self.content_height - self.below_count()
        if y >= bottom:
            return self.below(y - bottom, width)
        place = self.cursor.top + y - first
        if place < len(self.rows):
            return self._row(place, width)
        return [(self.EMPTY, "faint")] if y == first and not len(self.rows) else []

    def _above_shown(self) -> int:
        return min(self.above_count(), max(0, self.content_height - self.below_count() - self.header_count() - 1))

    def _rows_line(self) -> int:
        return self._above_shown() + self.header_count()

    def _header(self, width: int) -> Line:
        line: Line = [(" ", "")]
        for column, cells in self._columns(width):
            line += [(" ", ""), (fit(column.name, cells, right=column.right), "head")]
        return line

    def _row(self, place: int, width: int) -> Line:
        row = self.rows.row(place)
        role = self.row_role(row) if place != self.cursor.place else ""
        line: Line = [(" ", "")]
        if place == self.cursor.place:
            mark = (self.glyphs.prompt, "key" if self.has_focus else "faint")
            line = [CURSOR, mark] if self.has_focus else [mark]
        for column, cells in self._columns(width):
            text, own_role = column.cell(row, cells)
            line += [(" ", role), (fit(text, cells, right=column.right), own_role or role)]
        return line

    def _columns(self, width: int) -> list[tuple[Column[R], int]]:
        if self._layout[0] != (width, self._digits):
            number = Column[R]("#", self._digits, lambda row, _: (str(row.id), "faint"), right=True)
            self._layout = (width, self._digits), lay_out((number, *self.columns), width - 1)
        return self._layout[1]

    def _measure_numbers(self) -> None:
        shown = range(self.cursor.top, min(self.cursor.top + self.page_height, len(self.rows)))
        self._digits = max((self._digits, *(len(str(self.rows.row(place).id)) for place in shown)))


def lay_out(columns: Sequence[Column[R]], width: int) -> list[tuple[Column[R], int]]:
    """The columns that fit into `width` cells, each with a blank before it, and how wide each is."""
    shown = list(columns)
    while sum(column.width + 1 for column in shown) > width:
        rank = max((column.rank for column in shown), default=0)
        if rank == 0:
            break
        shown = [column for column in shown if column.rank < rank]
    left = max(0, width - sum(column.width + 1 for column in shown))
    shares = sum(column.share for column in shown)
    widths = []
    for column in shown:
        extra = left * column.share // shares if column.share else 0
        left -= extra
        shares -= column.share
        widths.append((column, column.width + extra))
    return widths
