"""Hides passwords in a line as it is typed: URLs and curl commands."""

from __future__ import annotations

import re

from rich.highlighter import Highlighter
from rich.text import Text

from fetch_engine.requests import SECRET_HEADERS

# A word of a shell as far as it has been typed, quotes included.
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)|\\\Z)+""", re.DOTALL)
_USERINFO = re.compile(r"(?:(?<=//)|(?<=')|(?<=\")|\A)([^/?#\s@'\"]*:[^/?#\s]*)@")
_HEADER = re.compile(rf"(?:{'|'.join(sorted(SECRET_HEADERS))})\s*:\s*(?:(?:basic|bearer)\s)?", re.IGNORECASE)
_OPTIONS = frozenset({"-u", "--user", "-U", "--proxy-user", "-b", "--cookie", "--oauth2-bearer"})


class SecretMask(Highlighter):
    """Shows passwords and credentials as stars; the text keeps its length, so that the cursor stays right."""

    def __call__(self, text: str | Text) -> Text:
        plain = text.plain if isinstance(text, Text) else text
        return Text(masked(plain, "*"), no_wrap=True, overflow="ignore", end="")

    def highlight(self, text: Text) -> None:
        """Nothing is coloured."""


def masked(line: str, dot: str) -> str:
    """The line with `dot` for each character of a user name with password, credential or cookie in it."""
    hidden = bytearray(len(line))
    before = ""
    for word in _WORD.finditer(line):
        text, start = word.group(), word.start()
        bare = text.lstrip("$'\"")
        header = _HEADER.match(bare)
        if before in _OPTIONS:
            _hide(hidden, start, word.end())
        elif header is not None:
            _hide(hidden, word.end() - len(bare) + header.end(), word.end())
        elif text[:2] in _OPTIONS and not text.startswith("--"):
            _hide(hidden, start + 2, word.end())
        else:
            for userinfo in _USERINFO.finditer(text):
                _hide(hidden, start + userinfo.start(1), start + userinfo.end(1))
        before = text
    return "".join(dot if hide else char for char, hide in zip(line, hidden, strict=True))


def _hide(hidden: bytearray, start: int, end: int) -> None:
    hidden[start:end] = b"\1" * (end - start)
