"""Runs lints over facts again and again, so that nothing is told before it has lasted and nothing flickers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

LINGER = 3.0  # seconds that a warning stays after its reason has gone


class Identified(Protocol):
    """Facts about one thing, told from others of its kind by a number."""

    @property
    def id(self) -> int: ...


F = TypeVar("F", bound=Identified)


class Lint(Generic[F]):
    """One thing worth a warning. Subclasses say when, in words for one row, and in words for all that it concerns.

    is_bug: whether it can only come from a fault of this program. grace: seconds for which `check` must hold again and
    again before it counts.
    """

    is_bug: ClassVar[bool] = False
    grace: float = 1.0

    def check(self, facts: F) -> bool:
        """Whether there is something to warn of, at this moment."""
        raise NotImplementedError

    def format(self, facts: F) -> str:
        """What is wrong with this one, with the measured value."""
        raise NotImplementedError

    def summary(self, found: Sequence[F]) -> str:
        """What is wrong with these, of which there is at least one, with the threshold."""
        raise NotImplementedError


class _Case(Generic[F]):
    """A lint that held for a thing: since when, when last and with which facts."""

    __slots__ = ("facts", "last", "since", "told")

    def __init__(self, facts: F, now: float) -> None:
        self.facts = facts
        self.since = self.last = now
        self.told = False


class Linter(Generic[F]):
    """Applies lints to all facts of one kind. `linger`: seconds a warning stays after its reason has gone.

    What is no longer among the facts is forgotten at once.
    """

    def __init__(self, lints: Sequence[Lint[F]], linger: float = LINGER) -> None:
        self.lints = tuple(lints)
        self._linger = linger
        self._cases: dict[int, dict[Lint[F], _Case[F]]] = {}

    def run(self, all_facts: Iterable[F], now: float) -> None:
        """Look at all there is. now: seconds of any clock that only goes forward."""
        before, self._cases = self._cases, {}
        for facts in all_facts:
            known = before.get(facts.id)
            for lint in self.lints:
                if lint.check(facts):
                    case = known.get(lint) if known else None
                    if case is None:
                        case = _Case(facts, now)
                    case.facts, case.last = facts, now
                    case.told = case.told or now - case.since >= lint.grace
                elif known and (case := known.get(lint)) is not None:
                    if not case.told or now - case.last >= self._linger:
                        continue
                else:
                    continue
                self._cases.setdefault(facts.id, {})[lint] = case

    def forget(self) -> None:
        """There is nothing left to look at."""
        self._cases.clear()

    def warnings(self, key: int) -> tuple[str, ...]:
        """What to warn of about this one."""
        cases = self._cases.get(key)
        return tuple(lint.format(case.facts) for lint, case in cases.items() if case.told) if cases else ()

    def summaries(self, *, bugs: bool) -> list[str]:
        """A line for each lint that has something to tell: those that mean a bug, or the others."""
        lines = []
        for lint in self.lints:
            if lint.is_bug is bugs:
                told = (cases[lint] for cases in self._cases.values() if lint in cases)
                found = [case.facts for case in told if case.told]
                if found:
                    lines.append(lint.summary(found))
        return lines


def at_once(lints: Iterable[Lint[F]], facts: F) -> tuple[str, ...]:
    """What to warn of about facts that will not change any more."""
    return tuple(lint.format(facts) for lint in lints if lint.check(facts))
