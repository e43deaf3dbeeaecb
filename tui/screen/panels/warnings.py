"""What the lints say, where it is not hidden: a box beside the panes, or one line below them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from tui.text.plain_text import fit, safe
from tui.text.spans import Line, Span
from tui.widgets.frame import Frame
from tui.widgets.line_widget import LineWidget

MOST_LINES = 8


@dataclass(frozen=True, slots=True)
class WarningSummary:
    """lines: one for each lint that has something to say, bugs of ours first, of which there are `bugs`.

    row: what there is to say of the selected row, whose number is `id`.
    """

    lines: tuple[str, ...] = ()
    bugs: int = 0
    id: int = 0
    row: tuple[str, ...] = ()


class WarningsBox(Frame, can_focus=False):
    """All lines in a frame below the details."""

    def __init__(self) -> None:
        super().__init__(id="warnings")
        self.told = WarningSummary()
        self.joins = True
        self._lines: list[Line] = []

    def show(self, told: WarningSummary) -> None:
        """Take the newest lines."""
        self.told = told
        self._wrap()
        self.repaint()

    def on_resize(self) -> None:
        self._wrap()
        super().on_resize()

    def _wrap(self) -> None:
        told, width = self.told, self.content_width or 40
        spans = [_line(self, told, at) for at in range(len(told.lines))]
        spans += [_of_row(self, told, at) for at in range(len(told.row))]
        self._lines = []
        for text, role in spans:
            self._lines += [[(line, role)] for line in textwrap.wrap(text, width, subsequent_indent="  ")]
        self.styles.height = min(len(self._lines), MOST_LINES) + 2

    def title(self) -> tuple[Line, Line]:
        role = "bad" if self.told.bugs else "warn"
        return [("Warnings ", "title"), (str(len(self.told.lines)), role)], [("w", "key"), (" next  ", "faint"), *HIDE]

    def content(self, y: int, width: int) -> Line:
        return self._lines[y] if y < len(self._lines) else []


class WarningLine(LineWidget):
    """What there is to say of the selected row, or else the first line and how many more there are."""

    def __init__(self) -> None:
        super().__init__(id="warning-line")
        self.told = WarningSummary()

    def show(self, told: WarningSummary) -> None:
        """Take the newest lines."""
        self.told = told
        self.repaint()

    def line(self, y: int, width: int) -> Line:
        told = self.told
        if told.row:
            (text, role), more = _of_row(self, told, 0), len(told.row) - 1
        elif told.lines:
            (text, role), more = _line(self, told, 0), len(told.lines) - 1
        else:
            return []
        end: Line = [(f" +{more} more", "faint")] if more else []
        end += [("  w", "key"), (" next  ", "faint"), *HIDE, (" ", "")]
        room = width - sum(len(text) for text, _ in end) - 1
        return [(" ", ""), (fit(text, max(1, room)), role), *end]


HIDE: Line = [("W", "key"), (" hide", "faint")]


def _line(widget: LineWidget, told: WarningSummary, at: int) -> Span:
    return f"{widget.glyphs.warning} {safe(told.lines[at])}", "bad" if at < told.bugs else "warn"


def _of_row(widget: LineWidget, told: WarningSummary, at: int) -> Span:
    return f"{widget.glyphs.prompt} #{told.id} {safe(told.row[at])}", "key"
