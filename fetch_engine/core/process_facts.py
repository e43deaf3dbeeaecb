"""What is known of the child processes, as copies."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class FarFacts:
    """The ledger and the shared session of a far end. opened, closed, alive: handles."""

    opened: int = 0
    closed: int = 0
    alive: int = 0
    leases: int = 0
    sessions_opened: int = 0
    sessions_closed: int = 0
    connections: int = 0

    def plus(self, other: FarFacts) -> FarFacts:
        """The sum."""
        pairs = ((getattr(self, each.name), getattr(other, each.name)) for each in fields(self))
        return FarFacts(*(a + b for a, b in pairs))

    def after_death(self) -> FarFacts:
        """The same when its process has ended: nothing there is alive."""
        return FarFacts(self.opened, self.opened, 0, 0, self.sessions_opened, self.sessions_opened)


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """Child processes, and what is there. started, ended: processes; lost: of those, by no word of ours. rerun: fetches
    that were sent a second time because of that. there: the sum of what the children tell of themselves."""

    started: int
    ended: int
    lost: int
    rerun: int
    there: FarFacts

    @property
    def all_ended(self) -> bool:
        """Whether no process is left, and nothing was open in them in the end."""
        there = self.there
        ended = there.alive == there.leases == 0 and there.sessions_opened == there.sessions_closed
        return ended and self.started == self.ended
