"""The pane of totals: status classes, errors by kind, latency, hosts."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType

from fetch_engine.fetch.host_backoff import HostRest
from tui.bridge.snapshot import Snapshot
from tui.keys.table import bindings
from tui.rows.describe import status_role
from tui.rows.totals import OTHERS, Histogram, Tally, Totals
from tui.text.host_lines import rest_text
from tui.text.meter import ScreenCost
from tui.text.plain_text import duration, fit, rate, safe, size
from tui.text.spans import Line, Span
from tui.widgets.columns import Column, lay_out
from tui.widgets.frame import Extent, Frame
from tui.widgets.wheel import Wheel

TWO_COLUMNS = 74  # from this width on latency stands beside the counts
MOST_RESTS = 3  # hosts that are named because they asked for less
HOST_ROWS = 4  # below the counts, or else all scrolls
STEPS = ((1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0,))  # of the histogram, in each power of ten
MAX_STEPS = 14
LATENCIES = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (1.0, "max"))


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host. id: its number in order of arrival. running: fetches that have not ended."""

    id: int
    name: str
    tally: Tally
    running: int


class OverviewPane(Wheel, Frame):
    """Counts above, hosts below; the hosts scroll, on a small screen everything does."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text")]
    ABOUT = "What all fetches of this run came to. It goes on while the view is paused."

    def __init__(self, totals: Totals) -> None:
        super().__init__(id="overview")
        self.totals = totals
        self.snapshot: Snapshot | None = None
        self.cost = ScreenCost()
        self.top = 0
        self._head: list[Line] = []
        self._rows: list[HostRow] = []

    def show(self, snapshot: Snapshot | None, cost: ScreenCost) -> None:
        """Take the newest numbers."""
        self.snapshot, self.cost = snapshot, cost
        self._make()
        self.repaint()

    def title(self) -> tuple[Line, Line]:
        hosts = len(self._rows)
        if any(row.name == OTHERS for row in self._rows):
            return [("Overview", "title")], [(f"over {hosts - 1} hosts", "faint")]
        return [("Overview", "title")], [(f"{hosts} host{'' if hosts == 1 else 's'}", "faint")]

    def content(self, y: int, width: int) -> Line:
        fixed = self._fixed()
        place = y if y < fixed else y + self.top
        if place < len(self._head):
            return self._head[place]
        if place == len(self._head):
            return self._host_header(width)
        place -= len(self._head) + 1
        return self._host_line(self._rows[place], width) if place < len(self._rows) else []

    def extent(self) -> Extent:
        return Extent(self.top, self._height(), len(self._head) + 1 + len(self._rows) - self._fixed())

    def scrolled_lines(self) -> tuple[int, int]:
        return self._fixed(), self._height()

    def on_resize(self) -> None:
        self._make()
        self.action_move(0)
        super().on_resize()

    def action_move(self, by: int) -> None:
        extent = self.extent()
        self.top = max(0, min(self.top + by, extent.total - extent.shown))
        self.repaint()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self._height() - 1))

    def action_first(self) -> None:
        self.action_move(-self.top)

    def action_last(self) -> None:
        self.action_move(self.extent().total)

    def _fixed(self) -> int:
        """Lines that do not scroll: counts and the names of the columns, where enough hosts fit below."""
        head = len(self._head) + 1
        return head if self.content_height >= head + HOST_ROWS else 0

    def _height(self) -> int:
        return max(0, self.content_height - self._fixed())

    # what it says

    def _make(self) -> None:
        width = self.content_width
        if width >= TWO_COLUMNS:
            right = width // 2 - 1
            left = width - right - 2
            counts = self._counts(left)
            latency = self._latency(right, room=max(len(counts), self.content_height // 2))
            missing = len(latency) - len(counts)
            counts += [[] for _ in range(missing)]
            latency += [[] for _ in range(-missing)]
            self._head = [[*_fill(a, left), ("  ", ""), *b] for a, b in zip(counts, latency, strict=True)]
        else:
            self._head = [*self._counts(width), [], *self._latency(width, room=self.content_height)]
        self._head.append([])
        self._rows = host_rows(self.totals, self.snapshot)

    def _counts(self, width: int) -> list[Line]:
        totals, s = self.totals, self.snapshot
        every = totals.all
        lines: list[Line] = [[("Fetches", "title")]]
        if s is not None and s.earlier.ended:
            lines[-1].append((f" of this time; {s.earlier.ended:,} before", "faint"))
        if s is not None:
            running = s.census.running + s.census.queued
            kept = sum(rest.waiting for rest in s.resting if not rest.refused)
            resting = ((kept, "at rest", "warn"),) if kept else ()
            waiting = "waiting and more" if s.has_more else "waiting"
            lines.append(_facts((max(0, running - kept), "running", "busy"), (s.waiting, waiting, ""), *resting))
            lines += [[("  ", ""), (fit(safe(rest_text(rest)), width - 2).rstrip(), "warn")] for rest in _first(s)]
        lines.append(
            _facts((every.done, "done", ""), (every.failed, "failed", "bad"), (every.cancelled, "cancelled", ""))
        )
        if totals.retried or totals.redirects:
            lines.append(_facts((totals.retried, "retried", "warn"), (totals.redirects, "redirects", "")))
        speed = rate(0.0 if s is None else s.rate)
        lines.append([("  ", ""), (size(every.received), ""), (" received  ", "faint"), (speed, ""), (" now", "faint")])
        cost = self.cost
        lines.append([("  screen ", "faint"), (f"{cost.redraws:g} Hz  {rate(cost.speed)}", "")])
        lines[-1] += [("  ", ""), (size(cost.sent), ""), (" in all", "faint")]
        lines += [[], [("Responses by status", "title")]]
        classes = [(f"{c}xx", status_role(c * 100), count) for c, count in sorted(totals.classes.items())]
        lines += self._bars(classes, width, 5) or [[("  none yet", "faint")]]
        lines += [[], [("Errors by kind", "title")]]
        kinds = [(safe(kind), "faint" if kind == "cancelled" else "bad", n) for kind, n in totals.kinds.most_common()]
        lines += self._bars(kinds, width, max((len(name) for name, _, _ in kinds), default=0) + 1) or [
            [("  none", "faint")]
        ]
        return lines

    def _latency(self, width: int, *, room: int) -> list[Line]:
        histogram = self.totals.all.latency
        lines: list[Line] = [[("Latency", "title"), (" of responses, without queue", "faint")]]
        if not histogram.count:
            return [*lines, [("  none yet", "faint")]]
        for part, name in LATENCIES:
            if sum(cell_len(text) for text, _ in lines[-1]) + 13 > width or len(lines) == 1:
                lines.append([("  ", "")])
            lines[-1] += [(f"{name} ", "faint"), (f"{latency_text(histogram.quantile(part)):<6}", "strong"), ("  ", "")]
        edges = histogram_edges(histogram, max(6, min(MAX_STEPS, room - len(lines) - 1)))
        names = [f"{latency_text(low):>6} to {latency_text(high):>6}" for low, high in pairwise(edges)]
        counted = [(name, "busy", n) for name, n in zip(names, histogram.between(edges), strict=True)]
        return [*lines, [], *self._bars(counted, width, 17)]

    def _bars(self, counted: Sequence[tuple[str, str, int]], width: int, names: int) -> list[Line]:
        """A line for each (name, role, count), with a bar as long as its part of the largest."""
        most = max((count for _, _, count in counted), default=0)
        digits = len(str(most))
        room = max(0, min(40, width - names - digits - 4))
        lines: list[Line] = []
        for name, role, count in counted:
            bar = self.glyphs.bar_full * -(-count * room // most) if most else ""
            lines.append(
                [(f"  {name:<{names}}", role), (f"{count:>{digits}} ", "strong" if count else "faint"), (bar, role)]
            )
        return lines

    # hosts

    def _host_header(self, width: int) -> Line:
        line: Line = []
        for column, cells in lay_out(_COLUMNS, width + 1):
            line += [(" " if line else "", ""), (fit(column.name, cells, right=column.right), "head")]
        return line

    def _host_line(self, row: HostRow, width: int) -> Line:
        line: Line = []
        for column, cells in lay_out(_COLUMNS, width + 1):
            text, role = column.cell(row, cells)
            line += [(" " if line else "", ""), (fit(text, cells, right=column.right), role)]
        return line


def host_rows(totals: Totals, snapshot: Snapshot | None) -> list[HostRow]:
    """A row for each host that has a fetch, those with most first, and last the one of all other hosts."""
    running = Counter(totals.host(row.url) for row in snapshot.active) if snapshot is not None else Counter()
    rows = [HostRow(id, name, tally, running.pop(name, 0)) for id, (name, tally) in enumerate(totals.hosts.items())]
    rows += [HostRow(id, name, Tally(), count) for id, (name, count) in enumerate(running.items(), len(rows))]
    return sorted(rows, key=lambda row: (row.name == OTHERS, -row.tally.ended - row.running, row.name))


def _first(snapshot: Snapshot) -> list[HostRest]:
    """The hosts to name that asked for less: those that keep most waiting."""
    return sorted(snapshot.resting, key=lambda rest: -rest.waiting)[:MOST_RESTS]


def histogram_edges(histogram: Histogram, most: int) -> list[float]:
    """Round numbers of seconds around all that was counted, at most `most` + 1 of them where there are any so few."""
    for steps in STEPS:
        scale = [float(f"{step}e{power}") for power in range(-6, 7) for step in steps]
        first = max(0, bisect_left(scale, histogram.smallest * 0.99) - 1)
        last = max(first + 1, min(len(scale) - 1, bisect_left(scale, histogram.largest * 1.01)))
        edges = scale[first : last + 1]
        if len(edges) - 1 <= most:
            break
    edges[0] = 0.0 if first == 0 else edges[0]
    edges[-1] = 1e9 if last == len(scale) - 1 else edges[-1]
    return edges


def latency_text(seconds: float) -> str:
    """A time in at most 6 cells and 3 significant digits: `0.21ms`, `140ms`, `1.87s`, then as `duration` has it."""
    if seconds < 0.9995:
        ms = seconds * 1000
        digits = 0 if ms >= 99.95 else 1 if ms >= 9.995 else 2
        text = f"{ms:.{digits}f}"
        return f"{text.rstrip('0').rstrip('.') if digits else text}ms"
    if seconds < 9.995:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + "s"
    return duration(seconds)


def _facts(*facts: tuple[int, str, str]) -> Line:
    line: Line = [("  ", "")]
    for count, name, role in facts:
        line += [(str(count), role if count else ""), (f" {name}  ", "faint")]
    return line


def _fill(line: Line, width: int) -> list[Span]:
    used = 0
    spans: list[Span] = []
    for text, role in line:
        part = text if used + len(text) <= width else fit(text, width - used)
        used += len(part)
        spans.append((part, role))
    return [*spans, (" " * (width - used), "")]


def _number(value: int, role: str = "") -> Span:
    return (str(value), role) if value else ("", "")


def _quantile(row: HostRow, part: float) -> Span:
    latency = row.tally.latency
    return (latency_text(latency.quantile(part)), "") if latency.count else ("", "")


_COLUMNS = (
    Column[HostRow]("HOST", 14, lambda row, _: (safe(row.name), ""), share=1),
    Column[HostRow]("ALL", 6, lambda row, _: (str(row.tally.ended + row.running), "strong"), right=True),
    Column[HostRow]("NOW", 4, lambda row, _: _number(row.running, "busy"), right=True, rank=2),
    Column[HostRow]("OK", 6, lambda row, _: _number(row.tally.ok, "good"), right=True),
    Column[HostRow]("4-5XX", 5, lambda row, _: _number(row.tally.refused, "odd"), right=True, rank=3),
    Column[HostRow]("ERR", 5, lambda row, _: _number(row.tally.failed, "bad"), right=True),
    Column[HostRow]("CXL", 5, lambda row, _: _number(row.tally.cancelled, "faint"), right=True, rank=5),
    Column[HostRow]("P50", 6, lambda row, _: _quantile(row, 0.5), right=True, rank=4),
    Column[HostRow]("P99", 6, lambda row, _: _quantile(row, 0.99), right=True, rank=1),
    Column[HostRow]("BYTES", 5, lambda row, _: (size(row.tally.received), ""), right=True, rank=1),
)
