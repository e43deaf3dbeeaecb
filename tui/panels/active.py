"""The pane of fetches that have not ended."""

from __future__ import annotations

from tui.describe import short_url, state_word
from tui.painted import Line, Span
from tui.plain_text import duration, rate, size
from tui.rows import IdRows
from tui.snapshot import ActiveRow
from tui.table import Column, Table

BAR = 10


class ActivePane(Table[ActiveRow]):
    """Fetches that have not ended, oldest first."""

    EMPTY = "nothing is being fetched; n takes a URL"

    def __init__(self) -> None:
        self.waiting = 0  # URLs that have no row yet
        columns = (
            Column[ActiveRow]("", 2, self._mark, rank=5),
            Column[ActiveRow]("ST", 4, lambda row, _: state_word(row.state)),
            Column[ActiveRow]("URL", 14, lambda row, width: (short_url(row.url, width), ""), share=1),
            Column[ActiveRow]("PROGRESS", BAR + 5, self._progress, rank=3),
            Column[ActiveRow]("SIZE", 5, lambda row, _: (size(row.body_size) if row.body_size else "", ""), right=True),
            Column[ActiveRow]("RATE", 7, _rate, right=True, rank=4),
            Column[ActiveRow]("AGE", 6, lambda row, _: (duration(row.age), ""), right=True, rank=2),
        )
        self.active_rows = IdRows[ActiveRow]()
        super().__init__(self.active_rows, columns, id="active")

    def title(self) -> tuple[Line, Line]:
        left: Line = [("1 ", "key"), ("Active ", "title"), (str(len(self.rows)), "strong")]
        if self.waiting:
            left.append((f" +{self.waiting} waiting", "faint"))
        return left, [("oldest first", "faint")]

    def _mark(self, row: ActiveRow, _width: int) -> Span:
        if row.pinned:
            return self.glyphs.pinned, "warn"
        return (f"{self.glyphs.times}{min(row.attempt, 9)}", "warn") if row.attempt > 1 else ("", "")

    def _progress(self, row: ActiveRow, _width: int) -> Span:
        g = self.glyphs
        if not row.expected_size:
            return (g.bar_idle * BAR if not row.body_size else g.bar_full + g.bar_idle * (BAR - 1)), "faint"
        part = min(1.0, row.body_size / row.expected_size)
        full = int(part * BAR)
        return f"{g.bar_full * full}{g.bar_empty * (BAR - full)} {int(part * 100):3}%", "good"


def _rate(row: ActiveRow, _width: int) -> Span:
    return (rate(row.rate), "") if row.rate >= 1 else ("", "")
