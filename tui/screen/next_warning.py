"""Where the next row with a warning is, through all panes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tui.widgets.table import Table


def next_warned(tables: Sequence[Table[Any]], current: int) -> tuple[Table[Any], int] | None:
    """The table and the place of the next row that has warnings, after the cursor of the current table, then in the
    tables after it, then from the first on; None where no row has any."""
    here = tables[current]
    found = here.rows.next_warned(here.cursor.place) if len(here.rows) else None
    if found is not None and found > here.cursor.place:
        return here, found
    for table in (*tables[current + 1 :], *tables[:current]):
        at = table.rows.next_warned(-1) if len(table.rows) else None
        if at is not None:
            return table, at
    return None if found is None else (here, found)
