"""One line asked for over the screen: what to search, where to save."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.keys.table import bindings
from tui.screen.screens.once import ClosesOnce
from tui.text.plain_text import safe
from tui.text.spans import Line
from tui.widgets.line_widget import LineWidget


class AskInput(Input):
    """The line that is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("ask")]

    def __init__(self, value: str) -> None:
        super().__init__(value, select_on_focus=True, compact=True)
        self.cursor_blink = False

    async def action_submit(self) -> None:
        self.screen.dismiss(self.value)

    def action_leave(self) -> None:
        self.screen.dismiss(None)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(safe(" ".join(event.text.split("\n")), 4096).strip(), *self.selection)


class _Label(LineWidget):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.styles.width = len(text) + 4

    def line(self, y: int, width: int) -> Line:
        return [(f" {self.text} ", "head"), (self.glyphs.prompt, "key")]


class AskScreen(ClosesOnce, ModalScreen[str | None]):
    """Gives the line, or None where the user went back.

    `question` is our own words; `value`, what stands there at first, has been through `safe`.
    """

    def __init__(self, question: str, value: str = "") -> None:
        super().__init__()
        self._question, self._value = question, value

    def compose(self) -> ComposeResult:
        with Horizontal(id="ask"):
            yield _Label(self._question)
            yield AskInput(self._value)
