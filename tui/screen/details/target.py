"""What details are about, and one tab of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fetch_engine.model.results import FetchError, FetchResult
from tui.bridge.snapshot import ActiveRow, FinishedRecord, HeldRow
from tui.text.spans import Line
from tui.widgets.pages import Lines, Page

Outcome = FetchResult | FetchError


@dataclass(frozen=True, slots=True)
class DetailsTarget:
    """What details are asked of: a row, and the record of its fetch where there is one.

    trimmed: the record lost its headers and most of its body. held: its handle, where it was alive at that time.
    """

    row: FinishedRecord | ActiveRow | HeldRow
    record: FinishedRecord | None = None
    trimmed: bool = False
    held: HeldRow | None = None

    @property
    def result(self) -> FetchResult | None:
        """The response, if there is one."""
        outcome = self.record.outcome if self.record is not None else None
        return outcome if isinstance(outcome, FetchResult) else None


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One tab: its name and what stands in it."""

    name: str
    page: Page

    def lines(self, width: int) -> list[Line]:
        """All of its lines, wrapped to a width in cells."""
        return [row for at in range(self.page.count(width)) for row in self.page.rows(at, width)]


def section(name: str, make: Callable[[int], list[Line]]) -> Section:
    """A tab of a few lines, which `make` makes for a width in cells."""
    return Section(name, Lines(make))
