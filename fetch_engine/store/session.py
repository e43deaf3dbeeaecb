"""A run as it is written: what SQLite is told of its requests and results, many rows at a time."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from fetch_engine.model.redaction import masked_text
from fetch_engine.model.requests import FetchRequest
from fetch_engine.store.delivery import Sitting
from fetch_engine.store.file import RunLocks, transaction
from fetch_engine.store.values import (
    UNFIT,
    Outcome,
    StoredRequest,
    encode,
    encode_form,
    fitting,
    form_key,
    stored_url,
    to_id,
    to_text,
)

FORMS = 1000  # kinds of requests that are remembered, so that each is stored once
AT_A_TIME = (50, 5, 1)  # rows; every SQLite takes 999 values in a statement, and few statements stay prepared

ON_SCREEN = Sitting(on_screen=True)
Op = Callable[["StoreSession"], None]
Batch = list[tuple[int, Op]]  # each with the bytes of body that it holds


@dataclass(frozen=True, slots=True)
class RunToWrite:
    """What is written of a run before its first request.

    arguments: secrets masked. inputs: its lists of URLs. template: what is made of the URLs of those that do not say
    by a `form`. run: the one to go on with, if it is not a new one. sitting: this time that it is worked at. settled:
    what is known of the earlier ones by now. options: that hold for the run, as JSON. folder: of relative paths.
    """

    arguments: Sequence[str] = ()
    inputs: Sequence[dict[str, Any]] = ()
    template: FetchRequest | None = None
    run: int | None = None
    first_number: int = 0
    first_place: int = 0
    sitting: Sitting = ON_SCREEN
    settled: Sequence[Sitting] = ()
    options: str = "null"
    folder: str = ""


class Rows:
    """Rows for one table, inserted many at a time.

    Each statement lets go of the interpreter's lock, and has to wait until a busy event loop gives it back.
    """

    def __init__(self, database: sqlite3.Connection, table: str, columns: str, otherwise: str = "") -> None:
        self._database = database
        row = f"({', '.join('?' * len(columns.split(', ')))})"
        into = f"INSERT INTO {table} ({columns}) VALUES"
        self._statements = [(count, f"{into} {', '.join([row] * count)} {otherwise}") for count in AT_A_TIME]
        self._rows: list[tuple[object, ...]] = []

    def add(self, row: tuple[object, ...]) -> None:
        """Keep a row for `insert`."""
        self._rows.append(row)

    def insert(self) -> None:
        """Insert what was added, in its order. A value that SQLite does not take is left out."""
        done = 0
        for count, statement in self._statements:
            while len(self._rows) - done >= count:
                rows = self._rows[done : done + count]
                try:
                    self._database.execute(statement, tuple(chain.from_iterable(rows)))
                except UNFIT:
                    self._insert_singly(rows)
                done += count
        self.forget()

    def _insert_singly(self, rows: Sequence[tuple[object, ...]]) -> None:
        _, statement = self._statements[-1]
        for row in rows:
            for each in (row, tuple(map(fitting, row))):
                with contextlib.suppress(*UNFIT):  # a row that is of no use without its value is left out
                    self._database.execute(statement, each)
                    break

    def forget(self) -> None:
        """Insert nothing of it."""
        self._rows.clear()


class StoreSession:
    """An open run on the connection of the thread that writes it. `begin` makes one."""

    def __init__(self, database: sqlite3.Connection, run: int, what: RunToWrite, with_secrets: bool) -> None:
        self._database = database
        self._with_secrets = with_secrets
        self._forms: dict[tuple[Any, ...], int] = {}
        self._sitting = what.sitting.number
        self._sent: list[int] = []
        self._inputs: list[dict[str, Any]] = []
        self._requests = Rows(database, "requests", "run, number, url, masked, form, input, id")
        self._results = Rows(
            database,
            "results",
            "run, place, number, fetch, finished, status, kind, detail, preview, notes",
            "ON CONFLICT DO NOTHING",  # OR IGNORE would leave out what is NULL and must not be, without a word
        )
        self.run = run
        self.places = what.first_place  # of results that were handed in

    @classmethod
    def begin(
        cls, database: sqlite3.Connection, what: RunToWrite, locks: RunLocks, with_secrets: bool, first: Batch
    ) -> StoreSession:
        """Make the run, or take up the one to go on with, and do what was asked for by now."""
        with transaction(database):
            if what.run is not None:
                run = what.run
                database.execute("UPDATE runs SET ended = NULL, complete = 0 WHERE id = ?", (run,))
                if what.options != "null":
                    database.execute("UPDATE runs SET options = ? WHERE id = ?", (what.options, run))
            else:
                cursor = database.execute(
                    "INSERT INTO runs (started, arguments, inputs, options, folder) VALUES (?, ?, '[]', ?, ?)",
                    (time.time(), json.dumps(list(what.arguments)), what.options, to_text(what.folder)),
                )
                assert cursor.lastrowid is not None
                run = cursor.lastrowid
                locks.take(run)  # before anybody else can see it
            session = cls(database, run, what, with_secrets)
            session._add_sitting(what.sitting, what.settled)
            for source in what.inputs:
                session.add_input(source, what.template)
            session._do(first)
            return session

    def write(self, batch: Batch) -> None:
        """Do all of this, or, where it raises, nothing."""
        places, forms, inputs = self.places, dict(self._forms), list(self._inputs)
        try:
            with transaction(self._database):
                self._do(batch)
        except BaseException:
            self.places, self._forms, self._inputs = places, forms, inputs
            self._sent.clear()
            self._requests.forget()
            self._results.forget()
            raise

    def _do(self, batch: Batch) -> None:
        for _, op in batch:
            op(self)
        self._insert()

    def _insert(self) -> None:
        self._requests.insert()
        self._results.insert()
        if self._sent:
            self._database.executemany(
                "UPDATE requests SET sent = ? WHERE run = ? AND number = ?",
                [(self._sitting + 1, self.run, each) for each in self._sent],
            )
            self._sent.clear()

    def _add_sitting(self, sitting: Sitting, settled: Sequence[Sitting]) -> None:
        for each in settled:
            self._deliver(each.number, each.written, each.end)
        file = None if sitting.file is None else json.dumps(asdict(sitting.file))
        self._database.execute(
            "INSERT INTO sittings VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                self.run,
                sitting.number,
                sitting.first_place,
                json.dumps(sitting.again),
                sitting.on_screen,
                file,
                sitting.end,
            ),
        )

    def deliver(self, written: int, end: int) -> None:
        """So many lines of results have been written out; `end` as in Sitting."""
        self._deliver(self._sitting, written, end)

    def _deliver(self, sitting: int, written: int, end: int) -> None:
        self._database.execute(
            'UPDATE sittings SET written = ?, "end" = ? WHERE run = ? AND number = ?', (written, end, self.run, sitting)
        )

    def sent(self, number: int) -> None:
        self._sent.append(number)

    def end(self, *, complete: bool) -> None:
        with transaction(self._database):
            self._database.execute(
                "UPDATE runs SET ended = ?, complete = ? WHERE id = ?", (time.time(), complete, self.run)
            )

    def add_input(self, source: dict[str, Any], template: FetchRequest | None) -> None:
        if template is not None and "form" not in source:
            source = {**source, "form": self._form(template)}
        self._inputs.append(source)
        self._save_inputs()

    def note_input(self, index: int, facts: dict[str, Any]) -> None:
        self._inputs[index] = {**self._inputs[index], **facts}
        self._save_inputs()

    def _save_inputs(self) -> None:
        self._database.execute("UPDATE runs SET inputs = ? WHERE id = ?", (json.dumps(self._inputs), self.run))

    def request(self, request: StoredRequest, input: int | None) -> None:
        url, masked = stored_url(request.url, with_secrets=self._with_secrets)
        self._requests.add((self.run, request.number, to_text(url), masked, self._form(request), input, to_id(request)))

    def _form(self, request: FetchRequest) -> int:
        key = form_key(request)
        if (known := self._forms.get(key)) is not None:
            return known
        statement = "INSERT INTO forms (run, detail, body, missing) VALUES (?, ?, ?, ?)"
        detail, body, missing = encode_form(request, with_secrets=self._with_secrets)
        try:
            cursor = self._database.execute(statement, (self.run, detail, body, missing))
        except UNFIT:
            missing = json.dumps([*json.loads(missing), "body"])
            cursor = self._database.execute(statement, (self.run, detail, b"", missing))
        assert cursor.lastrowid is not None
        if len(self._forms) >= FORMS:
            self._forms.clear()
        self._forms[key] = cursor.lastrowid
        return cursor.lastrowid

    def result(self, place: int, number: int, fetch: int, outcome: Outcome, at: float, notes: Sequence[str]) -> None:
        status, kind, detail, preview = encode(outcome, with_secrets=self._with_secrets)
        shown = notes if self._with_secrets else [masked_text(note) for note in notes]
        noted = json.dumps(shown) if notes else None
        self._results.add((self.run, place, number, fetch, at, status, kind, detail, preview, noted))
        self.places = place + 1

    def withdraw(self, numbers: tuple[int, ...]) -> None:
        self._insert()  # they may be among what is to be changed
        self._database.executemany(
            "UPDATE requests SET withdrawn = 1 WHERE run = ? AND number = ?",
            [(self.run, number) for number in numbers],
        )
