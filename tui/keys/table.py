"""The one table of keys: bindings, footer and help are made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.binding import Binding

Hint = tuple[str, str]
"""A key and the word beside it in the footer."""


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that keys do.

    id: for keymap files. keys: names as Textual spells them. place: where they work, one of PLACES.
    text: for the help screen. footer: for the last line, "" to leave it out. action: method name without `action_`.
    """

    id: str
    keys: tuple[str, ...]
    place: str
    text: str
    footer: str
    action: str
    priority: bool = False

    @property
    def label(self) -> str:
        """The first key as people write it, "" where there is none."""
        return label(self.keys[0]) if self.keys else ""

    @property
    def labels(self) -> str:
        """All keys as people write them."""
        return " ".join(label(key) for key in self.keys)


PLACES = {
    "rows": "On a row",
    "screen": "On the dashboard",
    "url": "In the URL field",
    "filter": "In the filter field",
    "search": "In the history search",
    "editor": "In the request editor",
    "text": "In details and help",
    "details": "In details",
    "back": "Leave details or help",
    "box": "In a question",
    "ask": "In a prompt",
    "copy": "In the copy menu",
    "everywhere": "Everywhere",
}

KEYS = (
    Key("url.focus", ("n", "ctrl+l"), "screen", "type a URL", "new", "focus_url"),
    Key("row.details", ("enter",), "rows", "details of the selected fetch", "details", "screen.details"),
    Key("row.cancel", ("x",), "rows", "cancel the selected fetch", "cancel", "screen.cancel"),
    Key("row.drop", ("d",), "rows", "drop the handle, whatever the fetch's state", "drop", "screen.drop"),
    Key("row.again", ("r",), "rows", "fetch the same URL again", "again", "screen.again"),
    Key("row.edit", ("E",), "rows", "edit its request and send it again", "", "screen.edit_request"),
    Key("row.pin", ("m",), "rows", "pin or unpin the handle", "pin", "screen.pin"),
    Key("row.holders", ("h",), "rows", "find out who holds the handle", "", "screen.holders"),
    Key("row.up", ("k", "up"), "rows", "one row up", "", "move(-1)"),
    Key("row.down", ("j", "down"), "rows", "one row down", "", "move(1)"),
    Key("row.page-up", ("pageup",), "rows", "one page up", "", "page(-1)"),
    Key("row.page-down", ("pagedown",), "rows", "one page down", "", "page(1)"),
    Key("row.first", ("g", "home"), "rows", "first row", "", "first"),
    Key("row.last", ("G", "end"), "rows", "last row", "", "last"),
    Key("rows.filter", ("/",), "rows", "filter rows", "filter", "filter"),
    Key("sort.left", ("<",), "rows", "sort by the column on the left", "", "sort(-1)"),
    Key("sort.right", (">",), "rows", "sort by the column on the right", "", "sort(1)"),
    Key("sort.invert", ("i",), "rows", "reverse the sort order", "", "invert"),
    Key("row.copy", ("y",), "rows", "copy its URL, curl command, headers or body", "copy", "screen.copy"),
    Key("row.save", ("s",), "rows", "save its body", "", "screen.save"),
    Key("row.pager", ("v",), "rows", "view its body in $PAGER", "", "screen.pager"),
    Key("row.editor", ("e",), "rows", "open its body in $EDITOR", "", "screen.editor"),
    Key("view.pause", ("space",), "screen", "pause the view; fetches and counts go on", "pause", "pause"),
    Key("warning.next", ("w",), "screen", "next row with a warning, in any pane", "", "next_warning"),
    Key("warning.hide", ("W",), "screen", "show or hide warnings", "", "hide_warnings"),
    Key("collect", ("C",), "screen", "collect garbage and report what only that freed", "", "collect"),
    Key("all.cancel", ("X",), "screen", "cancel every fetch (asks)", "", "cancel_all"),
    Key("pane.next", ("tab",), "screen", "next pane", "pane", "next_pane(1)"),
    Key("pane.previous", ("shift+tab",), "screen", "previous pane", "", "next_pane(-1)"),
    Key("pane.active", ("1",), "screen", "pane 1: active", "", "pane('active')"),
    Key("pane.done", ("2",), "screen", "pane 2: done", "", "pane('done')"),
    Key("pane.refs", ("3",), "screen", "pane 3: references", "", "pane('refs')"),
    Key("view.full", ("f",), "screen", "toggle full-size pane", "full", "full"),
    Key("view.faster", ("+", "="), "screen", "redraw more often, at most 10 times a second", "", "faster(1)"),
    Key("view.slower", ("-",), "screen", "redraw less often, at least once a second", "", "faster(-1)"),
    Key("view.escape", ("escape",), "screen", "back to the rows, or from full size", "", "escape"),
    Key("url.add", ("enter",), "url", "fetch it and stay in the field", "fetch", "submit"),
    Key("url.older", ("up",), "url", "previous URL", "history", "recall(-1)"),
    Key("url.newer", ("down",), "url", "next URL", "", "recall(1)"),
    Key("url.search", ("ctrl+r",), "url", "search the history", "search", "search"),
    Key("url.complete", ("tab",), "url", "accept the suggested host, or next pane", "", "complete"),
    Key("url.edit", ("ctrl+e",), "url", "edit method, headers and body of the next request", "request", "edit"),
    Key("url.leave", ("escape",), "url", "leave the field", "leave", "leave"),
    Key("filter.keep", ("enter",), "filter", "keep the filter and return to the rows", "keep", "keep"),
    Key("filter.clear", ("escape",), "filter", "show all rows again", "clear", "clear"),
    Key("search.older", ("down", "ctrl+r"), "search", "next older match", "", "move(1)"),
    Key("search.newer", ("up",), "search", "next newer match", "", "move(-1)"),
    Key("search.page-down", ("pagedown",), "search", "one page of older matches", "", "page(1)"),
    Key("search.page-up", ("pageup",), "search", "one page of newer matches", "", "page(-1)"),
    Key("search.leave", ("escape",), "search", "leave without a choice (enter accepts)", "", "no"),
    Key("editor.send", ("ctrl+g",), "editor", "send the request (also enter in method and URL)", "send", "send"),
    Key("editor.back", ("escape",), "editor", "back; keeps the draft for the next request", "back", "back"),
    Key("details.next", ("right", "l"), "details", "next section", "section", "section(1)"),
    Key("details.previous", ("left", "h"), "details", "previous section", "", "section(-1)"),
    Key("details.search", ("/",), "details", "search the body", "search", "search"),
    Key("details.match", ("n",), "details", "next match", "", "match(1)"),
    Key("details.match-before", ("N",), "details", "previous match", "", "match(-1)"),
    Key("details.copy", ("y",), "details", "copy URL, curl command, headers or body", "copy", "copy"),
    Key("details.save", ("s",), "details", "save the body", "save", "save"),
    Key("details.pager", ("v",), "details", "view the whole body in $PAGER", "pager", "pager"),
    Key("details.editor", ("e",), "details", "open the whole body in $EDITOR", "edit", "editor"),
    Key("details.secrets", ("S",), "details", "show or hide secrets in headers and copies", "", "secrets"),
    Key("text.up", ("k", "up"), "text", "one line up", "", "move(-1)"),
    Key("text.down", ("j", "down"), "text", "one line down", "scroll", "move(1)"),
    Key("text.page-up", ("pageup",), "text", "one page up", "", "page(-1)"),
    Key("text.page-down", ("pagedown",), "text", "one page down", "", "page(1)"),
    Key("text.first", ("g", "home"), "text", "to the top", "", "first"),
    Key("text.last", ("G", "end"), "text", "to the bottom", "", "last"),
    Key("leave", ("escape", "q"), "back", "back to the dashboard", "back", "back"),
    Key("box.yes", ("y", "enter"), "box", "yes", "", "yes"),
    Key("box.no", ("n", "escape", "q"), "box", "no, back", "", "no"),
    Key("ask.done", ("enter",), "ask", "accept the input", "", "submit"),
    Key("ask.leave", ("escape",), "ask", "cancel", "", "leave"),
    Key("copy.url", ("u",), "copy", "the URL", "", "choose('URL')"),
    Key("copy.curl", ("c",), "copy", "the request as a curl command", "", "choose('curl command')"),
    Key("copy.headers", ("h",), "copy", "the headers", "", "choose('headers')"),
    Key("copy.body", ("b",), "copy", "the text of the body", "", "choose('body')"),
    Key("copy.up", ("k", "up"), "copy", "up", "", "move(-1)"),
    Key("copy.down", ("j", "down"), "copy", "down", "", "move(1)"),
    Key("copy.take", ("enter",), "copy", "copy the selected item", "", "take"),
    Key("copy.leave", ("escape", "q"), "copy", "back", "", "back"),
    Key("palette", (":", "ctrl+p"), "everywhere", "command palette", "", "command_palette"),
    Key("suspend", ("ctrl+z",), "everywhere", "suspend to the shell", "", "suspend_process"),
    Key("overview", ("o", "f2"), "everywhere", "overview: totals, latency, hosts; and back", "overview", "overview"),
    Key("help", ("?", "f1"), "everywhere", "this help", "help", "help"),
    Key("back", ("q",), "screen", "back; at the top quit (asks while something runs)", "quit", "back"),
    Key("quit", ("ctrl+c", "ctrl+q"), "everywhere", "quit at once", "", "quit", priority=True),
)

LIVE_TOGETHER = (
    ("rows", "screen", "everywhere"),
    ("url", "everywhere"),
    ("filter", "everywhere"),
    ("search", "everywhere"),
    ("editor", "everywhere"),
    ("text", "details", "back", "everywhere"),
    ("box",),
    ("ask", "everywhere"),
    ("copy", "everywhere"),
)
"""Places whose keys work at the same time, so that no two of them may share one."""

FIELDS = ("url", "filter", "search", "editor", "ask")
"""Places where characters are typed."""

LABELS = {"escape": "esc", "pageup": "pgup", "pagedown": "pgdn", "comma": ","}
_changed: dict[str, tuple[str, ...]] = {}


def change_keys(keymap: Mapping[str, tuple[str, ...]]) -> None:
    """Use these keys, by id, instead of the table's. To be called before `bindings` makes anything of the table."""
    _changed.clear()
    _changed.update(keymap)


def label(key: str) -> str:
    """A key's name as people write it."""
    return LABELS.get(key, key)


def key_label(id: str) -> str:
    """The first key of the table's entry of this id, as people write it; "" where it has none."""
    return next(key.label for key in in_place(*PLACES) if key.id == id)


def in_place(*places: str) -> Iterator[Key]:
    """The keys that work in these places, in the order of the table."""
    return (replace(key, keys=_changed.get(key.id, key.keys)) for key in KEYS if key.place in places)


def bindings(*places: str) -> list[Binding]:
    """What a Textual class with the actions of these places takes as BINDINGS."""
    return [_binding(key, key.action) for key in in_place(*places)]


def binding(id: str, action: str) -> Binding:
    """A binding of the keys with this id to another action. Raises KeyError."""
    for key in in_place(*PLACES):
        if key.id == id:
            return _binding(key, action)
    raise KeyError(id)


def _binding(key: Key, action: str) -> Binding:
    # Imported here so that the settings can be checked before Textual is loaded.
    from textual.binding import Binding

    # The palette finds commands by their bindings: one without a key has one that no terminal sends.
    names = ",".join(key.keys) or f"f99-{key.id}"
    return Binding(names, action, key.text, show=False, priority=key.priority, id=key.id)


def hints(*places: str, typing: bool = False) -> list[Hint]:
    """Key and hint for each key of these places that has one; with `typing` keys that would type a character are not
    named.
    """
    found = []
    for key in in_place(*places):
        names = [name for name in key.keys if not (typing and len(label(name)) == 1)]
        if key.footer and names:
            found.append((label(names[0]), key.footer))
    return found
