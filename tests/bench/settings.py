"""How long a bench may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """rounds: turns each contender gets. quick: smaller amounts, figures of less worth. with_posting: install it.

    million: measure what takes long too. alone: leave out the other programs where a bench allows it.
    """

    rounds: int
    quick: bool
    with_posting: bool = False
    million: bool = False
    alone: bool = False

    def pick(self, full: T, quick: T) -> T:
        """The amount for this run."""
        return quick if self.quick else full
