"""The field in which URLs, globs and curl commands are typed and pasted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from fetch_engine import FetchRequest
from fetch_engine.curl.command import is_curl_command
from fetch_engine.curl.globbing import escape_glob
from tui.entry.history import EntryHistory, SeenHosts
from tui.entry.read import MOST_UNASKED, ParsedInput, of_request, one_line, read_entries, read_entry, to_edit
from tui.entry.request_draft import Draft
from tui.entry.secret_mask import SecretMask
from tui.keys.table import bindings
from tui.text.plain_text import fit, safe
from tui.text.spans import Line
from tui.widgets.line_widget import LineWidget

if TYPE_CHECKING:
    from tui.screen.screens.request_editor import Edited

MAX_PASTE = 16_384  # characters of one line that the field takes
SHORT = 1000  # characters or lines that are read in a millisecond or two

S = TypeVar("S", bound=Sized)
R = TypeVar("R")


class HostSuggester(Suggester):
    """Completes the host of a URL from those that were seen."""

    def __init__(self, hosts: SeenHosts) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._hosts = hosts

    async def get_suggestion(self, value: str) -> str | None:
        return self._hosts.complete(value)


class UrlInput(Input):
    """One line for a URL. Up and down recall what was entered; a paste of several lines adds each of them."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("url")]

    class Entered(Message):
        """What was entered comes to this. unasked: how many URLs are fetched without a question."""

        def __init__(self, entry: ParsedInput, unasked: int = MOST_UNASKED) -> None:
            super().__init__()
            self.entry = entry
            self.unasked = unasked

    class PastedBeside(Message):
        """Text was pasted where there is no field; perhaps not meant to be fetched at all."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Noted(Message):
        """Something is to be said about what stands in the field."""

        def __init__(self, text: str, role: str) -> None:
            super().__init__()
            self.text, self.role = text, role

    class Left(Message):
        """The field is to lose the focus."""

    def __init__(self, history: EntryHistory, hosts: SeenHosts, make_request: Callable[[str], FetchRequest]) -> None:
        super().__init__(
            id="url",
            placeholder="https://",
            select_on_focus=False,
            compact=True,
            suggester=HostSuggester(hosts),
            highlighter=SecretMask(),
        )
        self.cursor_blink = False
        self.history = history
        self.draft: Draft | None = None  # the next request, but for its URL
        self._hosts = hosts
        self._make_request = make_request
        self._recalled = len(history)  # place in the history; its length for the line being typed
        self._typed = ""

    async def action_submit(self) -> None:
        entry = self._read()
        if entry.commands:
            self._enter(entry)
        elif entry.complaint:
            self.post_message(self.Noted(entry.complaint, "bad"))

    async def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        await self._take_paste(event.text, MOST_UNASKED)

    async def on_url_input_pasted_beside(self, message: PastedBeside) -> None:
        await self._take_paste(message.text, unasked=1)

    async def _take_paste(self, text: str, unasked: int) -> None:
        if is_curl_command(text) and not self.value.strip():
            await self._paste_command(text)
            return
        lines = await _aside(url_lines, text)
        if len(lines) > 1:
            entry = await _aside(read_entries, lines)
            if entry.commands:
                self.post_message(self.Entered(entry, unasked))
            if entry.complaint:
                self.post_message(self.Noted(entry.complaint, "bad"))
        elif lines:
            self.replace(safe(lines[0], MAX_PASTE), *self.selection)

    async def _paste_command(self, text: str) -> None:
        line, entry = await _aside(_read_command, text)
        if len(line) > MAX_PASTE and entry.request is not None:
            # Too long to be shown and edited on one line: the field holds its URL, the draft the rest.
            self.draft = Draft.of(entry.request)
            line = entry.request.url
        if len(line) > MAX_PASTE:
            self.post_message(self.Noted("nothing added: the command is too long for one line", "bad"))
            return
        self._put(line)
        if not entry.commands:
            self.post_message(self.Noted(entry.complaint, "bad"))

    def add_typed(self, text: str) -> None:
        """Add text that was typed elsewhere, apart from what stands there."""
        self._put(f"{self.value} {text}" if self.value.strip() else text)

    def about(self) -> str:
        """What the line stands for, where it does not show in it."""
        if not self.value.strip():
            return ""
        entry = self._read()
        return "; ".join(filter(None, (entry.summary, entry.complaint))) if entry.commands else ""

    def action_recall(self, by: int) -> None:
        place = max(0, min(self._recalled + by, len(self.history)))
        if place == self._recalled:
            return
        if self._recalled == len(self.history):
            self._typed = self.value
        self._recalled = place
        self._put(self._typed if place == len(self.history) else self.history.entries[place])

    def action_search(self) -> None:
        def found(line: str | None) -> None:
            if line is not None:
                self._put(line)

        from tui.screen.screens.history_search import HistorySearchScreen

        self.app.push_screen(HistorySearchScreen(self.history, self.value), found)

    def action_complete(self) -> None:
        if (completed := self._completed()) is not None:
            self._put(completed)
        else:
            self.screen.focus_next()

    def action_end(self, select: bool = False) -> None:
        completed = None if select else self._completed()
        if completed is not None:
            self._put(completed)
        else:
            super().action_end(select)

    def action_leave(self) -> None:
        if not self.value.strip():
            self.draft = None
        self.post_message(self.Left())

    # the request editor

    def action_edit(self) -> None:
        """Edit the request that the line stands for."""
        if self.draft is not None and not is_curl_command(self.value):
            self._edit(replace(self.draft, url=self.value))
            return
        entry = to_edit(self.value, self._make_request)
        if entry.request is None:
            self.post_message(self.Noted(entry.complaint, "bad"))
        else:
            self._edit(Draft.of(entry.request))

    def edit(self, request: FetchRequest) -> None:
        """Edit a request that was made before."""
        self._edit(Draft.of(replace(request, url=escape_glob(request.url))))

    def _edit(self, draft: Draft) -> None:
        from tui.screen.screens.request_editor import RequestEditorScreen  # with it Textual's editor for text

        self.app.push_screen(RequestEditorScreen(draft), self._edited)

    def _edited(self, edited: Edited | None) -> None:
        if edited is None:
            return
        if edited.send:
            self._enter(of_request(edited.draft.request()))
        else:
            self.draft = edited.draft
            self._put(edited.draft.url)
            self.post_message(self.Noted(self.about(), "faint"))
        self.focus()

    # what stands in the field

    def _read(self) -> ParsedInput:
        try:
            edited = None
            if self.draft is not None and self.value.strip():
                edited = replace(self.draft, url=self.value).request()
        except ValueError as error:
            return ParsedInput(complaint=f"nothing added: {error}")
        return read_entry(self.value, edited)

    def _enter(self, entry: ParsedInput) -> None:
        self.history.add(entry.kept)
        self._hosts.note(entry.kept)
        self._recalled = len(self.history)
        self._typed = ""
        self.draft = None
        self.value = ""
        self.post_message(self.Entered(entry))
        if entry.complaint:
            self.post_message(self.Noted(entry.complaint, "warn"))

    def _put(self, line: str) -> None:
        self.value = line
        self.cursor_position = 0  # the first value moves the cursor without scrolling to it; from here it does
        self.cursor_position = len(line)

    def _completed(self) -> str | None:
        return self._hosts.complete(self.value) if self.cursor_position == len(self.value) else None


class UrlBar(Vertical):
    """The field between its name and how many fetches may run at once; below it what is to be said about the line."""

    def __init__(
        self, history: EntryHistory, hosts: SeenHosts, make_request: Callable[[str], FetchRequest] = FetchRequest
    ) -> None:
        super().__init__()
        self._field = UrlInput(history, hosts, make_request)

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield _Prompt()
            yield self._field
            yield UrlFacts()
        yield UrlNotice()

    @on(Input.Changed)
    def _changed(self) -> None:
        self.query_one(UrlNotice).say(self._field.about(), "faint")

    @on(UrlInput.Noted)
    def _noted(self, message: UrlInput.Noted) -> None:
        self.query_one(UrlNotice).say(message.text, message.role)


class _Prompt(LineWidget):
    def line(self, y: int, width: int) -> Line:
        return [(" URL ", "head"), (self.glyphs.prompt, "key")]


class UrlNotice(LineWidget):
    """One line that is there only while it says something."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.role = "", ""
        self.display = False

    def say(self, text: str, role: str) -> None:
        """Show this; nothing hides the line."""
        self.text, self.role = safe(text), role
        self.display = bool(text)
        self.repaint()

    def line(self, y: int, width: int) -> Line:
        return [(f"       {fit(self.text, width - 8)} ", self.role)]


class UrlFacts(LineWidget):
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


def _read_command(text: str) -> tuple[str, ParsedInput]:
    line = one_line(text)
    return line, read_entry(line)


async def _aside(function: Callable[[S], R], given: S) -> R:
    """What the function makes of it; in a thread if that may take long, so that the screen goes on meanwhile."""
    return function(given) if len(given) < SHORT else await asyncio.to_thread(function, given)


def url_lines(text: str) -> tuple[str, ...]:
    """The URLs in pasted text: one a line, blank ones and # comments skipped."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
