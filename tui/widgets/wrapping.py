"""Text and spans cut to lines of cells, and pairs of name and value set out in them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, chop_cells

from tui.text.plain_text import safe
from tui.text.spans import Line
from tui.widgets.line_widget import CURSOR, END


def wrap(text: str, width: int) -> list[str]:
    """`text`, which has been through `safe`, cut into lines of at most `width` cells; at least one."""
    width = max(2, width)
    if len(text) <= width and cell_len(text) <= width:
        return [text]
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)]
    return chop_cells(text, width)


def wrap_spans(spans: Line, width: int) -> list[Line]:
    """Spans cut into lines of at most `width` cells."""
    if sum(cell_len(text) for text, _ in spans) <= width:
        return [spans]
    lines: list[Line] = [[]]
    room = max(2, width)
    for text, role in spans:
        at = 0
        while at < len(text):
            if room <= 0:
                lines.append([])
                room = max(2, width)
            part = wrap(text[at : at + room], room)[0]
            if not part or cell_len(part) > room:  # a wide character that does not fit any more
                lines.append([])
                room = max(2, width)
                continue
            lines[-1].append((part, role))
            room -= cell_len(part)
            at += len(part)
    return lines


def marked(spans: Line, ranges: Iterable[tuple[int, int]]) -> Line:
    """Spans in which the characters from start to stop of each range, in order, stand on the cursor's ground."""
    found: Line = []
    length = sum(len(text) for text, _ in spans)
    clipped = [(start, min(stop, length)) for start, stop in ranges]
    edges = [edge for start, stop in clipped if start < stop for edge in ((start, CURSOR), (stop, END))]
    at = 0
    for text, role in spans:
        start, end = at, at + len(text)
        while edges and edges[0][0] < end:
            edge, mark = edges.pop(0)
            found += [(text[at - start : edge - start], role), mark]
            at = edge
        found.append((text[at - start :], role))
        at = end
    return found + [mark for _, mark in edges]


def pairs(given: Iterable[tuple[str, str, str]], width: int) -> list[Line]:
    """Name, value and the value's role, a pair a line; what is longer goes on below its beginning."""
    lines: list[Line] = []
    for key, value, role in given:
        name = safe(key, 200) + ": "
        indent = min(cell_len(name), 24, width // 3)
        if cell_len(name) > indent:
            lines += [[(part, "head")] for part in wrap(name, width)]
            first: Line = [(" " * indent, "")]
        else:
            first = [(name, "head")]
        for part in wrap(safe(value, 65536), width - indent):
            lines.append([*first, (part, role)])
            first = [(" " * indent, "")]
    return lines
