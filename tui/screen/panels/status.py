"""The first line: how many run, are done, are alive, and whether the view is live."""

from __future__ import annotations

from rich.cells import cell_len

from tui.bridge.snapshot import Snapshot
from tui.text.meter import ScreenCost
from tui.text.plain_text import rate
from tui.text.spans import Line
from tui.widgets.line_widget import LineWidget

LONG = 110  # from this width on words are written out


class StatusLine(LineWidget):
    """Counts that go on whatever the rest of the screen does."""

    def __init__(self) -> None:
        super().__init__(id="status")
        self.snapshot: Snapshot | None = None
        self.paused = False
        self.warns = False
        self.cost = ScreenCost()
        self.warnings = self.bugs = 0

    def show(self, snapshot: Snapshot | None, *, paused: bool, cost: ScreenCost) -> None:
        """Take the newest numbers."""
        self.snapshot, self.paused, self.cost = snapshot, paused, cost
        self.repaint()

    def warn(self, warnings: int, bugs: int) -> None:
        """Say that there are so many warnings, of which so many mean a bug; 0 where they are seen elsewhere."""
        self.warnings, self.bugs = warnings, bugs
        self.repaint()

    def line(self, y: int, width: int) -> Line:
        mode = self._mode()
        room = width - cell_len(mode[0][0]) - 3
        parts = self._parts(long=width >= LONG)
        for rank in range(6, 0, -1):
            if sum(cell_len(text) for _, part in parts for text, _ in part) + 2 * len(parts) <= room:
                break
            parts = [part for part in parts if part[0] < rank]
        line: Line = [(" ", "")]
        for _, part in parts:
            line += [*part, ("  ", "")]
        used = sum(cell_len(text) for text, _ in line)
        return [*line, (" " * max(0, width - used - cell_len(mode[0][0]) - 1), ""), *mode, (" ", "")]

    def _mode(self) -> Line:
        if self.snapshot is None:
            return [("STARTING", "faint")]
        if self.snapshot.closing:
            return [("CLOSING" if self.snapshot.session.is_open else "CLOSED", "warn")]
        return [("PAUSED", "warn")] if self.paused else [("LIVE", "good")]

    def _parts(self, *, long: bool) -> list[tuple[int, Line]]:
        """What to say, each with its rank: where the width does not suffice the highest rank goes first."""
        brand: tuple[int, Line] = (6, [("weakfetch", "title")])
        s = self.snapshot
        if s is None:
            return [brand]
        kept = sum(rest.waiting for rest in s.resting if not rest.refused)
        running = max(0, s.census.running + s.census.queued - kept)
        more = "+" if s.has_more else ""
        waiting = f" +{s.waiting:,}{more} waiting" if s.waiting or more else ""
        n = s.counts + s.earlier
        errors = ("errors" if long else "err") if n.failed != 1 or not long else "error"
        session = s.session
        generation = (f" generation {session.generation}" if long else f" g{session.generation}", "faint")
        cancelled = " cancelled" if long else " cxl"
        peak = (f" (peak {s.peak_alive})", "faint") if long else ("", "")
        parts: list[tuple[int, Line]] = [
            brand,
            (0, [(str(running), "busy" if running else ""), (" running" if long else " run", "faint")]),
            (0 if n.succeeded else 2, [("2xx ", "faint"), (f"{n.succeeded:,}", "good" if n.succeeded else "")]),
            *([(2, [("3xx ", "faint"), (f"{n.redirected:,}", "moved")])] if n.redirected else []),
            (0 if n.refused else 2, [("4xx ", "faint"), (f"{n.refused:,}", "odd" if n.refused else "")]),
            (0 if n.broken else 2, [("5xx ", "faint"), (f"{n.broken:,}", "bad" if n.broken else "")]),
            (0 if n.failed else 2, [(f"{n.failed:,}", "bad" if n.failed else ""), (f" {errors}", "faint")]),
            *([(2, [(f"{n.cancelled:,}", ""), (cancelled, "faint")])] if n.cancelled else []),
            (1, [("refs ", "faint"), (str(s.census.alive), "strong"), peak]),
            (3, [("session ", "faint"), ("OPEN", "good") if session.is_open else ("CLOSED", "faint"), generation]),
            (4, [(f"{rate(s.rate):>7}", "")]),
        ]
        parts[1][1].extend([(f" +{kept} at rest" if kept else "", "warn"), (waiting, "faint")])
        if self.warnings:
            count = f"{self.glyphs.warning}{self.warnings}" + (" warnings (W)" if long else "")
            parts.append((0, [(count, "bad" if self.bugs else "warn")]))
        if long:
            # Of one width: what is beside it would move otherwise, and telling the cost would keep the screen busy.
            parts.append((5, [(f"ui {self.cost.redraws:g} Hz {rate(self.cost.speed):<6}", "faint")]))
        return parts
