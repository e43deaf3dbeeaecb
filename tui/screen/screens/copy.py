"""The menu of what can be copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from tui.keys.table import bindings
from tui.screen.screens.once import ClosesOnce
from tui.text.spans import Line
from tui.widgets.frame import Frame
from tui.widgets.line_widget import CURSOR, END

Choice = tuple[str, str, str]
"""Its key, its name, and what is to be known of it."""


class CopyMenu(Frame):
    """The choices, one a line."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        super().__init__(id="copy")
        self.choices = choices
        self.at = 0
        self.styles.width = max(len(name) + len(note) for _, name, note in choices) + 12
        self.styles.height = len(choices) + 2

    def title(self) -> tuple[Line, Line]:
        return [("Copy", "title")], [("esc back", "faint")]

    def content(self, y: int, width: int) -> Line:
        if y >= len(self.choices):
            return []
        key, name, note = self.choices[y]
        line: Line = [(f"{key} ", "key"), (name, ""), (f"  {note}", "faint")]
        return [CURSOR, *line, END] if y == self.at else line


class CopyScreen(ClosesOnce, ModalScreen[str | None]):
    """Gives the name of what to copy, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("copy")]

    def __init__(self, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._choices = choices

    def compose(self) -> ComposeResult:
        yield CopyMenu(self._choices)

    def action_choose(self, name: str) -> None:
        if any(name == choice for _, choice, _ in self._choices):
            self.dismiss(name)

    def action_move(self, by: int) -> None:
        menu = self.query_one(CopyMenu)
        menu.at = (menu.at + by) % len(self._choices)
        menu.repaint()

    def action_take(self) -> None:
        self.dismiss(self._choices[self.query_one(CopyMenu).at][1])

    def action_back(self) -> None:
        self.dismiss(None)
