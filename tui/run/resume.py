"""Where a run is saved, which run goes on, and what of it is left to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from platformdirs import user_data_path

from fetch_engine.model.redaction import masked_arguments
from fetch_engine.model.requests import FetchRequest
from fetch_engine.outputs.accounts import Account
from fetch_engine.store.delivery import Delivered, Ranges, Sitting, look_up
from fetch_engine.store.file import RunLocks
from fetch_engine.store.place import DamagedStore, StoreError, is_there
from fetch_engine.store.pruning import Bounds
from fetch_engine.store.reader import Reader, RunFacts
from fetch_engine.store.session import RunToWrite
from fetch_engine.store.writer import RunWriter
from tui.inputs.sources import is_url
from tui.options.given import options_to_keep
from tui.options.parser import PROGRAM
from tui.options.table import Options
from tui.run.again import Again
from tui.run.counts import NONE, Counts, counted
from tui.run.delivery import Delivery, Output
from tui.run.engine_options import request_for
from tui.run.inputs import RunInputs, UrlList, described
from tui.run.journal import Journal
from tui.run.list_fetch import source_for
from tui.run.remaining import Open, RemainingWork


def store_path() -> Path:
    """The file of the store: in the user's data folder (XDG_DATA_HOME on Linux)."""
    return user_data_path(PROGRAM, appauthor=False) / "runs.sqlite"


def why_unreadable(error: Exception) -> str:
    """What to tell a person who wants to read the store."""
    if isinstance(error, DamagedStore):
        return f"{error}; the next run that is saved sets the file aside and begins a new one"
    if isinstance(error, OSError):
        return f"{error.filename or store_path()}: {error.strerror}"
    return str(error)


@dataclass(slots=True)
class OpenRun:
    """A run that is about to begin, or to go on.

    requests: what it is to fetch. earlier: results it has already. counts: what they came to. first_id: for its next
    fetch. left_out: requests that cannot be made again, as their secrets were not saved. notes: what to tell about it.
    again: results that are to be written once more, all before the first new one. delivery: what goes to standard
    output, if it is not a screen.
    """

    requests: RunInputs
    journal: Journal
    earlier: int = 0
    counts: Counts = NONE
    first_id: int = 1
    left_out: int = 0
    notes: list[str] = field(default_factory=list)
    again: Again = field(default_factory=Again)
    delivery: Delivery = field(default_factory=Delivery)


def open_run(
    options: Options,
    open_list: Open,
    on_problem: Callable[[str], None] = lambda _: None,
    make_request: Callable[[str], FetchRequest] | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
    output: Output | None = None,
) -> OpenRun:
    """Open what the options ask for.

    on_problem: called once, in any thread, when the run is not saved (any further); its journal has it too.
    make_request: of a URL, where it is not what the options say. on_notice: called once, in any thread, when a damaged
    store was set aside. output: where lines go; None for a screen.

    Raises ValueError where there is no such run, or a list that cannot be read.
    """
    make_request = make_request or partial(request_for, options)
    if options.resume is not None:
        return _resume(options, open_list, on_problem, make_request, output)
    descriptors = [open_list(name) for name in options.inputs]
    inputs = [described(name, descriptor) for name, descriptor in zip(options.inputs, descriptors, strict=True)]
    template = make_request("") if inputs else None
    journal = Journal()
    sitting, head = _sitting(output, None)
    if options.store:
        what = RunToWrite(
            masked_arguments(options.arguments),
            inputs,
            template,
            sitting=sitting,
            options=options_to_keep(options),
            folder=_folder(),
        )
        journal = _journal(options, what, on_problem, on_notice)
    first = [journal.requested(make_request(url)) for url in options.urls]
    journal.start()
    lists = [
        UrlList(source_for(options, descriptor), index, make_request) for index, descriptor in enumerate(descriptors)
    ]
    delivery = Delivery(journal, output, sitting, head)
    notes = [
        f"{name}: -i reads a list of URLs from there; it does not show headers, as in curl"
        for name in options.inputs
        if is_url(name)
    ]
    return OpenRun(RunInputs(first, lists, journal), journal, notes=notes, delivery=delivery)


def _sitting(
    output: Output | None, known: Delivered | None, first_place: int = 0, again: Ranges = ()
) -> tuple[Sitting, bytes]:
    """This time that the run is worked at, and what is to be written before its results."""
    number = max((each.number for each in known.sittings), default=-1) + 1 if known else 0
    if output is None:
        return Sitting(number, first_place, on_screen=True), b""
    head, file = output.begin(known)
    return Sitting(number, first_place, again, file=file, end=file.start if file else 0), head


def _journal(
    options: Options,
    what: RunToWrite,
    on_problem: Callable[[str], None],
    on_notice: Callable[[str], None],
    locks: RunLocks | None = None,
) -> Journal:
    path = store_path()
    try:
        is_there(path)  # before anything else is made there
        if locks is None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            locks = RunLocks(path)
    except (OSError, StoreError) as error:
        problem = why_unreadable(error) if isinstance(error, OSError) else str(error)
        on_problem(problem)
        return Journal(problem=problem)
    writer = RunWriter(
        path,
        what,
        locks=locks,
        on_problem=on_problem,
        on_notice=on_notice,
        with_secrets=options.store_secrets,
        bounds=Bounds(options.store_days, options.store_size),
    )
    return Journal(writer, locks, with_secrets=options.store_secrets)


def _resume(
    options: Options,
    open_list: Open,
    on_problem: Callable[[str], None],
    make_request: Callable[[str], FetchRequest],
    output: Output | None,
) -> OpenRun:
    path = store_path()
    try:
        if not is_there(path):
            raise ValueError("no run was saved yet")
        locks = RunLocks(path)
    except (OSError, StoreError) as error:
        raise ValueError(why_unreadable(error)) from None
    try:
        with Reader(path) as reader:
            rest = RemainingWork(options, reader, chosen(reader, locks, options.resume or 0), open_list, make_request)
            number, place, fetch = reader.next_numbers(rest.run)
            known = look_up(reader.sittings(rest.run), place)
            finished = reader.finished_places(rest.run, ((0, place),))
            again: Ranges = ()
            if output is not None:
                rest.notes += output.mend(known)
                again = finished if output.is_document else reader.finished_places(rest.run, known.undelivered)
            counts = counted(reader.tally(rest.run))
    except (StoreError, ValueError) as error:
        locks.close()
        raise ValueError(why_unreadable(error)) from None
    sitting, head = _sitting(output, known, place, again)
    settled = [each for each in known.sittings if each.number >= 0]
    what = RunToWrite(
        (), rest.inputs, make_request(""), rest.run, number, place, sitting, settled, options_to_keep(options)
    )
    journal = _journal(options, what, on_problem, lambda _: None, locks)
    accounts = []
    for at, (request, why) in enumerate(rest.unknown):
        accounts.append(Account(request, why, time.time()))
        journal.finished(request, fetch + at, why, accounts[-1].ended)
    for request in rest.requests:
        journal.resumed(request.number)
    new = [journal.requested(make_request(url)) for url in rest.urls]
    journal.start()
    if output is None and accounts:
        journal.settle()  # the screen shows them as results of before
    return OpenRun(
        RunInputs([*rest.requests, *new], rest.lists, journal),
        journal,
        place + len(accounts),
        counts + counted((None, str(why.kind), 1) for _, why in rest.unknown),
        fetch + len(accounts),
        rest.left_out,
        rest.notes,
        Again(path, rest.run, again, finished, accounts),
        Delivery(journal, output, sitting, head),
    )


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return ""


def chosen(reader: Reader, locks: RunLocks, wanted: int) -> RunFacts:
    """The run to go on with, locked. Raises ValueError."""
    if wanted:
        facts = reader.run(wanted)
        if facts is None:
            raise ValueError(f"no such run: {wanted}; --history lists them")
        if not locks.take(wanted):
            raise ValueError(f"run {wanted} is still running")
        return facts
    runs = [run for run in reader.runs() if run.asked or run.inputs]
    for run in sorted(runs, key=lambda run: (run.complete, -run.id)):
        if locks.take(run.id):
            return run
    raise ValueError("there is no run to resume")
