"""What filters and sorts ask of the rows of each pane."""

from __future__ import annotations

import re
from typing import TypeAlias

from fetch_engine.model.results import FetchResult
from tui.bridge.snapshot import ActiveRow, FinishedRecord, HeldRow
from tui.rows.describe import outcome_code, row_state, shown_url
from tui.rows.finished_store import GLIMPSE
from tui.rows.row_filter import Facts

Row: TypeAlias = ActiveRow | FinishedRecord | HeldRow

_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?([^/?#]*)")


def facts_of(row: Row) -> Facts:
    """What a filter asks of this row."""
    if isinstance(row, FinishedRecord):
        return _Done(row)
    return _Active(row) if isinstance(row, ActiveRow) else _Held(row)


def host(url: str) -> str:
    """Host and port of a URL as it was given, in lower case."""
    found = _AUTHORITY.match(url)
    return found[1].rpartition("@")[2].lower() if found else ""


def url_order(row: Row) -> str:
    """By what rows are sorted by URL: as it is shown."""
    return shown_url(row.url).removeprefix("https://").removeprefix("http://")


def preview_order(record: FinishedRecord) -> bytes:
    """By what ended fetches are sorted by what came out: the beginning of the body, or the error."""
    outcome = record.outcome
    if isinstance(outcome, FetchResult):
        return outcome.preview[:GLIMPSE]
    return f"{outcome.kind}: {outcome.message}".encode(errors="replace")[:GLIMPSE]


class _Active:
    code = type = error = ""

    def __init__(self, row: ActiveRow) -> None:
        self._row = row
        self.size, self.time, self.warnings = row.body_size, row.age, row.warnings

    @property
    def text(self) -> str:
        return shown_url(self._row.url).lower()

    @property
    def state(self) -> str:
        return row_state(self._row)[0]

    @property
    def host(self) -> str:
        return host(self._row.url)


class _Done:
    def __init__(self, row: FinishedRecord) -> None:
        self._row = row
        self._outcome = row.outcome
        self.size, self.time, self.warnings = row.outcome.body_size, row.outcome.elapsed, row.warnings

    @property
    def text(self) -> str:
        url = shown_url(self._row.url)
        outcome = self._outcome
        if not isinstance(outcome, FetchResult):
            return f"{url}\n{outcome.kind}: {outcome.message}".lower()
        # what is kept of every body, so that a row passes or not whether it was trimmed or not
        return f"{url}\n{outcome.preview[:GLIMPSE].decode(errors='replace')}".lower()

    @property
    def code(self) -> str:
        return outcome_code(self._outcome)[0].lower()

    @property
    def state(self) -> str:
        return "DONE" if isinstance(self._outcome, FetchResult) else outcome_code(self._outcome)[0]

    @property
    def host(self) -> str:
        return host(self._row.url)

    @property
    def type(self) -> str:
        return self._outcome.content_type.lower() if isinstance(self._outcome, FetchResult) else ""

    @property
    def error(self) -> str:
        outcome = self._outcome
        return "" if isinstance(outcome, FetchResult) else f"{outcome.kind}: {outcome.message}".lower()


class _Held:
    type = error = ""
    size = 0

    def __init__(self, row: HeldRow) -> None:
        self._row = row
        self.time, self.warnings = row.held, row.warnings

    @property
    def text(self) -> str:
        return "\n".join((shown_url(self._row.url), *self._row.by)).lower()

    @property
    def code(self) -> str:
        return self._row.code.lower()

    @property
    def state(self) -> str:
        return "DONE" if self._row.code.isdigit() else self._row.code

    @property
    def host(self) -> str:
        return host(self._row.url)
