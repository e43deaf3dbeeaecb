"""Hides passwords in a line as it is typed: URLs and curl commands."""

from __future__ import annotations

import re

from rich.highlighter import Highlighter
from rich.text import Text

from fetch_engine.model.redaction import is_secret
from fetch_engine.model.requests import SECRET_HEADERS

# A word of a shell as far as it has been typed, quotes included.
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)|\\\Z)+""", re.DOTALL)
# What may be an authority; after it comes none of its own characters, so that no text takes long.
_AUTHORITY = re.compile(r"[^/?#\s'\"]+")
_HEADER = re.compile(r"([\w-]+)\s*:\s*(?:(?:basic|bearer)\s)?", re.IGNORECASE)
_PARAMETER = re.compile(r"[?&;#]([^?&;#=\s'\"]+)=([^&;#\s'\"]*)")
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
        end = word.end() - (len(text) > 1 and text[-1] in "'\"")
        bare = text.lstrip("$'\"")
        header = _HEADER.match(bare)
        if before in _OPTIONS:
            _hide(hidden, start, end)
        elif header is not None and (
            header[1].lower() in SECRET_HEADERS or ("-" in header[1] and is_secret(header[1]))
        ):
            _hide(hidden, word.end() - len(bare) + header.end(), end)
        elif text[:2] in _OPTIONS and not text.startswith("--"):
            _hide(hidden, start + 2, end)
        else:
            for authority in _AUTHORITY.finditer(text):
                userinfo = authority.group().rpartition("@")[0]
                at = authority.start()
                if ":" in userinfo and (at == 0 or text[at - 1] in "'\"" or text[at - 2 : at] == "//"):
                    _hide(hidden, start + at, start + at + len(userinfo))
            for found in _PARAMETER.finditer(text):
                if is_secret(found[1]):
                    _hide(hidden, start + found.start(2), start + found.end(2))
        before = text
    return "".join(dot if hide else char for char, hide in zip(line, hidden, strict=True))


def _hide(hidden: bytearray, start: int, end: int) -> None:
    hidden[start:end] = b"\1" * max(0, end - start)
