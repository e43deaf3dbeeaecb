"""CSS put on lines for reading: only blanks between its parts change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tui.text.spans import Line

_TOKEN = re.compile(
    r"/\*.*?(?:\*/|\Z)|\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\"?|'[^'\\]*+(?:\\.[^'\\]*+)*+'?"
    r"|url\([^)\"']*+\)?|[{};]|\s++|(?:(?!url\()[^{};\"'/\s])++|.",
    re.DOTALL,
)
_DECLARATION = re.compile(r"(\s*)([-\w]+)(\s*:)(.*)", re.DOTALL)
_INDENT = 2
_MAX_DEPTH = 20


def css_lines(text: str) -> Iterator[str]:
    """`text`, which may be cut anywhere, one selector, declaration or comment a line."""
    parts: list[str] = []
    depth = 0

    def end_line() -> Iterator[str]:
        line = "".join(parts).strip()
        parts.clear()
        if line:
            yield " " * (_INDENT * min(depth, _MAX_DEPTH)) + line

    for found in _TOKEN.finditer(text):
        token = found[0]
        if token == "{":
            parts.append(" {" if parts and not parts[-1].isspace() else "{")
            yield from end_line()
            depth += 1
        elif token == "}":
            yield from end_line()
            depth = max(0, depth - 1)
            parts.append("}")
            yield from end_line()
        elif token == ";":
            parts.append(";")
            yield from end_line()
        elif token.startswith("/*"):
            yield from end_line()
            for line in token.split("\n"):
                parts.append(line)
                yield from end_line()
        elif token.isspace():
            if parts and not parts[-1].isspace():
                parts.append(" ")
        else:
            parts.append(token)
    yield from end_line()


def coloured(line: str) -> Line:
    """One line of `css_lines` in spans: selectors, names and values of declarations, comments."""
    text = line.strip()
    if text.startswith(("/*", "*")) or text.endswith("*/"):
        return [(line, "faint")]
    if text.endswith("{"):
        return [(line, "head")]
    found = _DECLARATION.fullmatch(line)
    if found is None:
        return [(line, "")]
    return [(found[1], ""), (found[2], "moved"), (found[3], ""), (found[4], "good")]
