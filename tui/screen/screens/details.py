"""One fetch on the whole screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from tui.keys.table import bindings, hints
from tui.screen.details import DetailsTarget
from tui.screen.panels.details import DetailsPane
from tui.screen.panels.footer import Footer
from tui.screen.screens.once import ClosesOnce


class DetailsScreen(ClosesOnce, Screen[None]):
    """A frozen copy of one fetch; esc goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]

    def __init__(self, subject: DetailsTarget) -> None:
        super().__init__()
        self._subject = subject

    def compose(self) -> ComposeResult:
        yield DetailsPane()
        yield Footer(hints("details", "text", "everywhere", "back"))

    def on_mount(self) -> None:
        pane = self.query_one(DetailsPane)
        pane.show(self._subject)
        pane.focus()

    def action_back(self) -> None:
        self.dismiss()
