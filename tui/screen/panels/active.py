"""The pane of fetches that have not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.bridge.snapshot import ActiveRow
from tui.rows.describe import asked, row_state, wait_text
from tui.rows.row_facts import url_order
from tui.rows.row_view import Sort
from tui.rows.rows import IdRows
from tui.text.host_lines import kept_waiting
from tui.text.plain_text import duration, rate, safe, size
from tui.text.spans import Line, Span
from tui.widgets.columns import Column
from tui.widgets.table import Table

if TYPE_CHECKING:
    from fetch_engine.fetch.host_backoff import HostRest

BAR = 10
_STATES = {"QUE": 0, "REST": 0.3, "RTRY": 0.6, "CONN": 1, "SEND": 2, "WAIT": 3, "RECV": 4}


class ActivePane(Table[ActiveRow]):
    """Fetches that have not ended, oldest first where the user asks for no other order."""

    ABOUT = "Fetches that have not ended. The engine lets go of one as soon as nobody wants it any more."
    EMPTY = "nothing is being fetched; n takes a URL"

    def __init__(self) -> None:
        self.waiting = 0  # URLs that have no row yet
        self.resting: tuple[HostRest, ...] = ()  # hosts that asked for less
        self.has_more = False  # a list may have more
        columns = (
            Column[ActiveRow]("W", 2, self._warning, rank=1, sort=Sort("warnings", _warnings, True)),
            Column[ActiveRow]("ST", 4, lambda row, _: row_state(row), sort=Sort("state", _state, True)),
            Column[ActiveRow](
                "URL",
                14,
                asked,
                share=1,
                sort=Sort("URL", url_order),
            ),
            Column[ActiveRow]("PROGRESS", BAR + 5, self._progress, rank=3, sort=Sort("progress", _part, True)),
            Column[ActiveRow](
                "SIZE",
                5,
                lambda row, _: (size(row.body_size) if row.body_size else "", ""),
                right=True,
                sort=Sort("size", lambda row: row.body_size, True),
            ),
            Column[ActiveRow]("RATE", 7, _rate, right=True, rank=4, sort=Sort("rate", lambda row: row.rate, True)),
            Column[ActiveRow](
                "AGE",
                6,
                lambda row, _: (duration(row.age), ""),
                right=True,
                rank=2,
                sort=Sort("age", lambda row: row.age, True),
            ),
            Column[ActiveRow]("TRY", 3, self._attempt, rank=5, sort=Sort("attempt", lambda row: row.attempt, True)),
        )
        self.active_rows = IdRows[ActiveRow]()
        super().__init__(self.active_rows, columns, id="active")

    def title(self) -> tuple[Line, Line]:
        left: Line = [("1 ", "key"), ("Active ", "title"), *self.count()]
        if self.waiting or self.has_more:
            left.append((f" +{self.waiting:,}{'+' if self.has_more else ''} waiting", "faint"))
        if kept := kept_waiting([rest for rest in self.resting if rest.waiting]):
            left.append((f"  {safe(kept)}", "warn"))
        return left, self.arrangement()

    def _warning(self, row: ActiveRow, _width: int) -> Span:
        count = len(row.warnings)
        return (f"{self.glyphs.warning}{count if 1 < count < 10 else ''}", "warn") if count else ("", "")

    def _attempt(self, row: ActiveRow, _width: int) -> Span:
        pin = self.glyphs.pinned if row.pinned else ""
        again = f"{self.glyphs.times}{min(row.attempt, 9)}" if row.attempt > 1 else ""
        return pin + again, "warn"

    def _progress(self, row: ActiveRow, _width: int) -> Span:
        g = self.glyphs
        if row.wait is not None:
            return wait_text(row.wait), "warn"
        if row.expected_size:
            part = _part(row)
            full = int(part * BAR)
            return f"{g.bar_full * full}{g.bar_empty * (BAR - full)} {int(part * 100):3}%", "good"
        return (f"{size(row.body_size)} so far", "good") if row.body_size else (g.bar_idle * BAR, "faint")


def _warnings(row: ActiveRow) -> int:
    return len(row.warnings)


def _state(row: ActiveRow) -> float:
    return _STATES.get(row_state(row)[0], len(_STATES))


def _part(row: ActiveRow) -> float:
    return min(1.0, row.body_size / row.expected_size) if row.expected_size else 0.0


def _rate(row: ActiveRow, _width: int) -> Span:
    return (rate(row.rate), "") if row.rate >= 1 else ("", "")
