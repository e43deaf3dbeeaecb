"""The run as it is written down: every request that was asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import anyio

from fetch_engine.curl.globbing import UrlGlob
from fetch_engine.model.redaction import masked_url
from fetch_engine.model.requests import FetchRequest, InputTag, tag_of
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult
from fetch_engine.store.file import RunLocks
from fetch_engine.store.writer import RunWriter
from tui.text.plain_text import safe

FULL_WAIT = 0.02  # seconds between two looks


class Journal:
    """What the engine's side says of each request. Without a writer nothing is kept, and all of it costs nothing.

    complete: whether every list of URLs was read to its end; set by who reads them.
    """

    def __init__(
        self,
        writer: RunWriter | None = None,
        locks: RunLocks | None = None,
        *,
        with_secrets: bool = False,
        problem: str | None = None,
    ) -> None:
        self._writer = writer
        self._locks = locks
        self._with_secrets = with_secrets
        self._problem = problem  # for which there is no writer
        self._outstanding: set[int] = set()
        self._globs: list[int] = []
        self._count = 0  # of requests, where no writer numbers them
        self.complete = False

    def start(self) -> None:
        """Begin to write, first of all what was noted by now."""
        if self._writer is not None:
            self._writer.start()

    @property
    def has_room(self) -> bool:
        """Whether more requests may be asked for."""
        return self._writer is None or self._writer.has_room

    async def room(self) -> None:
        """Wait until there is room. Seldom: the disk is faster than the network."""
        while not self.has_room:  # noqa: ASYNC110 - an event would have the writer's thread know the loop
            await anyio.sleep(FULL_WAIT)

    @property
    def is_kept(self) -> bool:
        """Whether there is anything to read back."""
        return self._writer is not None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with what is kept, and why nothing is any more; nothing while all is well."""
        writer = self._writer
        problem, notice = (self._problem, None) if writer is None else (writer.problem, writer.notice)
        told = (None if problem is None else f"not saved any further: {problem}", notice)
        return tuple(safe(line) for line in told if line is not None)

    @property
    def run(self) -> int | None:
        """The id of the run, once it has one."""
        return None if self._writer is None else self._writer.run

    def requested(self, request: FetchRequest, *, input: int | None = None) -> FetchRequest:
        """A request is to be made; gives it with its place in the run. input: the list that it was read from."""
        if self._writer is None:
            self._count += 1
            return replace(request, tag=InputTag(self._count, tag_of(request).id))
        stored = self._writer.requested(request, input=input)
        self._outstanding.add(stored.number)
        return stored

    def all_requested(self, requests: Iterable[FetchRequest]) -> Iterable[FetchRequest]:
        """As `requested` for each, all of them written down before the first is made."""
        made = map(self.requested, requests)
        return made if self._writer is None else list(made)

    def glob_requested(self, glob: UrlGlob, template: FetchRequest) -> Iterator[FetchRequest]:
        """A request like `template` for each URL of the glob, written down as they are taken, the glob at once."""
        index = None
        if self._writer is not None:
            text = masked_url(glob.text) if not self._with_secrets else glob.text
            index = self._writer.added_input({"glob": text, "masked": text != glob.text, "count": glob.count}, template)
            self._globs.append(index)
        return (self.requested(replace(template, url=url), input=index) for url in glob)

    def counted_input(self, index: int, count: int) -> None:
        """The list with this index has so many URLs in all. May be called from any thread."""
        if self._writer is not None:
            self._writer.note_input(index, {"count": count})

    def ended_input(self, index: int) -> None:
        """Nothing more of this list is wanted."""
        if self._writer is not None:
            self._writer.note_input(index, {"ended": True})

    def resumed(self, number: int) -> None:
        """A request of an earlier time is still to be made."""
        self._outstanding.add(number)

    def finished(
        self,
        request: FetchRequest,
        fetch: int,
        outcome: FetchResult | FetchError,
        at: float,
        notes: Sequence[str] = (),
    ) -> None:
        """It has come to an end. fetch: its id in the engine. at: time.time(). notes: what was odd about it."""
        number = getattr(request, "number", -1)
        if self._writer is not None and number >= 0:
            if not (isinstance(outcome, FetchError) and outcome.kind is ErrorKind.HOST_BUSY):  # to be made later
                self._outstanding.discard(number)
            self._writer.finished(number, fetch, outcome, at, notes)

    def announce(self, request: FetchRequest, go: Callable[[], object]) -> None:
        """It is about to be sent, and must not be sent twice; `go` is called, in any thread, when that is saved."""
        number = getattr(request, "number", -1)
        if self._writer is None or number < 0:
            go()
        else:
            self._writer.sent(number, go)

    def delivered(self, lines: int, end: int) -> None:
        """So many lines of results have been written out, as in `Sitting`."""
        if self._writer is not None:
            self._writer.delivered(lines, end)

    def tell_saved(self, listener: Callable[[int], object]) -> None:
        """As `RunWriter.tell_saved`."""
        if self._writer is not None:
            self._writer.tell_saved(listener)

    def settle(self, limit: float = 5.0) -> None:
        """Wait until what was written down by now is saved, or cannot be. Blocks, for so many seconds at most."""
        if self._writer is not None:
            self._writer.settle(limit)

    def hurry(self) -> None:
        """Save at once what there is."""
        if self._writer is not None:
            self._writer.hurry()

    def withdraw_all_but(self, running: Iterable[FetchRequest]) -> None:
        """Of what is outstanding, and of the globs, nothing but these is still wanted."""
        if self._writer is not None:
            kept = {getattr(request, "number", -1) for request in running}
            gone = self._outstanding - kept
            self._outstanding -= gone
            self._writer.withdrawn(sorted(gone))
            while self._globs:
                self.ended_input(self._globs.pop())

    def close(self) -> bool:
        """Write the rest. False if the disk did not take it in time."""
        if self._writer is None:
            return True
        in_time = self._writer.close(complete=self.complete and not self._outstanding)
        if in_time and self._locks is not None:
            self._locks.close()
        return in_time
