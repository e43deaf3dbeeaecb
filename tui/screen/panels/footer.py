"""The last line: what keys do here."""

from __future__ import annotations

from tui.keys.table import Hint
from tui.text.spans import Line
from tui.widgets.line_widget import LineWidget


class Footer(LineWidget):
    """Hints in the order given; where not all fit, those before the last two go first."""

    def __init__(self, hints: list[Hint] | None = None) -> None:
        super().__init__(id="footer")
        self.hints = hints or []

    def show(self, hints: list[Hint]) -> None:
        """Take other hints."""
        self.hints = hints
        self.repaint()

    def line(self, y: int, width: int) -> Line:
        hints = list(self.hints)
        while len(hints) > 2 and sum(len(key) + len(text) + 3 for key, text in hints) > width:
            del hints[-3]
        line: Line = [(" ", "")]
        for key, text in hints:
            line += [(key, "key"), (f" {text}  ", "faint")]
        return line
