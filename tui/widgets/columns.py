"""The columns of a table, and how they share its width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tui.rows.row_view import Sort
from tui.text.spans import Span

R = TypeVar("R")


@dataclass(frozen=True)  # no slots: on 3.11 a frozen generic class with slots cannot be made as Column[Row](...)
class Column(Generic[R]):
    """One column. `cell` takes a row and the column's width and gives text that has been through `safe`, and its role.

    width: cells; the least ones where `share` is above 0, which makes the column take that part of what is left.
    rank: where the width does not suffice, columns of the highest rank go first; those of rank 0 stay.
    sort: the order that the column stands for.
    """

    name: str
    width: int
    cell: Callable[[R, int], Span]
    right: bool = False
    share: int = 0
    rank: int = 0
    sort: Sort[R] | None = None


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
