"""Which outcomes make a run fail."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fetch_engine.model.results import ErrorKind, FetchError, FetchResult

DEFAULT = "4xx,5xx,errors"
_CLASS = re.compile(r"([1-5])xx")
_STATUSES = re.compile(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?")


@dataclass(frozen=True, slots=True)
class FailOn:
    """Statuses and kinds of failure that count as failed."""

    statuses: frozenset[int]
    kinds: frozenset[ErrorKind]

    @classmethod
    def parse(cls, text: str) -> FailOn:
        """Read a list as `4xx,503,600-699,errors`.

        `none` is the empty list; `errors` every kind of failure; a kind, or the word before its hyphens (`timeout`),
        those of that name. 5xx has the statuses from 600 up too, as RFC 9110 section 15 has a client take them.
        Raises ValueError.
        """
        statuses: set[int] = set()
        kinds: set[ErrorKind] = set()
        words = [word.strip() for word in text.lower().split(",")]
        for word in words if words != ["none"] else []:
            if match := _CLASS.fullmatch(word):
                first = int(match[1]) * 100
                statuses |= set(range(first, 1000 if first == 500 else first + 100))
            elif match := _STATUSES.fullmatch(word):
                statuses |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
            else:
                kinds |= _kinds(word)
        return cls(frozenset(statuses), frozenset(kinds))

    def fails(self, outcome: FetchResult | FetchError) -> bool:
        """Whether this outcome is one of them."""
        if isinstance(outcome, FetchError):
            return outcome.kind in self.kinds
        return outcome.status in self.statuses


def _kinds(word: str) -> set[ErrorKind]:
    named = {kind for kind in ErrorKind if word in ("errors", kind) or kind.startswith(f"{word}-")}
    if not word or not named:
        raise ValueError(
            f"unknown outcome {word!r}: expected a status, a class (4xx), a kind of error (timeout), errors or none"
        )
    return named
