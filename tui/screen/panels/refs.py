"""The pane of references: the ledger, the session, who keeps what alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.bridge.snapshot import Collected, HeldRow, Snapshot
from tui.rows.describe import code_word, short_url
from tui.rows.rows import IdRows
from tui.screen.panels.cluster_lines import cluster_lines
from tui.text.plain_text import duration, safe
from tui.text.spans import Line, Span
from tui.widgets.columns import Column
from tui.widgets.table import Table

if TYPE_CHECKING:
    from fetch_engine.core.process_facts import ProcessFacts
    from fetch_engine.core.session import GenerationFacts

MINUTE = 60
OLDER = 3  # generations of the session that have a line beside the newest


class RefsPane(Table[HeldRow]):
    """What is alive and why: one row for each handle that outlived its fetch or is pinned."""

    ABOUT = (
        "Handles: opened = closed + alive. One row for each that is alive after its fetch has ended, and who holds it."
    )
    EMPTY = "no handle has outlived its fetch"

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        columns = (
            Column[HeldRow]("W", 2, self._warning, rank=3),
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
        if self.snapshot.collected is not None and not self._has_room():
            freed = self.snapshot.collected.before - self.snapshot.collected.after
            return left, [(f"collector freed {freed}", "warn" if freed > 0 else "good")]
        if self.rows.filter or self._wrong:
            return left, self.arrangement()
        by_gc = (f"by gc {census.by_gc}", "warn" if census.by_gc else "faint")
        return left, [(f"opened {census.opened}  closed {census.closed}  ", "faint"), by_gc]

    def header_count(self) -> int:
        return 1 if self.content_height >= 7 and len(self.rows) else 0

    def above_count(self) -> int:
        return len(self._told()) + self._graph_height() if self._has_room() else 0

    def above(self, y: int, width: int) -> Line:
        if self.snapshot is None:
            return []
        told = self._told()
        return told[y] if y < len(told) else self._graph(self.snapshot, y - len(told), width)

    def _has_room(self) -> bool:
        """Whether anything can stand above three rows, or two."""
        return self.content_height >= 4

    def _graph_height(self) -> int:
        if self.content_height < 5 and self.snapshot is not None and self.snapshot.collected is not None:
            return 0
        return 4 if self.content_height >= 14 else 3 if self.content_height >= 9 else 1

    def _told(self) -> list[Line]:
        """The session, processes, a cluster, what the collector came to, and older generations where there is room."""
        if self.snapshot is None:
            return []
        lines = [self._session(self.snapshot)]
        if self.snapshot.processes is not None and self.content_height >= 6:
            lines.append(_processes(self.snapshot.processes))
        if self.snapshot.cluster is not None:
            # Half of the pane at most: the rows below are what it is for.
            most = max(1, self.content_height // 2 - 1)
            lines += cluster_lines(self.snapshot.cluster, self.snapshot.census.alive, self.glyphs, most)
        room = min(OLDER, self.content_height - 7 - len(lines))
        if self.snapshot.collected is not None:
            lines.append(_collected(self.snapshot.collected))
        older = self.snapshot.generations[1:] if room > 0 else ()
        return lines + [self._generation(generation) for generation in older[:room]]

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
        newest = snapshot.generations[0] if snapshot.generations else None
        if newest is not None and newest.is_open and newest.connections is not None:
            line.append((f"  connections {newest.connections}", ""))
        line.append((f"  leases {session.leases}", "bad" if session.leases < 0 else ""))
        if newest is not None and newest.leases == session.leases:  # else an older one has some too
            line.append((_sum(newest), "faint"))
        if census.finished and not census.queued + census.running:
            line.append((f"  held open by {_handles(census.finished)}", "warn"))
        elif census.outlived:
            line.append((f"  {g.warning} {census.outlived} outlived", "warn"))
        if census.dropped_before_start:
            line.append((f"  dropped unstarted {census.dropped_before_start}", "faint"))
        return line

    def _generation(self, facts: GenerationFacts) -> Line:
        g = self.glyphs
        if facts.is_open:
            state = "closing" if facts.is_closing else "open"
            line: Line = [(f"        {g.opened} {state}", "busy" if facts.is_closing else "good")]
        else:
            line = [(f"        {g.closed} closed after {duration(facts.age)}", "faint")]
        line.append((f"  generation {facts.number}", "faint"))
        if facts.is_open and facts.connections is not None:
            line.append((f"  connections {facts.connections}", "faint"))
        line.append((f"  leases {facts.leases}{_sum(facts)}", "faint"))
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
        asked_only = self.snapshot is not None and self.snapshot.search_asked_only
        return "h finds the holder" if asked_only else "looking for the holder", "faint"

    def _warning(self, row: HeldRow, _width: int) -> Span:
        count = len(row.warnings)
        return (f"{self.glyphs.warning}{count if 1 < count < 10 else ''}", "warn") if count else ("", "")


def _handles(count: int) -> str:
    return f"{count} finished handle" + ("s" if count > 1 else "")


def _sum(facts: GenerationFacts) -> str:
    return f" = {facts.taken} taken - {facts.taken - facts.leases} back"


def _processes(facts: ProcessFacts) -> Line:
    alive, there = facts.started - facts.ended, facts.there
    line: Line = [("processes ", "faint"), (f"{alive} alive", "good" if alive else "faint")]
    if facts.lost:
        line.append((f"  {facts.lost} lost, {facts.rerun} fetches run again", "warn"))
    sessions = there.sessions_opened - there.sessions_closed
    held = f"  in them {there.alive} handles alive  {there.leases} leases  {sessions} sessions open"
    return [*line, (held, "" if there.alive else "faint")]


def _collected(collected: Collected) -> Line:
    freed = collected.before - collected.after
    took = f"collector  {collected.seconds * 1000:.0f} ms: "
    if freed <= 0:
        return [(took, "faint"), (f"nothing that only it could free; {collected.after} alive", "good")]
    rest = f"freed {freed} handle{'s' if freed > 1 else ''} that only it could free; {collected.after} alive"
    return [(took, "faint"), (rest, "warn")]
