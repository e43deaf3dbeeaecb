"""A body as lines for reading: put in form, numbered, coloured; made beside the loop, shown line by line."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tui.screen.body import css_lines, json_lines, markup_lines
from tui.screen.body.pace import Pace
from tui.screen.body.picture import picture_of
from tui.text.body_text import decode_body
from tui.text.spans import Line

MAX_LINE = 2000  # characters; longer lines are cut into several, so that each wraps in a moment
_JSON = re.compile(r"[/+](json|x-ndjson)\b", re.IGNORECASE)
_HTML = re.compile(r"[/+](x)?html\b", re.IGNORECASE)
_XML = re.compile(r"[/+]xml\b", re.IGNORECASE)
_CSS = re.compile(r"text/css\b", re.IGNORECASE)
_LOOKS_JSON = re.compile(r"\s*[\[{]")
_LOOKS_HTML = re.compile(r"\s*<(!doctype html|html)\b", re.IGNORECASE)
_LOOKS_XML = re.compile(r"\s*<\?xml\b")

Colour = Callable[[str], Line]


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """Either text in `lines`, or bytes to be shown in hex (`data`).

    kind: for the reader. numbers: of each line the number in the text, 0 where it goes on with the one before.
    """

    kind: str
    lines: list[str]
    numbers: array[int]
    colour: Colour
    data: bytes | None = None

    @property
    def last_number(self) -> int:
        """How many lines it has for the reader."""
        return next((number for number in reversed(self.numbers) if number), 0)


def document_of(data: bytes, content_type: str, pace: Pace) -> Document:
    """The document that `data`, the beginning of a body or all of it, makes. Raises Superseded when `pace` does."""
    pace()
    picture = picture_of(data, content_type)
    text = decode_body(data, content_type)
    if text is None or (picture is not None and picture.kind != "SVG"):
        return Document("binary" if picture is None else str(picture), [], array("L"), plain, data)
    pace()
    kind, lines, colour = _formatted(text, content_type)
    shown: list[str] = []
    numbers = array("L")
    for number, line in enumerate(pace.over(lines), 1):
        shown.append(line[:MAX_LINE])
        numbers.append(number)
        for at in range(MAX_LINE, len(line), MAX_LINE):
            shown.append(line[at : at + MAX_LINE])
            numbers.append(0)
            pace()
    return Document(kind if picture is None else str(picture), shown, numbers, colour)


def plain(line: str) -> Line:
    """A line without colours."""
    return [(line, "")]


def _formatted(text: str, content_type: str) -> tuple[str, Iterable[str], Colour]:
    """By the type that was given, else by how it begins: many servers say text/plain, or nothing."""
    vague = "/" not in content_type or content_type.lower().startswith("text/plain")
    if _JSON.search(content_type) or (vague and _LOOKS_JSON.match(text)):
        return "JSON", json_lines.json_lines(text), json_lines.coloured
    if _HTML.search(content_type) or (vague and _LOOKS_HTML.match(text)):
        return "HTML", markup_lines.markup_lines(text, html=True), markup_lines.coloured
    if _XML.search(content_type) or (vague and _LOOKS_XML.match(text)):
        return "XML", markup_lines.markup_lines(text, html=False), markup_lines.coloured
    if _CSS.search(content_type):
        return "CSS", css_lines.css_lines(text), css_lines.coloured
    return "text", text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n"), plain
