"""What every output format takes and gives: one account for each fetch in, bytes out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import FetchError, FetchResult


@dataclass(frozen=True, slots=True)
class Account:
    """One fetch that has ended: what was asked for, what came of it, and when it ended (seconds since the epoch).

    resumed: that was in an earlier time that the run was worked at.
    """

    request: FetchRequest
    outcome: FetchResult | FetchError
    ended: float = 0.0
    resumed: bool = False


class Format(Protocol):
    """A way to write a run down: `begin` once, `add` for each fetch in order of completion, `end` once.

    The pieces one after the other are a whole document, also where the run was cut short. `add` and `end` may raise
    OSError where a format needs the disk.
    """

    def begin(self) -> bytes:
        """What comes before the first fetch."""

    def add(self, account: Account) -> bytes:
        """One more fetch."""

    def end(self) -> Iterable[bytes]:
        """What comes after the last one."""

    def close(self) -> None:
        """Let go of what it holds, whether or not `end` was asked for."""


def plain(text: str) -> str:
    """The text with control, format, surrogate and other unprintable characters as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


_SURROGATES = re.compile(r"[\ud800-\udfff]")


def unicode_only(value: Any) -> Any:
    """The JSON value with U+FFFD for each lone surrogate: what was no UTF-8, which strict parsers refuse (RFC 8259)."""
    match value:
        case str():
            return _SURROGATES.sub("\ufffd", value)
        case dict():
            return {unicode_only(key): unicode_only(each) for key, each in value.items()}
        case list() | tuple():
            return [unicode_only(each) for each in value]
    return value


def milliseconds(seconds: float) -> float:
    """Rounded to the microsecond."""
    return round(seconds * 1000, 3)
