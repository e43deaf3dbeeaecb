"""The format of ftp's .netrc as curl reads it: no backslash means anything outside of double quotes."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field

_BLANK = re.compile(r"[ \t\r\f\v]*")
_PLAIN = re.compile(r"[^ \t\r\f\v]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_KEYS = {"machine": "machine", "login": "login", "user": "login", "password": "password", "account": "account"}


class NetrcError(ValueError):
    """Why the file is not taken; never with a word of it."""


@dataclass(slots=True)
class NetrcEntry:
    """What one `machine` says, or `default` where that is None. Of several logins the first complete one counts."""

    machine: str | None
    login: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether it has both."""
        return bool(self.login and self.password)


def read_netrc(path: str | None = None) -> list[NetrcEntry]:
    """The entries of the file in its order; bytes that are no UTF-8 become lone surrogates.

    Without a path, that of ~/.netrc, which must belong to the user and be open to nobody else if it holds a password.
    Raises OSError, NetrcError.
    """
    with open(path or os.path.expanduser("~/.netrc"), "rb") as file:
        entries = parse_netrc(file.read().decode("utf-8", "surrogateescape"))
        if path is None and any(each.password and each.login != "anonymous" for each in entries):
            _check_access(os.fstat(file.fileno()))
    return entries


def parse_netrc(text: str) -> list[NetrcEntry]:
    """The entries of such a text. Raises NetrcError, which names the line."""
    entries: list[NetrcEntry] = []
    key = ""  # whose value comes next
    in_macro = False
    number = 0
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if in_macro:
            in_macro = bool(line.strip())
            continue
        for word in _words(line, number, after_key=bool(key)):
            if key:
                _take(entries, key, word, number)
                key = ""
            elif word.lower() == "macdef":  # its name and lines, up to an empty one
                in_macro = True
                break
            elif word.lower() == "default":
                entries.append(NetrcEntry(None))
            elif (key := _KEYS.get(word.lower(), "")) == "" or (key != "machine" and not entries):
                raise NetrcError(f"line {number} is not valid")
    if key:
        raise NetrcError(f"line {number} is not valid")
    return entries


def _words(line: str, number: int, *, after_key: bool) -> list[str]:
    """The words of a line up to a comment. after_key: whether the first one is a value, which may begin with `#`."""
    words: list[str] = []
    values = after_key
    at = _end(_BLANK, line, 0)
    while at < len(line):
        if line[at] == "#" and not values:
            break
        quoted = _QUOTED.match(line, at)
        if line[at] == '"' and quoted is None:
            raise NetrcError(f"line {number} is not valid")
        if quoted is not None:
            word = re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), quoted[1])
            at = quoted.end()
        else:
            end = _end(_PLAIN, line, at)
            word, at = line[at:end], end
        words.append(word)
        values = not values and word.lower() in _KEYS
        at = _end(_BLANK, line, at)
    return words


def _end(pattern: re.Pattern[str], line: str, at: int) -> int:
    found = pattern.match(line, at)
    return at if found is None else found.end()


def _take(entries: list[NetrcEntry], key: str, value: str, number: int) -> None:
    if key == "machine":
        entries.append(NetrcEntry(value))
    elif key != "account" and not entries[-1].is_complete:
        setattr(entries[-1], key, value)


def _check_access(status: os.stat_result) -> None:
    if status.st_uid != os.getuid():
        raise NetrcError("it does not belong to you")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise NetrcError("its permissions are too wide: it must be open to nobody but you (chmod 600)")
