"""Method, URL, headers and body of the next request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input, TextArea

from fetch_engine.curl.globbing import GlobError, parse_glob
from tui.entry.request_draft import MAX_BODY, Draft
from tui.entry.secret_mask import SecretMask
from tui.keys.table import bindings, hints
from tui.screen.panels.footer import Footer
from tui.screen.screens.once import ClosesOnce
from tui.text.plain_text import fit, safe, size
from tui.text.spans import Line
from tui.widgets.line_widget import LineWidget


@dataclass(frozen=True, slots=True)
class Edited:
    """What the editor was left with, and whether the request is to be sent."""

    draft: Draft
    send: bool


class EditorLine(LineWidget):
    """One line of ours between the fields: a name, and words beside it."""

    def __init__(self, name: str, words: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._name, self._words, self._role = name, words, "faint"

    def say(self, words: str, role: str = "faint") -> None:
        """Show other words."""
        self._words, self._role = words, role
        self.repaint()

    def line(self, y: int, width: int) -> Line:
        name = f" {self._name} "
        return [(name, "head"), (fit(safe(self._words), max(0, width - len(name))), self._role)]


class SafeArea(TextArea):
    """Takes only text that shows as itself."""

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(printable(event.text), *self.selection)


class SafeInput(Input):
    """Takes the first line of a paste."""

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        first = next(iter(event.text.strip().splitlines()), "")
        self.replace(safe(first, MAX_BODY), *self.selection)


class RequestEditorScreen(ClosesOnce, Screen[Edited]):
    """Gives the draft as it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("editor")]

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._method = SafeInput(draft.method, placeholder="GET", id="method", compact=True, select_on_focus=False)
        self._url = SafeInput(draft.url, id="target", compact=True, select_on_focus=False, highlighter=SecretMask())
        self._headers = _area(draft.headers, "headers")
        self._body = _area(draft.body or "", "body")
        for field in (self._method, self._url, self._headers, self._body):
            field.cursor_blink = False

    def compose(self) -> ComposeResult:
        draft = self._draft
        yield EditorLine("Request", _kept(draft), id="editor-title")
        with Horizontal(classes="field"):
            yield EditorLine("Method ", classes="name")
            yield self._method
        with Horizontal(classes="field"):
            yield EditorLine("URL    ", classes="name")
            yield self._url
        yield EditorLine("Headers", "one a line, Name: value; *** stands for the value it had")
        yield self._headers
        unshown = f"{size(len(draft.base.body))} that no text shows; they stay unless you type others"
        yield EditorLine("Body   ", unshown if draft.body is None else "")
        yield self._body
        yield EditorLine("", id="editor-notice")
        yield Footer(hints("editor"))

    def on_mount(self) -> None:
        self._method.focus()

    @property
    def draft(self) -> Draft:
        """What stands in the fields."""
        body = self._body.text
        return replace(
            self._draft,
            method=self._method.value,
            url=self._url.value,
            headers=self._headers.text,
            body=None if self._draft.body is None and not body else body,
        )

    @on(Input.Submitted)
    def action_send(self) -> None:
        draft = self.draft
        try:
            parse_glob(draft.request().url)
        except GlobError as error:
            self._complain(f"the URL: {error}")
        except ValueError as error:
            self._complain(str(error))
        else:
            self.dismiss(Edited(draft, send=True))

    def action_back(self) -> None:
        self.dismiss(Edited(self.draft, send=False))

    def _complain(self, why: str) -> None:
        self.query_one("#editor-notice", EditorLine).say(f"not sent: {why}", "bad")


def printable(text: str) -> str:
    """Lines of text without any character that would not show as itself."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")[:MAX_BODY].split("\n")
    return "\n".join("\t".join(safe(part, MAX_BODY) for part in line.split("\t")) for line in lines)


def _area(text: str, name: str) -> SafeArea:
    return SafeArea(text, id=name, soft_wrap=False, show_line_numbers=False, compact=True, highlight_cursor_line=False)


def _kept(draft: Draft) -> str:
    base = draft.base
    facts = ["follows redirects" if base.follow_redirects else "follows no redirects"]
    if base.insecure:
        facts.append("any certificate")
    if base.proxy is not None:
        facts.append("by a proxy of its own" if base.proxy else "by no proxy")
    if base.timeouts is not None:
        facts.append("timeouts of its own")
    return ", ".join(facts)
