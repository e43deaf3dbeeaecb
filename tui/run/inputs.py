"""All requests of a run in order: those left over from before, those given, and those its lists bring."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fetch_engine.curl.globbing import UrlGlob
from fetch_engine.model.redaction import masked_url
from fetch_engine.model.requests import FetchRequest
from tui.inputs.sources import UrlSource, is_url
from tui.run.engine_options import with_line
from tui.run.journal import Journal


class GlobSource:
    """The URLs of a glob from the place `first` on, as a list that is read."""

    error: str | None = None

    def __init__(self, glob: UrlGlob, first: int) -> None:
        self._glob = glob
        self._next = first

    async def __anext__(self) -> str:
        if self._next >= self._glob.count:
            raise StopAsyncIteration
        self._next += 1
        return self._glob[self._next - 1]

    def count(self, tell: Callable[[int], object]) -> None:
        """Tell how many URLs it has left."""
        tell(self._glob.count - self._next)

    def close(self) -> None:
        """Give nothing any more."""
        self._next = self._glob.count


@dataclass(slots=True)
class UrlList:
    """A list of URLs to read. index: among the run's inputs. make_request: of each of its URLs.

    taken: URLs that an earlier time has taken from it; again: of those, by position, the requests that are still to be
    made, for which only the list has the whole URL. count: how many URLs it has in all, None where that is not known.
    """

    source: UrlSource | GlobSource
    index: int
    make_request: Callable[[str], FetchRequest]
    taken: int = 0
    again: dict[int, FetchRequest] = field(default_factory=dict)
    count: int | None = None


class RunInputs:
    """An async iterator of requests, each written down before it is given. It owns the descriptors of its lists.

    error: why a list could not be read to its end, if so.
    """

    def __init__(self, first: Iterable[FetchRequest], lists: Sequence[UrlList], journal: Journal) -> None:
        self._first = deque(first)
        self._lists = deque(lists)
        self._journal = journal
        self._position = 0
        self._withdrawn = False
        self.error: str | None = None
        for each in lists:
            each.source.count(partial(self._counted, each))

    def __aiter__(self) -> AsyncIterator[FetchRequest]:
        return self

    async def __anext__(self) -> FetchRequest:
        await self._journal.room()
        if self._first:
            return self._first.popleft()
        while self._lists:
            each = self._lists[0]
            try:
                url = await anext(each.source)
            except StopAsyncIteration:
                self._end_list(each)
                continue
            if self._withdrawn:
                break
            position, self._position = self._position, self._position + 1
            if position >= each.taken:
                return self._journal.requested(each.make_request(url), input=each.index)
            if position in each.again:
                return with_line(replace(each.again[position], url=str(url)), url)
        self._journal.complete = self.error is None
        raise StopAsyncIteration

    @property
    def left(self) -> int:
        """How many are still to be given, as far as that is known."""
        lists = list(self._lists)
        count = len(self._first)
        for each, position in zip(lists, (self._position, *[0] * len(lists)), strict=False):
            count += sum(place >= position for place in each.again)
            count += max(0, (each.count or 0) - max(each.taken, position))
        return count

    @property
    def has_more(self) -> bool:
        """Whether there is a list of which it is not known how many URLs it has."""
        return any(each.count is None for each in self._lists)

    def withdraw(self) -> None:
        """Nothing more of it is wanted, now or when the run goes on. What is being read is closed by `close`."""
        self._withdrawn = True
        self._first.clear()
        for each in self._lists:
            self._journal.ended_input(each.index)
            each.count = each.taken = 0
            each.again.clear()
        self._journal.complete = self.error is None

    def close(self) -> None:
        """Give nothing any more."""
        self._first.clear()
        while self._lists:
            self._lists.popleft().source.close()

    def _counted(self, counted: UrlList, count: int) -> None:
        counted.count = count
        if isinstance(counted.source, UrlSource):  # that of a glob is known to the journal
            self._journal.counted_input(counted.index, count)

    def _end_list(self, ended: UrlList) -> None:
        self._lists.popleft()
        if ended.source.error is not None:
            self.error = ended.source.error
            self.close()
        elif not self._withdrawn:
            self._counted(ended, max(self._position, ended.taken))
        self._position = 0


def described(name: str, descriptor: int) -> dict[str, Any]:
    """A list as the store knows it, by its URL or path.

    Without one where it can be read only once, as a pipe, or where its URL has secrets, which are not stored.
    """
    if is_url(name):
        return {"path": name if masked_url(name) == name else None, "size": 0, "modified": 0.0}
    status = os.fstat(descriptor)
    if name == "-" or not stat.S_ISREG(status.st_mode):
        return {"path": None}
    return {"path": os.path.abspath(name), "size": status.st_size, "modified": status.st_mtime}
