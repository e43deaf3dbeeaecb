"""Finding text in a document: all matches counted, beside the loop; those on screen found again for their cells."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from tui.screen.body.pace import Pace

MAX_MATCHES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Matches in order. lines: the line of each, by place. more: there are more than MAX_MATCHES."""

    wanted: re.Pattern[str]
    text: str
    lines: array[int]
    more: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def first_from(self, line: int) -> int:
        """The first match at `line` or below it, or 0."""
        at = bisect_left(self.lines, line)
        return at if at < len(self.lines) else 0


def pattern_of(text: str) -> re.Pattern[str]:
    """What finds `text` as it is; capitals count only where it has some."""
    return re.compile(re.escape(text), 0 if any(map(str.isupper, text)) else re.IGNORECASE)


def find(text: str, count: int, line: Callable[[int], str], pace: Pace) -> Found:
    """All matches of `text` in `count` lines."""
    wanted = pattern_of(text)
    lines = array("L")
    for at in pace.over(range(count)):
        for _ in wanted.finditer(line(at)):
            if len(lines) == MAX_MATCHES:
                return Found(wanted, text, lines, more=True)
            lines.append(at)
    return Found(wanted, text, lines)
