"""What a key changes on the screen, read from its cells: the selected row, the pane that has the keyboard."""

from __future__ import annotations

import pyte

RULES = "┌├"


def _text(screen: pyte.Screen, y: int, start: int, end: int) -> str:
    row = screen.buffer[y]
    return "".join(row[x].data for x in range(start, end))


def selected_done_row(screen: pyte.Screen, prompt: str = "›") -> str:
    """The number of the row under the cursor of the dashboard's pane 2, "" if there is none."""
    inside = False
    for y in range(screen.lines):
        if screen.buffer[y][0].data in RULES:
            if inside:
                break
            inside = screen.buffer[y][3].data == "2"
        elif inside and screen.buffer[y][2].data == prompt:
            return _text(screen, y, 3, 12).split()[0]
    return ""


def focused_pane(screen: pyte.Screen) -> str:
    """The number of the dashboard's pane whose title has another colour than the two others'."""
    titles = {
        screen.buffer[y][3].data: screen.buffer[y][5].fg
        for y in range(screen.lines)
        if screen.buffer[y][0].data in RULES and screen.buffer[y][3].data in "123"
    }
    colours = list(titles.values())
    odd = [number for number, colour in titles.items() if colours.count(colour) == 1]
    return odd[0] if len(odd) == 1 else ""


def selected_table_row(screen: pyte.Screen) -> str:
    """The number of the row of a DataTable whose background is like no other's, "" if there is none."""
    rows = {y: screen.buffer[y][1].bg for y in range(screen.lines) if screen.buffer[y][1].data == "#"}
    colours = list(rows.values())
    odd = [y for y, colour in rows.items() if colours.count(colour) == 1]
    return _text(screen, odd[0], 2, 10).split()[0] if len(odd) == 1 else ""


def highlighted_line(screen: pyte.Screen, column: int, after: str) -> str:
    """The number of the line whose ground at this column is like no other's, "" if there is none. Only lines below the
    one that has the text `after` count, and not the last.
    """
    heads = [y for y in range(screen.lines) if after in screen.display[y]]
    lines = range(heads[0] + 1, screen.lines - 1) if heads else range(0)
    grounds = {y: (screen.buffer[y][column].bg, screen.buffer[y][column].reverse) for y in lines}
    seen = list(grounds.values())
    odd = [y for y, ground in grounds.items() if seen.count(ground) == 1]
    return str(odd[0]) if len(odd) == 1 else ""
