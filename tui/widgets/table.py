"""A table over rows that live elsewhere: it paints the lines on screen and keeps nothing for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from textual import events, on
from textual.binding import BindingType
from textual.message import Message

from tui.keys.table import bindings
from tui.rows.row_facts import Row
from tui.rows.row_view import Arranged, Sort
from tui.text.plain_text import fit, safe
from tui.text.spans import Line
from tui.widgets.columns import Column, lay_out
from tui.widgets.cursor import Cursor
from tui.widgets.filter_field import FilterField
from tui.widgets.frame import Extent, Frame
from tui.widgets.line_widget import CURSOR
from tui.widgets.wheel import Wheel

WORK = 0.008  # seconds that arranging many rows takes of the screen's loop at a time
FILTER_SHOWN = 40  # characters of a filter in a title
PAUSE = 0.002  # seconds in between, for keys

R = TypeVar("R", bound=Row)


class Table(Wheel, Frame, Generic[R]):
    """A pane of rows with a cursor, their numbers first. Nothing is held for a row that is not on screen."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("rows")]
    EMPTY = ""

    class Moved(Message):
        """The user moved the cursor. Says nothing more: whoever cares asks the table."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Table.Moved)

    class Sorted(Message):
        """The user asked for another order."""

        def __init__(self, table: Table[Any]) -> None:
            super().__init__()
            self.table = table

    def __init__(self, rows: Arranged[R], columns: Sequence[Column[R]], *, id: str) -> None:
        super().__init__(id=id)
        self.rows = rows
        self.columns = tuple(columns)
        rows.sorts = tuple(column.sort for column in columns if column.sort is not None)
        self.cursor = Cursor()
        self._wrong = ""  # why what stands in the filter field is no filter
        self._working = False
        self._field: FilterField | None = None
        self._split, self._split_painting = (0, 0, 0), -1
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
        self.rows.update()
        self._settle()
        self._work()

    def _settle(self) -> None:
        self.cursor.settle(self.rows, self.page_height)
        self._measure_numbers()
        self.repaint()

    def _work(self) -> None:
        if self.rows.busy and not self._working:
            self._working = True
            self.set_timer(PAUSE, self._work_on)

    def _work_on(self) -> None:
        self._working = False
        if not self.rows.step(WORK):
            self._settle()
        self._work()

    def on_resize(self) -> None:
        self.measure()
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

    # order and filter

    @property
    def _field_height(self) -> int:
        return 0 if self._field is None else 1

    def action_sort(self, by: int) -> None:
        self.rows.sort_beside(by)
        self._arranged()
        self.post_message(self.Sorted(self))

    def action_invert(self) -> None:
        self.rows.invert()
        self._arranged()
        self.post_message(self.Sorted(self))

    async def action_filter(self) -> None:
        if self._field is None:
            self._field = FilterField(self.rows.filter.text)
            await self.mount(self._field)
            self._settle()
        self.screen.set_focus(self._field)

    def clear_filter(self) -> bool:
        """Show all rows again; whether there was a filter."""
        had = bool(self.rows.filter)
        self._show_only("")
        return had

    @on(FilterField.Changed)
    def _typed(self, event: FilterField.Changed) -> None:
        event.stop()
        self._show_only(event.value)

    @on(FilterField.Left)
    async def _filter_left(self, event: FilterField.Left) -> None:
        event.stop()
        if event.clear:
            self._show_only("")
        if event.back:
            self.screen.set_focus(self)
        if self._field is not None:
            field, self._field = self._field, None
            self._wrong = ""
            await field.remove()
            self._settle()

    def _show_only(self, text: str) -> None:
        try:
            self.rows.show_only(text)
            self._wrong = ""
        except ValueError as error:
            self._wrong = str(error)
        self._arranged()

    def _arranged(self) -> None:
        self._settle()
        self._work()

    def count(self) -> Line:
        """How many rows there are; with a filter how many of how many pass it."""
        shown, considered = len(self.rows), self.rows.considered
        if not self.rows.filter or self.rows.busy:
            return [(str(considered), "strong")]
        return [(str(shown), "strong"), (f" of {considered}", "")]

    def arrangement(self) -> Line:
        """Order and filter, for the right end of the title."""
        rows = self.rows
        if self._wrong:
            return [(self._wrong, "bad")]
        text: Line = [(f"/{safe(rows.filter.text, FILTER_SHOWN)}", "key"), ("  ", "")] if rows.filter else []
        if rows.busy:
            return [*text, ("filtering..." if rows.sort is rows.natural else "sorting...", "busy")]
        return [*text, (f"by {rows.sort.name} {self._direction()}", "faint")]

    def _direction(self) -> str:
        return self.glyphs.descending if self.rows.descending else self.glyphs.ascending

    def on_click(self, event: events.Click) -> None:
        y = event.y - 1 - self._rows_line()
        if y == -1 and self.header_count():
            self._sort_by_column_at(event.x - 2)
        elif 0 <= y < self.page_height and self.cursor.top + y < len(self.rows):
            self.select(self.cursor.top + y)

    def _sort_by_column_at(self, x: int) -> None:
        end = 1
        for column, cells in self._columns(self.content_width):
            start, end = end, end + 1 + cells
            sort = self._sort_of(column)
            if start <= x < end and sort is not None:
                self.rows.sort_by(sort)
                self._arranged()
                self.post_message(self.Sorted(self))

    def _sort_of(self, column: Column[R]) -> Sort[R] | None:
        return column.sort or (self.rows.natural if column.name == self.rows.natural.name else None)

    # painting

    def extent(self) -> Extent:
        return Extent(self.cursor.top, self.page_height, len(self.rows))

    def scrolled_lines(self) -> tuple[int, int]:
        return self._rows_line(), self.page_height

    def content(self, y: int, width: int) -> Line:
        if self._split_painting != self.painting:
            self._split_painting = self.painting
            first = self._rows_line()
            self._split = first, self.content_height - self.below_count(), first - self.header_count()
        first, bottom, header = self._split
        if first <= y < bottom:
            place = self.cursor.top + y - first
            if place < len(self.rows):
                return self._row(place, width)
            empty = "no row passes the filter; esc shows all" if self.rows.considered else self.EMPTY
            return [(empty, "faint")] if y == first and not len(self.rows) else []
        if y >= bottom:
            return self.below(y - bottom, width)
        if y >= header:
            return self._header(width)
        if self._field is not None and y == 0:
            return [("/ ", "key")]
        return self.above(y - self._field_height, width)

    def _above_shown(self) -> int:
        fixed = self.below_count() + self.header_count() + self._field_height
        return min(self.above_count(), max(0, self.content_height - fixed - 1))

    def _rows_line(self) -> int:
        return self._field_height + self._above_shown() + self.header_count()

    def _header(self, width: int) -> Line:
        line: Line = [(" ", "")]
        for column, cells in self._columns(width):
            if self._sort_of(column) is self.rows.sort:  # the mark takes the blank where the name fills the column
                name = f"{self._direction()}{column.name}"
                line.append((fit(name, cells + 1, right=column.right), "key"))
            else:
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
