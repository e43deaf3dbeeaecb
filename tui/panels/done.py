"""The pane of fetches that have ended."""

from __future__ import annotations

from rich.cells import chop_cells

from tui.describe import glimpse, outcome_code, short_url
from tui.done_rows import DoneRows
from tui.painted import Line
from tui.plain_text import duration, size
from tui.snapshot import FinishedRecord
from tui.table import Column, Table

GLIMPSE_CHARACTERS = 100


class DonePane(Table[FinishedRecord]):
    """Fetches that have ended, newest first, with the beginning of the selected body below."""

    EMPTY = "nothing has ended yet"

    def __init__(self, rows: DoneRows) -> None:
        self.done_rows = rows
        self.arrived = 0  # rows that came while the view was paused
        columns = (
            Column[FinishedRecord]("CODE", 4, lambda row, _: outcome_code(row.outcome)),
            Column[FinishedRecord]("TIME", 6, lambda row, _: (duration(row.outcome.elapsed), ""), right=True, rank=3),
            Column[FinishedRecord]("SIZE", 5, lambda row, _: (size(row.outcome.body_size), ""), right=True, rank=2),
            Column[FinishedRecord]("URL", 14, lambda row, width: (short_url(row.url, width), ""), share=4),
            Column[FinishedRecord](
                "PREVIEW", 16, lambda row, width: (glimpse(row.outcome, width + 1), ""), share=5, rank=4
            ),
        )
        super().__init__(rows, columns, id="done", newest_first=True)

    def title(self) -> tuple[Line, Line]:
        rows = self.done_rows
        left: Line = [("2 ", "key"), ("Done ", "title"), (str(rows.total), "strong")]
        if rows.left_out and not rows.archived:
            left.append((f", {rows.left_out} older left out", "warn"))
        elif rows.left_out:
            left.append((f", {rows.left_out} on disk", "faint"))
        right: Line = [("newest first", "faint")]
        if self.arrived:
            right = [(f"paused, {self.arrived} more", "warn")]
        elif rows.trimmed and not rows.archived:
            right = [(f"{rows.trimmed} without body", "faint")]
        return left, right

    def row_role(self, row: FinishedRecord) -> str:
        return "faint"

    def below_count(self) -> int:
        if not len(self.rows) or self.content_height < 4:
            return 0
        return 2 if self.content_height >= 7 and self.content_width < GLIMPSE_CHARACTERS + 2 else 1

    def below(self, y: int, width: int) -> Line:
        row = self.selected
        if row is None:
            return []
        lines = chop_cells(glimpse(row.outcome, GLIMPSE_CHARACTERS), width - 2)
        mark = f"{self.glyphs.right} " if y == 0 else "  "
        return [(mark, "key"), (lines[y] if y < len(lines) else "", "")]
