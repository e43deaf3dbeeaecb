"""Many URLs written as one, as curl has it: `[1-100]`, `[001-100]`, `[a-z]`, `[0-100:10]`, `{one,two}`.

Unlike in curl, brackets and braces that make no glob stand for themselves, as in `?ids[]=1`: as in every other URL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPECIAL = "[]{}"
_MOST_DIGITS = 18  # of a number in a range
_LONGEST_RANGE = 100  # characters; so that no text takes long
_MOST_URLS = 10**18
_PLAIN = re.compile(r"[^][{}\\]+")
_NUMBERS = re.compile(r"([0-9]+)-[ \t]*([0-9]+)(?::([0-9]+))?")
_NUMBERED = re.compile(r"#([0-9]{1,6})")
_LETTERS = re.compile(r"([A-Za-z])-([A-Za-z])(?::([0-9]+))?")


class GlobError(ValueError):
    """A glob that makes no URLs, or too many. `position` is the place where it begins, from 0."""

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
        return "".join(self._texts(place))

    def named(self, pattern: str, place: int) -> str:
        """The pattern with the text of the first glob at `place` for #1, and so on, as in curl's -o.

        A `/` in such a text becomes `_`. Raises IndexError.
        """
        texts = self._texts(place)[1::2]

        def text_of(match: re.Match[str]) -> str:
            number = int(match[1])
            return texts[number - 1].replace("/", "_") if 1 <= number <= len(texts) else match[0]

        return _NUMBERED.sub(text_of, pattern)

    def same_name(self, pattern: str) -> int:
        """How many URLs get each of the names that `named` makes, as far as numbers in it tell."""
        used = {int(number) for number in _NUMBERED.findall(pattern)}
        return math.prod(len(part) for at, part in enumerate(self._parts[1::2], 1) if at not in used)

    def _texts(self, place: int) -> list[str]:
        if not 0 <= place < self.count:
            raise IndexError(place)
        texts: list[str] = []
        for part in reversed(self._parts):
            place, at = divmod(place, len(part))
            texts.append(part[at])
        return texts[::-1]

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(self.count))


def parse_glob(text: str) -> UrlGlob:
    r"""Read a URL with globs. An IPv6 address in brackets is none; `\` takes the meaning from a bracket or brace.

    Raises GlobError, with the place, for ranges that run backwards, whose step does not fit, or that have no end.
    """
    parts: list[_Part] = []
    literal = ""
    count = 1
    closing = _closing_braces(text)
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in tuple(_SPECIAL):
            literal += text[at + 1]
            at += 2
            continue
        end = plain.end() if (plain := _PLAIN.match(text, at)) else at + 1
        part = None
        if char == "[":
            part, end = _range(text, at)
        elif char == "{":
            part, end = _set(text, at, closing)
        if part is None:
            literal += text[at:end]
        else:
            parts += [(literal,), part]
            literal = ""
            count *= len(part)
            if count > _MOST_URLS:
                raise GlobError("more URLs than can be counted", at)
        at = end
    return UrlGlob(text, (*parts, (literal,)))


def escape_glob(text: str) -> str:
    """The text with nothing in it that `parse_glob` would take for a glob."""
    return re.sub(r"[\[\]{}]", r"\\\g<0>", text)


def _range(text: str, at: int) -> tuple[_Part | None, int]:
    """The range that starts here and its end, or None and the end of what is none."""
    end = text.find("]", at, at + _LONGEST_RANGE)
    inner = text[at + 1 : end]
    if end >= 0 and (match := _NUMBERS.fullmatch(inner)):
        first, last, step = match.groups(default="1")
        if max(map(len, match.groups(default="1"))) > _MOST_DIGITS:
            raise GlobError("too many digits in the range", at)
        padded = len(first) if first.startswith("0") else 1
        return _Range(_values(int(first), int(last), int(step), at), padded), end + 1
    if end >= 0 and (match := _LETTERS.fullmatch(inner)):
        first, last, step = match.groups(default="1")
        if first.isupper() != last.isupper() or len(step) > 2:
            raise GlobError("invalid range of letters", at)
        return _Range(_values(ord(first), ord(last), int(step), at), 0), end + 1
    return None, at + 1


def _values(first: int, last: int, step: int, at: int) -> range:
    if first > last:
        raise GlobError("the range runs backwards", at)
    if step < 1 or (step > last - first and (step, last) != (1, first)):
        raise GlobError("the step does not fit the range", at)
    return range(first, last + 1, step)


def _closing_braces(text: str) -> dict[int, int]:
    """Where each brace that is closed is closed."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for brace in re.finditer(r"\\.|[{}]", text, re.DOTALL) if "{" in text else ():
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            closing[opened.pop()] = brace.start()
    return closing


def _set(text: str, start: int, closing: dict[int, int]) -> tuple[_Part | None, int]:
    """The set that starts here and its end, or None and the end of what is none: all of it where braces or brackets are
    within, as in JSON."""
    end = closing.get(start)
    if end is None:
        return None, start + 1
    inner = text[start + 1 : end]
    if not inner or re.search(r"[\[\]{}]", re.sub(r"\\.", "", inner, flags=re.DOTALL)):
        return None, end + 1
    choices = [""]
    for piece in re.findall(r"\\.|[^,\\]+|[,\\]", inner, re.DOTALL):
        if piece == ",":
            choices.append("")
        else:
            choices[-1] += piece[1:] if len(piece) > 1 and piece[0] == "\\" else piece
    return tuple(choices), end + 1
