"""Results of earlier sittings of a run, written once more: what was not delivered, and all of them into reports."""

from __future__ import annotations

import bisect
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.outputs.accounts import Account
from fetch_engine.store.delivery import Ranges
from fetch_engine.store.place import StoreError
from fetch_engine.store.reader import Reader, StoredResult
from tui.run.delivery import OutputFailed

PAGE = 200
Page = list[tuple[Account, bool]]
Pages = Generator[Page, None, None]
_UNREADABLE = FetchError(ErrorKind.STORAGE, "this result could not be read back from the store")


@dataclass(slots=True)
class Again:
    """output: places that standard output lacks. all: places of all results that there are. unknown: accounts of this
    sitting, of requests that may have been sent and must not be sent twice."""

    path: Path | None = None
    run: int = 0
    output: Ranges = ()
    all: Ranges = ()
    unknown: list[Account] = field(default_factory=list)

    def pages(self, *, for_reports: bool) -> Pages:
        """Page by page, each account with whether standard output lacks it. Blocks on the disk.

        Raises StoreError.
        """
        ranges = self.all if for_reports else self.output
        if self.path is None or not ranges:
            return
        with Reader(self.path, any_thread=True) as reader:
            for first, end in ranges:
                for start in range(first, end, PAGE):
                    stop = min(start + PAGE, end)
                    found = {result.place: result for result in reader.results(self.run, start, stop - start)}
                    yield [(_account(found.get(place)), self._is_lacking(place)) for place in range(start, stop)]

    async def next_page(self, pages: Pages) -> Page:
        """The next of these pages, read in another thread; empty at the end. Raises OutputFailed."""
        try:
            return await anyio.to_thread.run_sync(next, pages, [])
        except StoreError as error:
            raise OutputFailed(0, str(error)) from None

    def _is_lacking(self, place: int) -> bool:
        at = bisect.bisect_right(self.output, place, key=lambda pair: pair[0]) - 1
        return at >= 0 and place < self.output[at][1]


def _account(result: StoredResult | None) -> Account:
    if result is None:
        return Account(FetchRequest(""), _UNREADABLE, resumed=True)
    return Account(result.request, result.outcome, result.finished, resumed=True)
