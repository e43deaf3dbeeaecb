"""Incremental search in what was entered before."""

from __future__ import annotations

import re
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.entry.history import EntryHistory
from tui.keys.table import bindings
from tui.screen.screens.once import ClosesOnce
from tui.text.plain_text import fit
from tui.text.spans import Line
from tui.widgets.frame import Extent, Frame
from tui.widgets.line_widget import CURSOR


class Matches(Frame, can_focus=False):
    """The lines that match, newest first, with the cursor on one of them."""

    def __init__(self, history: EntryHistory) -> None:
        super().__init__(id="matches")
        self._history = history
        self._query = ""
        self.lines = history.matches("")
        self.at = 0

    @property
    def chosen(self) -> str | None:
        """The line under the cursor."""
        return self.lines[self.at] if self.lines else None

    def find(self, query: str) -> None:
        """Show what matches, the newest line chosen."""
        self._query = query
        self.lines = self._history.matches(query)
        self.at = 0
        self.repaint()

    def move(self, by: int) -> None:
        """Move the cursor."""
        self.at = max(0, min(self.at + by, len(self.lines) - 1))
        self.repaint()

    def title(self) -> tuple[Line, Line]:
        count = f"{len(self.lines)} of {len(self._history)}"
        return [("History ", "title"), (count, "faint")], [("enter takes it  esc back", "faint")]

    def extent(self) -> Extent:
        return Extent(self._top(), self.content_height, len(self.lines))

    def content(self, y: int, width: int) -> Line:
        place = self._top() + y
        if place >= len(self.lines):
            return [("nothing matches" if not self.lines and y == 0 else "", "faint")]
        text = fit(self.lines[place], width)
        words = [re.escape(word) for word in self._query.split()]
        parts = re.split(f"({'|'.join(words)})", text, flags=re.IGNORECASE) if words else [text]
        spans: Line = [(part, "key" if number % 2 else "") for number, part in enumerate(parts)]
        return [CURSOR, *spans] if place == self.at else spans

    def _top(self) -> int:
        height = max(1, self.content_height)
        return max(0, min(self.at - height // 2, len(self.lines) - height))


class HistorySearchScreen(ClosesOnce, ModalScreen[str | None]):
    """Gives the line that was chosen, None for none."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("search")]

    def __init__(self, history: EntryHistory, query: str) -> None:
        super().__init__()
        self._matches = Matches(history)
        self._query = Input(query, placeholder="search", id="query", compact=True, select_on_focus=False)
        self._query.cursor_blink = False

    def compose(self) -> ComposeResult:
        with Vertical(id="search"):
            yield self._query
            yield self._matches

    def on_mount(self) -> None:
        self._query.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._matches.find(event.value)

    @on(Input.Submitted)
    def _take(self) -> None:
        self.dismiss(self._matches.chosen)

    def action_move(self, by: int) -> None:
        self._matches.move(by)

    def action_page(self, by: int) -> None:
        self._matches.move(by * max(1, self._matches.content_height - 1))

    def action_no(self) -> None:
        self.dismiss(None)
