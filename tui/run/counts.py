"""What fetches came to, by class: one count for the header, the report and the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from fetch_engine.model.results import ErrorKind, FetchError, FetchResult
from tui.text.plain_text import duration

if TYPE_CHECKING:
    from fetch_engine.outputs.fail_on import FailOn

_CLASSES = {1: 0, 2: 0, 3: 1, 4: 2}  # by the first digit of the status; 5 and above are one (RFC 9110, section 15)
_BAD, _FAILED, _CANCELLED = 3, 4, 5


@dataclass(frozen=True, slots=True)
class Counts:
    """Ended fetches. succeeded: 1xx and 2xx; redirected: 3xx; refused: 4xx; broken: 5xx; failed: without a response."""

    succeeded: int = 0
    redirected: int = 0
    refused: int = 0
    broken: int = 0
    failed: int = 0
    cancelled: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def ok(self) -> int:
        """Responses below 400."""
        return self.succeeded + self.redirected

    @property
    def responded(self) -> int:
        """Fetches that got a response."""
        return self.ok + self.refused + self.broken

    @property
    def not_ok(self) -> int:
        """All that are neither ok nor cancelled."""
        return self.refused + self.broken + self.failed

    @property
    def ended(self) -> int:
        """All of them."""
        return self.ok + self.not_ok + self.cancelled

    def as_text(self, seconds: float, left: int = 0) -> str:
        """A sentence for a person. left: what was asked for and has not ended."""
        cancelled = f", {self.cancelled:,} cancelled" if self.cancelled else ""
        undone = f", {left:,} not done" if left else ""
        return f"{self.ok:,} ok, {self.not_ok:,} failed{cancelled}{undone} in {spelled(seconds)}"


def counted(tally: Iterable[tuple[int | None, str | None, int]]) -> Counts:
    """The counts of a tally by status or kind of error."""
    numbers = [0] * 6
    for status, kind, count in tally:
        numbers[_class(status, kind)] += count
    return Counts(*numbers)


def _class(status: int | None, kind: str | None) -> int:
    if kind is None and status is not None:
        return _CLASSES.get(status // 100, _BAD)
    return _CANCELLED if kind == ErrorKind.CANCELLED else _FAILED


def fetches(count: int) -> str:
    """`1 fetch`, `2,700 fetches`."""
    return f"{count:,} fetch{'' if count == 1 else 'es'}"


def spelled(seconds: float) -> str:
    """A time for a sentence: `0.4 s`, `18 s`, then as `duration` has it."""
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s" if seconds < 59.5 else duration(seconds)


NONE = Counts()


class Counting:
    """Counts outcomes as they come. failing: how many of them make the run fail."""

    __slots__ = ("_fail_on", "_numbers", "failing")

    def __init__(self, fail_on: FailOn) -> None:
        self._fail_on = fail_on
        self._numbers = [0] * 6
        self.failing = 0

    def add(self, outcome: FetchResult | FetchError) -> bool:
        """Count one; whether it makes the run fail."""
        at = _class(outcome.status, None) if isinstance(outcome, FetchResult) else _class(None, outcome.kind)
        self._numbers[at] += 1
        fails = self._fail_on.fails(outcome)
        self.failing += fails
        return fails

    @property
    def counts(self) -> Counts:
        """What there is by now."""
        return Counts(*self._numbers)
