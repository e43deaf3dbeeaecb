"""The filter of a pane: words that a row must all satisfy, as `host:example code:5xx !timeout`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tui.text.plain_text import safe

STATES = ("QUE", "CONN", "SEND", "WAIT", "RECV", "DONE", "ERR", "CXL")


class Facts(Protocol):
    """What a filter asks of a row. Texts are in lower case, "" where the row has none."""

    @property
    def text(self) -> str:
        """What is searched by words without a field."""

    @property
    def code(self) -> str:
        """The status, "err", "cxl", or "" where there is none yet."""

    @property
    def state(self) -> str:
        """One of STATES."""

    @property
    def host(self) -> str:
        """Host and port."""

    @property
    def type(self) -> str:
        """The content type."""

    @property
    def size(self) -> float:
        """Bytes of body."""

    @property
    def time(self) -> float:
        """Seconds since submit, or that it took."""

    @property
    def error(self) -> str:
        """Kind and message of the failure."""

    @property
    def warnings(self) -> Sequence[str]:
        """What is odd about it."""


Test = Callable[[Facts], bool]

_TERM = re.compile(r"""(?P<no>!*)(?P<body>(?:"[^"]*"?|[^\s"])+)""")
_COMPARISON = re.compile(r"(>=|<=|>|<|=)(\d+(?:\.\d*)?|\.\d+)([a-z]*)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}
_SIZES = {"": 1, "b": 1, "k": 1024, "kb": 1024, "m": 1024**2, "mb": 1024**2, "g": 1024**3, "gb": 1024**3}
_TIMES = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}
_CODE = re.compile(r"[1-5][0-9x]{0,2}")


@dataclass(frozen=True, slots=True)
class RowFilter:
    """text: as typed. A row passes that satisfies every test; without tests every row does."""

    text: str = ""
    tests: tuple[Test, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tests)

    def accepts(self, facts: Facts) -> bool:
        """Whether the row passes."""
        return all(test(facts) for test in self.tests)


def parse(text: str) -> RowFilter:
    """The filter that was typed. Raises ValueError that names the word that cannot be understood.

    Words are separated by blanks, double quotes keep blanks in a word, `!` negates it. `code:`, `state:`, `host:`,
    `type:`, `size:`, `time:`, `error:` and `warn:` ask for one thing; any other word is searched in the row's text.
    """
    text = text.strip()
    return RowFilter(text, tuple(_test(found["no"], found["body"]) for found in _TERM.finditer(text)))


def _test(no: str, body: str) -> Test:
    name, colon, rest = body.partition(":")
    make = _FIELDS.get(name.lower()) if colon else None
    try:
        test = make(_unquoted(rest)) if make is not None else _text(_unquoted(body))
    except ValueError as error:
        raise ValueError(f"{safe(no + body, 40)}: {error}") from None
    if len(no) % 2:
        return lambda facts: not test(facts)
    return test


def _unquoted(word: str) -> str:
    return word.replace('"', "").lower()


def _text(word: str) -> Test:
    return lambda facts: word in facts.text


def _host(word: str) -> Test:
    return lambda facts: word in facts.host


def _type(word: str) -> Test:
    return lambda facts: word in facts.type


def _error(word: str) -> Test:
    return lambda facts: bool(facts.error) and word in facts.error


def _warn(word: str) -> Test:
    return lambda facts: any(word in warning.lower() for warning in facts.warnings)


def _code(word: str) -> Test:
    if word in ("err", "cxl"):
        return lambda facts: facts.code == word
    if _COMPARISON.fullmatch(word):
        compare = _comparison(word, {"": 1}, "")
        return lambda facts: facts.code.isdigit() and compare(int(facts.code))
    if not _CODE.fullmatch(word):
        raise ValueError("want a status as 404 or 5xx, err or cxl")
    pattern = re.compile(word.replace("x", "[0-9]"))
    return lambda facts: pattern.match(facts.code) is not None


def _state(word: str) -> Test:
    wanted = tuple(state for state in STATES if word and state.startswith(word.upper()))
    if not wanted:
        raise ValueError(f"want one of {' '.join(STATES)}")
    return lambda facts: facts.state in wanted


def _size(word: str) -> Test:
    compare = _comparison(word, _SIZES, "want a size as >1M or <=20K")
    return lambda facts: compare(facts.size)


def _time(word: str) -> Test:
    compare = _comparison(word, _TIMES, "want a time as >2s or <50ms")
    return lambda facts: compare(facts.time)


def _comparison(word: str, units: dict[str, float] | dict[str, int], wanted: str) -> Callable[[float], bool]:
    found = _COMPARISON.fullmatch(word)
    if found is None or found[3] not in units:
        raise ValueError(wanted)
    compare, limit = _COMPARE[found[1]], float(found[2]) * units[found[3]]
    return lambda value: compare(value, limit)


_FIELDS: dict[str, Callable[[str], Test]] = {
    "code": _code,
    "state": _state,
    "host": _host,
    "type": _type,
    "size": _size,
    "time": _time,
    "error": _error,
    "warn": _warn,
}
