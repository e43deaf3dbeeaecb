"""The field in which URLs are typed and pasted."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from tui.keys import bindings
from tui.painted import Line, Painted
from tui.plain_text import safe

MAX_HISTORY = 1000


class UrlInput(Input):
    """One line for a URL. Up and down recall what was entered; a paste of several lines adds each of them."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("url")]

    class Entered(Message):
        """These URLs are to be fetched."""

        def __init__(self, urls: tuple[str, ...]) -> None:
            super().__init__()
            self.urls = urls

    class Left(Message):
        """The field is to lose the focus."""

    def __init__(self) -> None:
        super().__init__(id="url", placeholder="https://", select_on_focus=False, compact=True)
        self.cursor_blink = False
        self.history: list[str] = []
        self._recalled = 0  # place in the history; its length for the line being typed
        self._draft = ""

    async def action_submit(self) -> None:
        url = self.value.strip()
        if url:
            self._remember(url)
            self.value = ""
            self.post_message(self.Entered((url,)))

    def on_paste(self, event: events.Paste) -> None:
        urls = url_lines(event.text)
        event.stop()
        event.prevent_default()
        if len(urls) > 1:
            self.post_message(self.Entered(urls))
        elif urls:
            self.replace(safe(urls[0], 65536), *self.selection)

    def action_recall(self, by: int) -> None:
        place = max(0, min(self._recalled + by, len(self.history)))
        if place == self._recalled:
            return
        if self._recalled == len(self.history):
            self._draft = self.value
        self._recalled = place
        self.value = self._draft if place == len(self.history) else self.history[place]
        self.cursor_position = len(self.value)

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def _remember(self, url: str) -> None:
        if url in self.history:
            self.history.remove(url)
        self.history.append(url)
        del self.history[:-MAX_HISTORY]
        self._recalled = len(self.history)
        self._draft = ""


class UrlBar(Horizontal):
    """The field between its name and how many fetches may run at once."""

    def compose(self) -> ComposeResult:
        yield _Prompt()
        yield UrlInput()
        yield UrlFacts()


class _Prompt(Painted):
    def line(self, y: int, width: int) -> Line:
        return [(" URL ", "head"), (self.glyphs.prompt, "key")]


class UrlFacts(Painted):
    """How many URLs can be recalled, and how many of the fetches that may run at once do."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = (0, 0, 0)

    def show(self, remembered: int, running: int, concurrency: int) -> None:
        """Take the newest numbers."""
        self.facts = remembered, running, concurrency
        self.repaint()

    def line(self, y: int, width: int) -> Line:
        remembered, running, concurrency = self.facts
        text = f"{remembered} in history  " if remembered and width > 24 else ""
        text += f"{running}/{concurrency} at once " if concurrency else ""
        return [(text.rjust(width), "faint")]


def url_lines(text: str) -> tuple[str, ...]:
    """The URLs in pasted text: one a line, blank ones and # comments skipped."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
