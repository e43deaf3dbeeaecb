"""The help, made from the table of keys."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen, Screen

from tui.keys.table import PLACES, binding, bindings, in_place
from tui.screen.screens.once import ClosesOnce
from tui.text.spans import Line
from tui.widgets.frame import Extent, Frame

WIDTH = 74  # cells, where the screen has them
NAMES = 13  # cells for the names of the keys
STATES = (
    ("QUE", "waits for a free place"),
    ("CONN", "name, connection, TLS"),
    ("SEND", "sends the request"),
    ("WAIT", "waits for the answer"),
    ("RECV", "receives the body"),
    ("ERR", "ended without a response"),
    ("CXL", "cancelled or dropped"),
)


def help_lines(width: int, about: str = "", live: Sequence[str] = ()) -> list[Line]:
    """What the pane in focus is about, its keys, those that work there too, all others, and the words of the tables.

    live: the places of the keys that work now, the nearest first.
    """
    lines: list[Line] = []
    if about:
        lines = [*([(part, "")] for part in textwrap.wrap(about, max(8, width))), []]
    for place in (*live, *(place for place in PLACES if place not in live)):
        lines.append([(PLACES[place], "title"), ("" if place in live or not live else ", not here", "faint")])
        for key in in_place(place):
            lines += _entry(key.labels or "(no key)", "key", key.text, width)
        lines.append([])
    lines.append([("Words in the tables", "title")])
    for word, text in STATES:
        lines += _entry(word, "strong", text, width)
    return lines


def _entry(name: str, role: str, text: str, width: int) -> list[Line]:
    lines: list[Line] = [[(f"  {name:<{NAMES}} ", role)]]
    for at, part in enumerate(textwrap.wrap(text, max(8, width - NAMES - 3))):
        if at:
            lines.append([(" " * (NAMES + 3), "")])
        lines[-1].append((part, ""))
    return lines


class HelpPane(Frame):
    """The help text, scrolled by line."""

    def __init__(self, about: str, live: Sequence[str]) -> None:
        super().__init__(id="help")
        self._here = about, live
        self.lines = help_lines(WIDTH - 4, about, live)
        self.top = 0
        self.styles.width = WIDTH
        self.styles.height = len(self.lines) + 2

    def title(self) -> tuple[Line, Line]:
        return [("Keys", "title")], [("esc back", "faint")]

    def content(self, y: int, width: int) -> Line:
        place = self.top + y
        return self.lines[place] if place < len(self.lines) else []

    def extent(self) -> Extent:
        return Extent(self.top, self.content_height, len(self.lines))

    def scroll_by(self, by: int) -> None:
        """Move `by` lines down."""
        self.top = max(0, min(self.top + by, len(self.lines) - self.content_height))
        self.repaint()

    def on_resize(self) -> None:
        self.lines = help_lines(self.content_width, *self._here)
        self.scroll_by(0)
        super().on_resize()


class HelpScreen(ClosesOnce, ModalScreen[None]):
    """All keys, those that work on the given screen first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("text", "back"),
        binding("help", "back"),
        binding("overview", "app.overview"),
    ]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        place = {key.id: key.place for key in in_place(*PLACES)}
        ids = (each.binding.id for each in below.active_bindings.values())  # those of the widget in focus come first
        live = tuple(dict.fromkeys(place[id] for id in ids if id in place))
        self._here = below.focused.ABOUT if isinstance(below.focused, Frame) else "", live

    def compose(self) -> ComposeResult:
        yield HelpPane(*self._here)

    def action_move(self, by: int) -> None:
        self.query_one(HelpPane).scroll_by(by)

    def action_page(self, by: int) -> None:
        pane = self.query_one(HelpPane)
        pane.scroll_by(by * max(1, pane.content_height - 1))

    def action_first(self) -> None:
        pane = self.query_one(HelpPane)
        pane.scroll_by(-pane.top)

    def action_last(self) -> None:
        pane = self.query_one(HelpPane)
        pane.scroll_by(len(pane.lines))

    def action_back(self) -> None:
        self.dismiss()
