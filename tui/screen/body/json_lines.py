"""JSON put on lines for reading: only blanks outside of strings change, so that what is shown is what was sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tui.text.spans import Line

# Possessive: a string of a million characters is one step of the matcher, and none of it is tried twice.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
_KEY = re.compile(r'(\s*)("[^"\\]*+(?:\\.[^"\\]*+)*+")(:\s?)(.*)', re.DOTALL)
_INDENT = 2
_MAX_DEPTH = 40  # deeper levels are not indented further, so that hostile nesting does not square the size


def json_lines(text: str) -> Iterator[str]:
    """`text`, which may be cut anywhere, one member or item a line. Text that is no JSON only loses line breaks."""
    line: list[str] = []
    depth = 0
    closing_empty = False

    def end_line() -> str:
        ended = "".join(line)
        line[:] = [" " * (_INDENT * min(depth, _MAX_DEPTH))]
        return ended

    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in "}]":
            depth = max(0, depth - 1)
            if not closing_empty:
                yield end_line()
            line.append(token)
        else:
            if closing_empty:
                yield end_line()
            line.append(": " if token == ":" else token)
            if token in "{[":
                depth += 1
            elif token == ",":
                yield end_line()
        closing_empty = token in "{["
    yield "".join(line)


def coloured(line: str) -> Line:
    """One line of `json_lines` in spans: the key, and the value by its kind."""
    found = _KEY.fullmatch(line)
    if found is None:
        return [(line, _value_role(line.strip()))]
    return [(found[1], ""), (found[2], "head"), (found[3], ""), (found[4], _value_role(found[4]))]


def _value_role(value: str) -> str:
    if value.startswith('"'):
        return "good"
    return "" if value[:1] in "{}[]," else "busy"
