"""Many URLs written as one, as curl has it: `[1-100]`, `[001-100]`, `[a-z]`, `[0-100:10]`, `{one,two}`."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPECIAL = "[]{}"
_MOST_DIGITS = 18  # of a number in a range
_MOST_URLS = 10**18
_PLAIN = re.compile(r"[^][{}\\]+")
_NUMBERS = re.compile(r"([0-9]+)-[ \t]*([0-9]+)(?::([0-9]+))?")
_LETTERS = re.compile(r"([A-Za-z])-([A-Za-z])(?::([0-9]+))?")


class GlobError(ValueError):
    """Text that is no valid glob. `position` is the place of the character that is wrong, from 0."""

    def __init__(self, why: str, position: int) -> None:
        super().__init__(f"{why} at character {position + 1}")
        self.position = position


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers or letters, `width` digits at least; letters where it is 0."""

    values: range
    width: int

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> str:
        value = self.values[place]
        return f"{value:0{self.width}d}" if self.width else chr(value)


_Part = tuple[str, ...] | _Range


@dataclass(frozen=True, slots=True)
class UrlGlob:
    """All URLs that one text stands for; none is made before it is asked for. The last part counts up fastest."""

    text: str
    _parts: tuple[_Part, ...]

    @property
    def count(self) -> int:
        """How many URLs there are."""
        return math.prod(len(part) for part in self._parts)

    def __getitem__(self, place: int) -> str:
        """The URL at `place`, from 0. Raises IndexError."""
        if not 0 <= place < self.count:
            raise IndexError(place)
        texts: list[str] = []
        for part in reversed(self._parts):
            place, at = divmod(place, len(part))
            texts.append(part[at])
        return "".join(reversed(texts))

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(self.count))


def parse_glob(text: str) -> UrlGlob:
    r"""Read a URL with globs. An IPv6 address in brackets is none; `\` takes the meaning from a bracket or brace.

    Raises GlobError, with the place, for what curl refuses: descending or endless ranges, nested or open braces.
    """
    parts: list[_Part] = []
    literal = ""
    count = 1
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in tuple(_SPECIAL):
            literal += text[at + 1]
            at += 2
        elif char in "[{":
            part, end = _address(text, at) or (_range(text, at) if char == "[" else _set(text, at))
            parts += [(literal,), part]
            literal = ""
            count *= len(part)
            if count > _MOST_URLS:
                raise GlobError("more URLs than can be counted", at)
            at = end
        elif char in "]}":
            raise GlobError(f"'{char}' closes nothing (a plain one is written \\{char})", at)
        else:
            end = plain.end() if (plain := _PLAIN.match(text, at)) else at + 1
            literal += text[at:end]
            at = end
    return UrlGlob(text, (*parts, (literal,)))


def escape_glob(text: str) -> str:
    """The text with nothing in it that `parse_glob` would take for a glob."""
    return re.sub(r"[\[\]{}]", r"\\\g<0>", text)


def _address(text: str, at: int) -> tuple[_Part, int] | None:
    """The IPv6 address that starts here, with its brackets."""
    end = text.find("]", at)
    if text[at] != "[" or end < 0 or ":" not in text[at:end]:
        return None
    try:
        ipaddress.IPv6Address(text[at + 1 : end])
    except ValueError:
        return None
    return (text[at : end + 1],), end + 1


def _range(text: str, at: int) -> tuple[_Part, int]:
    end = text.find("]", at)
    if end < 0:
        raise GlobError("'[' is never closed (a plain one is written \\[)", at)
    inner = text[at + 1 : end]
    if match := _NUMBERS.fullmatch(inner):
        first, last, step = match.groups(default="1")
        if max(map(len, match.groups(default="1"))) > _MOST_DIGITS:
            raise GlobError("too many digits in the range", at)
        padded = len(first) if first.startswith("0") else 1
        return _Range(_values(int(first), int(last), int(step), at), padded), end + 1
    if match := _LETTERS.fullmatch(inner):
        first, last, step = match.groups(default="1")
        if first.isupper() != last.isupper() or len(step) > 2:
            raise GlobError("no valid range of letters", at)
        return _Range(_values(ord(first), ord(last), int(step), at), 0), end + 1
    raise GlobError("no valid range (a plain '[' is written \\[)", at)


def _values(first: int, last: int, step: int, at: int) -> range:
    if first > last:
        raise GlobError("the range runs backwards", at)
    if step < 1 or (step > last - first and (step, last) != (1, first)):
        raise GlobError("the step does not fit the range", at)
    return range(first, last + 1, step)


def _set(text: str, start: int) -> tuple[_Part, int]:
    choices: list[str] = [""]
    at = start + 1
    while at < len(text):
        char = text[at]
        if char == "}":
            if at == start + 1:
                raise GlobError("nothing within the braces", start)
            return tuple(choices), at + 1
        if char in "[{]":
            raise GlobError(f"'{char}' within braces", at)
        if char == ",":
            choices.append("")
        else:
            if char == "\\" and at + 1 < len(text):
                at += 1
            choices[-1] += text[at]
        at += 1
    raise GlobError("'{' is never closed (a plain one is written \\{)", start)
