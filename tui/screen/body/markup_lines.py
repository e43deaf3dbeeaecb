"""HTML and XML put on lines for reading: only blanks change, and none inside of tags, scripts and `pre`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tui.text.spans import Line

# Possessive throughout: each character is looked at a bounded number of times, whatever is not closed.
_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<[?!][^>]*+>?"
    r"|<(?P<close>/?)(?P<name>[A-Za-z_:][\w:.-]*+)(?:=\s*+\"[^\"]*+\"|=\s*+'[^']*+'|[^>])*+>?"
    r"|[^<]++|<",
    re.DOTALL,
)
_PART = re.compile(r"<!--.*?(?:-->|$)|</?[\w:.-]+|[/?]?>|[\w:.@-]+(?==)|\"[^\"]*\"?|'[^']*'?|[^<>\"'\w]+|\w+|.")
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_VERBATIM = frozenset(("script", "style", "pre", "textarea"))
_ENDS_ITSELF = frozenset(("p", "li", "dt", "dd", "tr", "td", "th", "option"))
_INDENT = 2
_MAX_DEPTH = 20
_SHORT = 100  # an element of one line of text stays on one line up to this length


def markup_lines(text: str, *, html: bool) -> Iterator[str]:
    """`text`, which may be cut anywhere, one tag or line of text a line, indented by depth."""
    open_names: list[str] = []
    held: list[str] = []  # an opening tag, and a line of text after it, that a closing tag may join
    at = 0
    while found := _TOKEN.match(text, at):
        token, at = found[0], found.end()
        name = found["name"]
        if name is None:
            pieces = _pieces(token)
            if len(held) == 1 and len(pieces) == 1 and token[0] != "<" and len(held[0] + pieces[0]) < _SHORT:
                held += pieces
            elif pieces:
                yield from _separate(held, len(open_names))
                yield from _indented(pieces, len(open_names))
            continue
        name = name.lower() if html else name
        if found["close"]:
            closes_held = bool(held) and bool(open_names) and open_names[-1] == name
            if closes_held:
                open_names.pop()
                yield from _indented(["".join(held) + _flat(token)], len(open_names))
                held.clear()
                continue
            yield from _separate(held, len(open_names))
            if name in open_names[-64:]:
                while open_names.pop() != name:
                    pass
            yield from _indented(_pieces(token), len(open_names))
            continue
        yield from _separate(held, len(open_names))
        if html and open_names and open_names[-1] == name and name in _ENDS_ITSELF:
            open_names.pop()
        pieces = _pieces(token)
        if token.endswith("/>") or (html and name in _VOID):
            yield from _indented(pieces, len(open_names))
        elif html and name in _VERBATIM:
            yield from _indented(pieces, len(open_names))
            end = re.compile(f"</{name}", re.IGNORECASE).search(text, at)
            stop = end.start() if end else len(text)
            yield from (line for line in text[at:stop].split("\n") if line.strip())
            at = stop
            open_names.append(name)
        else:
            open_names.append(name)
            if len(pieces) == 1 and len(token) < _SHORT:
                held.append(pieces[0])
            else:
                yield from _indented(pieces, len(open_names) - 1)
    yield from _separate(held, len(open_names))


def _separate(held: list[str], depth: int) -> Iterator[str]:
    """What is held, on lines of its own after all."""
    for number, line in enumerate(held):
        yield from _indented([line], depth - 1 + number)
    held.clear()


def _pieces(token: str) -> list[str]:
    return [piece for line in token.split("\n") if (piece := line.strip())]


def _flat(token: str) -> str:
    return " ".join(token.split())


def _indented(pieces: list[str], depth: int) -> Iterator[str]:
    blanks = " " * (_INDENT * max(0, min(depth, _MAX_DEPTH)))
    for number, piece in enumerate(pieces):
        yield blanks + ("  " if number and pieces[0][0] == "<" else "") + piece


def coloured(line: str) -> Line:
    """One line of `markup_lines` in spans: tags, names of attributes, their values, comments."""
    spans: Line = []
    in_tag = line.lstrip()[:1] != "<" and line.rstrip().endswith(("/>", '">')) and "<" not in line
    for found in _PART.finditer(line):
        part = found[0]
        if part.startswith("<!--"):
            role = "faint"
        elif part[0] == "<":
            role, in_tag = "head", len(part) > 1
        elif part in (">", "/>", "?>"):
            role, in_tag = "head" if in_tag else "", False
        elif in_tag:
            role = "good" if part[0] in "\"'" else "moved" if line[found.end() : found.end() + 1] == "=" else ""
        else:
            role = ""
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + part, role)
        else:
            spans.append((part, role))
    return spans
