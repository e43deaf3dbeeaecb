"""The pane of fetches that have ended."""

from __future__ import annotations

from fetch_engine.model.results import FetchResult
from tui.bridge.snapshot import FinishedRecord
from tui.rows.describe import asked, glimpse, outcome_code
from tui.rows.finished_store import DoneRows
from tui.rows.finished_view import DoneView
from tui.rows.row_facts import preview_order, url_order
from tui.rows.row_view import Sort
from tui.text.plain_text import duration, safe, size
from tui.text.spans import Line, Span
from tui.widgets.columns import Column
from tui.widgets.table import Table
from tui.widgets.wrapping import wrap

GLIMPSE_CHARACTERS = 100


class DonePane(Table[FinishedRecord]):
    """Fetches that have ended, newest first where the user asks for no other order, with the beginning of the
    selected body below.
    """

    ABOUT = "Fetches that have ended, as records that keep nothing alive. Below: the beginning of the selected body."
    EMPTY = "nothing has ended yet"

    def __init__(self, rows: DoneRows) -> None:
        self.done_rows = rows
        self.arrived = 0  # rows that came while the view was paused
        columns = (
            Column[FinishedRecord]("W", 2, self._warning, rank=1, sort=Sort("warnings", _warnings, True)),
            Column[FinishedRecord]("CODE", 4, lambda row, _: outcome_code(row.outcome), sort=Sort("code", _code, True)),
            Column[FinishedRecord](
                "TIME",
                6,
                lambda row, _: (duration(row.outcome.elapsed), ""),
                right=True,
                rank=3,
                sort=Sort("time", lambda row: row.outcome.elapsed, True),
            ),
            Column[FinishedRecord](
                "SIZE",
                5,
                lambda row, _: (size(row.outcome.body_size), ""),
                right=True,
                rank=2,
                sort=Sort("size", lambda row: row.outcome.body_size, True),
            ),
            Column[FinishedRecord]("TYPE", 4, lambda row, _: (_type(row), "faint"), rank=5, sort=Sort("type", _type)),
            Column[FinishedRecord](
                "URL",
                14,
                asked,
                share=4,
                sort=Sort("URL", url_order),
            ),
            Column[FinishedRecord](
                "PREVIEW",
                16,
                lambda row, width: (glimpse(row.outcome, width + 1), ""),
                share=5,
                rank=4,
                sort=Sort("preview", preview_order),
            ),
        )
        super().__init__(DoneView(rows), columns, id="done")

    def title(self) -> tuple[Line, Line]:
        rows = self.done_rows
        every = rows.total if self.rows.considered == len(rows) else rows.in_memory
        count = self.count() if self.rows.filter else [(str(every), "strong")]
        left: Line = [("2 ", "key"), ("Done ", "title"), *count]
        away = rows.total - rows.in_memory
        if away and not rows.archived:
            left.append((f", {away} older left out", "warn"))
        elif self.rows.considered < rows.total:
            left.append((f" in memory, {rows.total} in all", "warn"))
        if self.arrived:
            return left, [(f"paused, {self.arrived} more", "warn")]
        if rows.trimmed and not rows.archived:
            return left, [(f"{rows.trimmed} without body  ", "faint"), *self.arrangement()]
        return left, self.arrangement()

    def row_role(self, row: FinishedRecord) -> str:
        return "faint"

    def below_count(self) -> int:
        if not len(self.rows) or self.content_height < 5:
            return 0
        return 2 if self.content_height >= 7 and self.content_width < GLIMPSE_CHARACTERS + 2 else 1

    def below(self, y: int, width: int) -> Line:
        row = self.selected
        if row is None:
            return []
        lines = wrap(glimpse(row.outcome, GLIMPSE_CHARACTERS), width - 2)
        mark = f"{self.glyphs.right} " if y == 0 else "  "
        return [(mark, "key"), (lines[y] if y < len(lines) else "", "")]

    def _warning(self, row: FinishedRecord, _width: int) -> Span:
        return (self.glyphs.warning, "warn") if row.warnings else ("", "")


def _warnings(row: FinishedRecord) -> int:
    return len(row.warnings)


def _code(row: FinishedRecord) -> int:
    if isinstance(row.outcome, FetchResult):
        return row.outcome.status
    return 1000 if outcome_code(row.outcome)[0] == "ERR" else 0


def _type(row: FinishedRecord) -> str:
    """The telling part of a content type in a few letters: `json`, `html`, `png`."""
    if not isinstance(row.outcome, FetchResult):
        return ""
    major, _, minor = row.outcome.content_type.partition(";")[0].strip().lower().partition("/")
    minor = minor.rpartition("+")[2].removeprefix("x-")
    return safe({"plain": "text", "octet-stream": "bin", "javascript": "js"}.get(minor, minor or major), 20)
