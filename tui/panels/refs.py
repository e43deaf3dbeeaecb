"""The pane of references: the ledger, the session, who keeps what alive."""

from __future__ import annotations

from tui.columns import Column
from tui.describe import code_word, short_url
from tui.painted import Line, Span
from tui.plain_text import duration, safe
from tui.rows import IdRows
from tui.snapshot import HeldRow, Snapshot
from tui.table import Table

MINUTE = 60


class RefsPane(Table[HeldRow]):
    """What is alive and why: one row for each handle that outlived its fetch or is pinned."""

    ABOUT = (
        "Handles: opened = closed + alive. One row for each that is alive after its fetch has ended, and who holds it."
    )
    EMPTY = "no handle has outlived its fetch"

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        columns = (
            Column[HeldRow]("CODE", 4, lambda row, _: code_word(row.code)),
            Column[HeldRow]("HELD", 6, lambda row, _: (duration(row.held), ""), right=True),
            Column[HeldRow]("URL", 14, lambda row, width: (short_url(row.url, width), "faint"), share=2, rank=2),
            Column[HeldRow]("BY", 14, self._holder, share=5),
        )
        self.held_rows = IdRows[HeldRow]()
        super().__init__(self.held_rows, columns, id="refs")

    def title(self) -> tuple[Line, Line]:
        left: Line = [("3 ", "key"), ("Refs ", "title")]
        if self.snapshot is None:
            return left, []
        census = self.snapshot.census
        active = census.queued + census.running
        left.append((f"{census.alive} alive", "strong"))
        left.append((f" = {active} active + {census.finished} held", ""))
        if census.dropping:
            left.append((f", {census.dropping} dropping", "busy"))
        return left, [(f"opened {census.opened}  closed {census.closed}", "faint")]

    def header_count(self) -> int:
        return 1 if self.content_height >= 7 and len(self.rows) else 0

    def above_count(self) -> int:
        return 1 + self._graph_height() if self.content_height >= 5 else 0

    def above(self, y: int, width: int) -> Line:
        if self.snapshot is None:
            return []
        return self._session(self.snapshot) if y == 0 else self._graph(self.snapshot, y - 1, width)

    def _graph_height(self) -> int:
        return 4 if self.content_height >= 9 else 1

    def _session(self, snapshot: Snapshot) -> Line:
        session, census = snapshot.session, snapshot.census
        g = self.glyphs
        line: Line = [("session ", "faint")]
        if session.is_open:
            line += [(f"{g.opened} open", "good"), (f"  generation {session.generation}", "")]
        elif session.generation:
            line += [(f"{g.closed} closed", "faint"), (f"  after generation {session.generation}", "faint")]
        else:
            line += [(f"{g.closed} closed", "faint"), ("  opens with the first fetch", "faint")]
        wrong = session.leases < 0 or (session.leases > 0 and not session.is_open and session.generation > 0)
        line.append((f"  leases {session.leases}", "bad" if wrong else ""))
        if census.finished and not census.queued + census.running:
            line.append((f"  held open by {_handles(census.finished)}", "warn"))
        elif census.outlived:
            line.append((f"  {g.warning} {_handles(census.outlived)} outlived", "warn"))
        if census.dropped_before_start:
            line.append((f"  dropped unstarted {census.dropped_before_start}", "faint"))
        return line

    def _graph(self, snapshot: Snapshot, y: int, width: int) -> Line:
        height = self._graph_height()
        room = max(1, min(MINUTE, width - 20 if height == 1 else width - 10))
        counts = snapshot.history[-room:]
        most = max(counts, default=0)
        top = max(most, 1)
        scale = self.glyphs.graph
        steps = len(scale) - 1
        bars = []
        for count in counts:
            level = -(-count * steps * height // top) - steps * (height - 1 - y)
            bars.append(scale[max(0, min(steps, level))])
        marks = {0: f"{top:>5} ", height - 1: "alive " if height == 1 else "    0 "}
        ends = f" {room}s, most {most}" if height == 1 else f" {room}s" if y == height - 1 else ""
        bar = "".join(bars).rjust(room)
        return [(marks.get(y, "      ") if height > 1 else "alive ", "faint"), (bar, "good"), (ends, "faint")]

    def _holder(self, row: HeldRow, _width: int) -> Span:
        if row.pinned:
            return f"{self.glyphs.pinned} pinned by you, m lets go", "key"
        if row.by:
            return f" {self.glyphs.held_by} ".join(safe(holder, 200) for holder in row.by), "warn"
        return "looking for the holder", "faint"


def _handles(count: int) -> str:
    return f"{count} finished handle" + ("s" if count > 1 else "")
