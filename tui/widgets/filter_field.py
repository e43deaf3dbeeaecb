"""The line in a pane in which its filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Input

from tui.keys.table import bindings
from tui.text.plain_text import safe


class FilterField(Input):
    """Stands in its pane while a filter is typed. Says each change at once, and when it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("filter")]

    class Left(Message):
        """The field is to go. clear: so is the filter. back: the pane is to have the focus."""

        def __init__(self, *, clear: bool, back: bool) -> None:
            super().__init__()
            self.clear = clear
            self.back = back

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            placeholder='text  code:5xx  state:recv  host:  type:json  size:>1M  time:>2s  error:  warn:  !no  "a b"',
            select_on_focus=False,
            compact=True,
        )
        self.cursor_blink = False

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(safe(event.text.strip(), 1000), *self.selection)

    def on_blur(self) -> None:
        self.post_message(self.Left(clear=False, back=False))

    def action_keep(self) -> None:
        self.post_message(self.Left(clear=False, back=True))

    def action_clear(self) -> None:
        self.post_message(self.Left(clear=True, back=True))
