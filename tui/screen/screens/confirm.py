"""A question over the dashboard, answered with yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from tui.keys.table import bindings
from tui.screen.screens.once import ClosesOnce
from tui.text.spans import Line
from tui.widgets.frame import Frame


class Question(Frame):
    """The box with the question."""

    def __init__(self, question: str, yes: str) -> None:
        super().__init__(id="question")
        self.question, self.yes = question, yes
        self.styles.width = max(len(question), len(yes) + 22) + 6
        self.styles.height = 5

    def title(self) -> tuple[Line, Line]:
        return [("Sure?", "title")], []

    def content(self, y: int, width: int) -> Line:
        if y == 0:
            return [(self.question, "strong")]
        if y == 2:
            return [("y", "key"), (f" {self.yes}   ", ""), ("n", "key"), (" back", "")]
        return []


class ConfirmScreen(ClosesOnce, ModalScreen[bool]):
    """Gives True for yes. `question` and `yes` are our own words, never text from outside."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("box")]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self._question = question, yes

    def compose(self) -> ComposeResult:
        yield Question(*self._question)

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_no(self) -> None:
        self.dismiss(False)
