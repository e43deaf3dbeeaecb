"""Every glyph the screen uses, each with a form for terminals that show ASCII only."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, fields

from rich.cells import get_character_cell_size


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of glyphs. Each is one cell wide, but for `ellipsis` (in ASCII three) and `graph` (a scale)."""

    bar_full: str = "█"
    bar_empty: str = "░"
    bar_idle: str = "·"  # a bar whose length is not known
    graph: str = " ▁▂▃▄▅▆▇█"  # from nothing to a full cell
    horizontal: str = "─"
    vertical: str = "│"
    top_left: str = "┌"
    top_right: str = "┐"
    bottom_left: str = "└"
    bottom_right: str = "┘"
    tee_left: str = "├"
    tee_right: str = "┤"
    tee_top: str = "┬"
    tee_bottom: str = "┴"
    cross: str = "┼"
    ascending: str = "▲"
    descending: str = "▼"
    up: str = "↑"
    down: str = "↓"
    left: str = "←"
    right: str = "→"
    cursor: str = "▶"
    prompt: str = "›"
    held_by: str = "‹"
    opened: str = "●"
    closed: str = "○"
    pinned: str = "◆"
    tick: str = "✓"
    cross_mark: str = "✗"
    warning: str = "!"
    times: str = "×"
    dot: str = "·"
    ellipsis: str = "…"


UNICODE = Glyphs()
ASCII = Glyphs(
    bar_full="#",
    bar_empty="-",
    bar_idle=".",
    graph=" .:-=+*#@",
    horizontal="-",
    vertical="|",
    top_left="+",
    top_right="+",
    bottom_left="+",
    bottom_right="+",
    tee_left="+",
    tee_right="+",
    tee_top="+",
    tee_bottom="+",
    cross="+",
    ascending="^",
    descending="v",
    up="^",
    down="v",
    left="<",
    right=">",
    cursor=">",
    prompt=">",
    held_by="<",
    opened="*",
    closed="o",
    pinned="*",
    tick="+",
    cross_mark="x",
    times="x",
    dot=".",
    ellipsis="...",
)


def glyphs_for(*, ascii: bool) -> Glyphs:
    """The set to use for the whole run."""
    return ASCII if ascii else UNICODE


def _box_form(name: str) -> str:
    turns = {"UP", "DOWN", "LEFT", "RIGHT"} & set(name.replace("-", " ").split())
    if "VERTICAL" in name and "HORIZONTAL" not in name and not turns & {"LEFT", "RIGHT"}:
        return "|"
    if "HORIZONTAL" in name and "VERTICAL" not in name and not turns & {"UP", "DOWN"}:
        return "-"
    return "+"


class _AsciiForms(dict[int, str]):
    """A table for str.translate that works out what it does not know, once for each character."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if code < 0x80:
            form = char
        elif 0x2500 <= code < 0x2580:
            form = _box_form(unicodedata.name(char, ""))
        else:
            width = get_character_cell_size(char)
            base = unicodedata.normalize("NFKD", char)[0]
            form = base if width == 1 and " " <= base < "\x7f" else "?" * width
        self[code] = form
        return form


_FORMS = _AsciiForms({ord(char): "#" for char in "▅▆▇█▓▒"})
_FORMS |= {ord(char): "_" for char in "▁▂▃▄"}
_FORMS |= {ord(char): "-" for char in "▔▀•"}
_FORMS |= {ord(char): "|" for char in "▏▎▍▌▋▊▉▐▕"}
_FORMS |= {ord(char): "'" for char in "‘’"} | {ord(char): '"' for char in "“”"} | {ord("–"): "-", ord("—"): "-"}
for _field in fields(Glyphs):
    _pair = getattr(UNICODE, _field.name), getattr(ASCII, _field.name)
    if len(_pair[0]) == len(_pair[1]) == 1:
        _FORMS[ord(_pair[0])] = _pair[1]
_FORMS[ord(UNICODE.ellipsis)] = "."


def ascii_form(text: str) -> str:
    """The text in ASCII, cell for cell: glyphs in their ASCII form, accents dropped, `?` for each other cell."""
    return text if text.isascii() else text.translate(_FORMS)
