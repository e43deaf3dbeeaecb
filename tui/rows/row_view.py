"""Rows in the order and under the filter that the user asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tui.rows.row_facts import Row
from tui.rows.row_filter import RowFilter, parse

T = TypeVar("T")
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Sort(Generic[T]):
    """An order of rows. value: by what; rows of equal value are in order of their key. descending: as it starts."""

    name: str
    value: Callable[[T], Any]
    descending: bool = False


def _none(_row: object) -> int:
    return 0


class Arranged(ABC, Generic[R]):
    """Rows by place (0 is the uppermost) and by key; a row keeps its key while it moves.

    natural: the order in which rows come, by key. sorts: the others there are.
    """

    def __init__(self, natural: str, *, descending: bool = False) -> None:
        self.natural = Sort[R](natural, _none, descending)
        self.sorts: Sequence[Sort[R]] = ()
        self.sort = self.natural
        self.descending = descending
        self.filter = RowFilter()
        self.busy = False  # what is shown is not yet what was asked for

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def row(self, place: int) -> R:
        """The row at this place. Raises IndexError."""

    @abstractmethod
    def key(self, place: int) -> int:
        """The key of the row at this place. Raises IndexError."""

    @abstractmethod
    def place(self, key: int) -> int | None:
        """Where the row with this key is now, None if it is gone or filtered out."""

    @property
    @abstractmethod
    def considered(self) -> int:
        """Rows that the filter was asked about."""

    @abstractmethod
    def _arrange(self) -> None:
        """Order or filter changed."""

    def update(self) -> None:
        """Rows came or went."""

    def step(self, seconds: float) -> bool:
        """Work on what was asked for, about so long; whether there is more to do."""
        return False

    @property
    def newest(self) -> str | None:
        """Where the newest row is: "first", "last", or None where rows are not in order of arrival."""
        if self.sort is not self.natural:
            return None
        return "first" if self.descending else "last"

    def sort_beside(self, by: int) -> None:
        """Sort by the next column on the right (1) or left (-1); beyond the last is the natural order."""
        orders = [self.natural, *self.sorts]
        self.sort = orders[(orders.index(self.sort) + by) % len(orders)]
        self.descending = self.sort.descending
        self._arrange()

    def sort_by(self, sort: Sort[R]) -> None:
        """Sort by this one of the orders; by the one there is already, the other way round."""
        if sort is self.sort:
            self.invert()
            return
        self.sort, self.descending = sort, sort.descending
        self._arrange()

    @property
    def order(self) -> str:
        """The order as text: `-size` where the largest come first."""
        return f"{'-' if self.descending else '+'}{self.sort.name}"

    @order.setter
    def order(self, text: str) -> None:
        for sort in (self.natural, *self.sorts):
            if sort.name == text[1:] and text[:1] in ("-", "+"):
                self.sort, self.descending = sort, text[0] == "-"
                self._arrange()

    def invert(self) -> None:
        """Turn the order round."""
        self.descending = not self.descending
        self._arrange()

    def show_only(self, text: str) -> None:
        """Show only rows that pass this filter. Raises ValueError, and changes nothing, where it is not one."""
        wanted = parse(text)
        if wanted.text != self.filter.text:
            self.filter = wanted
            self._arrange()

    def is_warned(self, place: int) -> bool:
        """Whether the row at this place has warnings."""
        return bool(self.row(place).warnings)

    def next_warned(self, place: int) -> int | None:
        """The place of the next row after `place` that has warnings, from the top again at the end; None without."""
        count = len(self)
        after = ((place + step) % count for step in range(1, count + 1))
        return next((at for at in after if self.is_warned(at)), None)
