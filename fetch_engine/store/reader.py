"""The history of runs, as it is read: which there were, what they had finished, and what is left to do.

Written by `store_writer`. Every value comes back as the frozen record it was; secrets were masked on the way in.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from fetch_engine.model.requests import InputTag
from fetch_engine.model.results import ErrorKind
from fetch_engine.store.delivery import Ranges, Sitting, as_ranges
from fetch_engine.store.file import connect_to_read
from fetch_engine.store.place import DamagedStore, StoreError, store_error
from fetch_engine.store.rows import to_input, to_options, to_sitting, to_time
from fetch_engine.store.values import (
    UNREADABLE,
    Outcome,
    StoredRequest,
    decode,
    decode_form,
    from_id,
    from_text,
    read_json,
)

UNSENT = str(ErrorKind.HOST_BUSY)  # requests that were not sent, and are not finished for a run that goes on
FORMS = 1000  # kinds of requests that are kept in memory

__all__ = ["Reader", "RunFacts", "StoreError", "StoredResult"]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run. started, ended: seconds since the epoch; ended is None while it runs, and where it was killed.

    complete: nothing was left when it ended.
    done: fetches that got a response, refused: those of them from 400 on. failed: fetches that got none.
    left: requests without a result that are still wanted. unread: URLs of its lists that it has not taken from them,
    as far as that is known; has_more: whether it is not. first_url: "" where nothing was asked for. options: that it
    was given, each with its place and what was given, None for a secret; None where that was not kept. folder: that
    relative paths are to be taken from.
    """

    id: int
    started: float
    ended: float | None
    complete: bool
    arguments: tuple[str, ...]
    inputs: tuple[dict[str, Any], ...]
    done: int
    failed: int
    left: int
    first_url: str
    options: tuple[tuple[str, tuple[str | None, ...]], ...] | None = None
    folder: str = ""
    refused: int = 0
    unread: int = 0
    has_more: bool = False

    @property
    def asked(self) -> int:
        """Requests that were asked for and are wanted."""
        return self.done + self.failed + self.left


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One fetch that ended. place: in the order of the run's results, from 0. fetch: its id in the engine.

    has_body: False where the beginning of the body was let go of to save room.
    """

    place: int
    number: int
    fetch: int
    url: str
    outcome: Outcome
    finished: float
    has_body: bool
    notes: tuple[str, ...]
    request: StoredRequest


class Reader:
    """A connection for reading; of one thread, unless `any_thread`, and then of one at a time.

    Every method raises StoreError where the file cannot be read.
    """

    def __init__(self, path: Path, *, any_thread: bool = False) -> None:
        self._path = path
        self._database = connect_to_read(path, any_thread=any_thread)
        self._forms: dict[int, StoredRequest] = {}
        self.unreadable = 0  # requests that were to be read, and are damaged

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def runs(self, *, newest: int = 1000) -> list[RunFacts]:
        """The runs in the store, newest first, at most so many."""
        ids = self._rows("SELECT id FROM runs ORDER BY id DESC LIMIT ?", newest)
        found = []
        for (run,) in ids:
            with contextlib.suppress(DamagedStore):  # the others can be read
                found += [facts] if (facts := self.run(run)) is not None else []
        return found

    def run(self, run: int) -> RunFacts | None:
        """This run, None if there is none. Raises DamagedStore where what is stored of it makes no sense."""
        rows = self._rows(
            "SELECT started, ended, complete, arguments, inputs, options, folder FROM runs WHERE id = ?", run
        )
        if not rows:
            return None
        started, ended, complete, arguments, inputs, options, folder = rows[0]
        counts = "SELECT COUNT(*), COALESCE(SUM(kind = ?), 0) FROM results WHERE run = ? AND kind IS NOT NULL"
        (without_response, unsent), *_ = self._rows(counts, UNSENT, run)
        done, failed = self.count_results(run) - without_response, without_response - unsent
        (refused,), *_ = self._rows("SELECT COUNT(*) FROM results WHERE run = ? AND status >= 400", run)
        (asked,), *_ = self._rows("SELECT COUNT(*) FROM requests WHERE run = ? AND NOT withdrawn", run)
        first = self._rows("SELECT url FROM requests WHERE run = ? ORDER BY number LIMIT 1", run)
        try:
            return RunFacts(
                run,
                to_time(started),
                None if ended is None else to_time(ended),
                bool(complete),
                tuple(map(str, read_json(arguments, list))),
                tuple(map(to_input, read_json(inputs, list))),
                done,
                failed,
                asked - done - failed,
                from_text(first[0][0]) if first else "",
                to_options(options),
                from_text(folder),
                refused,
                *self._unread(run, inputs, complete=bool(complete)),
            )
        except UNREADABLE as error:
            raise DamagedStore(f"{self._path}: run {run} cannot be read: {error}") from None

    def _unread(self, run: int, inputs: str, *, complete: bool) -> tuple[int, bool]:
        """What its lists still have, and whether there may be more. Raises one of UNREADABLE."""
        counted = self._rows("SELECT input, COUNT(*) FROM requests WHERE run = ? AND input >= 0 GROUP BY input", run)
        taken = dict(counted)
        unread, has_more = 0, False
        for index, source in enumerate(read_json(inputs, list)):
            if complete or source.get("ended"):
                continue
            count = source.get("count")
            has_more |= count is None
            unread += max(0, int(count or 0) - taken.get(index, 0))
        return unread, has_more

    def count_results(self, run: int) -> int:
        """How many results of this run there are."""
        (count,) = self._rows("SELECT COUNT(*) FROM results WHERE run = ?", run)[0]
        return int(count)

    def tally(self, run: int) -> list[tuple[int | None, str | None, int]]:
        """How many results of this run have each status, or kind of error; the other of the two is None."""
        rows = self._rows("SELECT status, kind, COUNT(*) FROM results WHERE run = ? GROUP BY status, kind", run)
        return [(status, kind, count) for status, kind, count in rows if kind is not None or isinstance(status, int)]

    def results(self, run: int, first: int, count: int) -> list[StoredResult]:
        """Results of a run by place: from `first` on, at most `count`. What cannot be read is left out."""
        rows = self._rows(f"{_RESULT} AND results.place >= ? ORDER BY results.place LIMIT ?", run, first, count)
        return [result for row in rows if (result := self._result(row)) is not None]

    def result(self, run: int, place: int) -> StoredResult | None:
        """The result at this place, None if it is not there or cannot be read."""
        found = self.results(run, place, 1)
        return found[0] if found and found[0].place == place else None

    def find(self, run: int, fetch: int) -> StoredResult | None:
        """The newest result of the fetch with this id."""
        rows = self._rows(f"{_RESULT} AND results.fetch = ? ORDER BY results.place DESC LIMIT 1", run, fetch)
        return self._result(rows[0]) if rows else None

    def unfinished(self, run: int) -> Iterator[tuple[StoredRequest, int | None]]:
        """The requests without a result that are still wanted, in order; with each the list it was read from.

        Those that cannot be read are left out, and counted in `unreadable`.
        """
        rows = self._rows(
            "SELECT requests.number, url, masked, form, input, id, sent FROM requests LEFT JOIN results"
            f" ON results.run = requests.run AND results.number = requests.number AND results.kind IS NOT '{UNSENT}'"
            " WHERE requests.run = ? AND NOT withdrawn AND results.number IS NULL ORDER BY requests.number",
            run,
        )
        refused = {number for (number,) in self._rows(_REFUSED, run, UNSENT)}
        for number, url, masked, form, source, name, sent in rows:
            try:
                may_be_sent = bool(sent) and number not in refused
                request = replace(self._request(number, url, masked, form, name), sent=may_be_sent)
            except (*UNREADABLE, StoreError):
                self.unreadable += 1
            else:
                yield request, source

    def _request(self, number: int, url: str | bytes, masked: bool, form: int, name: str | None) -> StoredRequest:
        if form not in self._forms:
            if len(self._forms) >= FORMS:
                self._forms.clear()
            self._forms[form] = self.form(form)
        like = self._forms[form]
        missing = (*(["URL"] if masked else []), *like.missing)
        tag = InputTag(number + 1, from_id(name))
        return replace(like, url=from_text(url), number=number, missing=missing, tag=tag)

    def _result(self, row: tuple[Any, ...]) -> StoredResult | None:
        place, number, fetch, url, masked, form, name, kind, detail, preview, finished, notes = row
        try:
            outcome = decode(kind, detail, preview)
            request = self._request(number, url, masked, form, name)
            return StoredResult(
                place,
                number,
                int(fetch),
                request.url,
                outcome,
                to_time(finished),
                has_body=preview is not None or kind is not None,
                notes=tuple(map(str, read_json(notes, list))) if notes else (),
                request=request,
            )
        except (*UNREADABLE, StoreError):
            return None

    def sittings(self, run: int) -> list[Sitting]:
        """The times that it was worked at, in order; of one from before they were kept, all is taken for delivered."""
        rows = self._rows(
            'SELECT number, first_place, again, on_screen, file, written, "end" FROM sittings WHERE run = ?'
            " ORDER BY number",
            run,
        )
        try:
            found = [to_sitting(row) for row in rows]
        except UNREADABLE as error:
            raise DamagedStore(f"{self._path}: run {run} cannot be read: {error}") from None
        before = found[0].first_place if found else self.next_numbers(run)[1]
        return [Sitting(-1, 0, on_screen=True), *found] if before else found

    def finished_places(self, run: int, ranges: Ranges) -> Ranges:
        """Of these places those with the result of a request that was sent."""
        query = "SELECT place FROM results WHERE run = ? AND place >= ? AND place < ? AND kind IS NOT ? ORDER BY place"
        return as_ranges(place for pair in ranges for (place,) in self._rows(query, run, *pair, UNSENT))

    def form(self, form: int) -> StoredRequest:
        """A request of this form, its URL left empty."""
        rows = self._rows("SELECT detail, body, missing FROM forms WHERE id = ?", form)
        try:
            (row,) = rows
            return decode_form(*row)
        except UNREADABLE as error:
            raise DamagedStore(f"{self._path}: a request in it cannot be read: {error}") from None

    def from_input(self, run: int, input: int) -> list[int]:
        """The numbers of the requests read from this list, in its order."""
        rows = self._rows("SELECT number FROM requests WHERE run = ? AND input = ? ORDER BY number", run, input)
        return [number for (number,) in rows]

    def next_numbers(self, run: int) -> tuple[int, int, int]:
        """The next free request number, result place and fetch id."""
        number, place, fetch = (
            self._rows(f"SELECT MAX({column}) FROM {table} WHERE run = ? AND typeof({column}) = 'integer'", run)[0][0]
            for table, column in (("requests", "number"), ("results", "place"), ("results", "fetch"))
        )
        return (-1 if number is None else number) + 1, (-1 if place is None else place) + 1, (fetch or 0) + 1

    def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except (sqlite3.Error, OverflowError) as error:  # of a number that a damaged row has
            raise store_error(self._path, error) from None


# Of requests that were noted as sent, those of which it is known that they were refused after that.
_REFUSED = (
    "SELECT requests.number FROM results JOIN requests ON requests.run = results.run AND requests.number ="
    " results.number JOIN sittings ON sittings.run = results.run AND sittings.number = requests.sent - 1"
    " WHERE results.run = ? AND kind IS NOT NULL AND kind = ? AND place >= first_place"
)
_RESULT = (
    "SELECT place, results.number, fetch, url, masked, form, id, kind, detail, preview, finished, notes FROM results"
    " JOIN requests ON requests.run = results.run AND requests.number = results.number WHERE results.run = ?"
)
