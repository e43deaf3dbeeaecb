"""Where a run is saved, which run goes on, and what of it is left to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from fetch_engine.globbing import parse_glob
from fetch_engine.redaction import masked_arguments, masked_url
from fetch_engine.requests import FetchRequest
from fetch_engine.store import Reader, RunFacts
from fetch_engine.store_file import RunLocks
from fetch_engine.store_place import DamagedStore, StoreError, is_there
from fetch_engine.store_pruning import Bounds
from fetch_engine.store_session import RunToWrite
from fetch_engine.store_values import StoredRequest
from fetch_engine.store_writer import RunWriter
from tui.engine_options import request_for, with_line
from tui.journal import Journal
from tui.list_fetch import source_for
from tui.option_parser import PROGRAM
from tui.options import Options
from tui.run_inputs import GlobSource, RunInputs, UrlList, described

Open = Callable[[str], int]
"""Opens a list of URLs by its name; raises ValueError."""


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

    requests: what it is to fetch. earlier: results it has already. first_id: for its next fetch. left_out: requests
    that cannot be made again, as their secrets were not saved. notes: what to tell about it.
    """

    requests: RunInputs
    journal: Journal
    earlier: int = 0
    first_id: int = 1
    left_out: int = 0
    notes: list[str] = field(default_factory=list)


def open_run(
    options: Options,
    open_list: Open,
    on_problem: Callable[[str], None] = lambda _: None,
    make_request: Callable[[str], FetchRequest] | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> OpenRun:
    """Open what the options ask for.

    on_problem: called once, in any thread, when the run is not saved (any further); its journal has it too.
    make_request: of a URL, where it is not what the options say. on_notice: called once, in any thread, when a damaged
    store was set aside.

    Raises ValueError where there is no such run, or a list that cannot be read.
    """
    make_request = make_request or partial(request_for, options)
    if options.resume is not None:
        return _resume(options, open_list, on_problem, make_request)
    descriptors = [open_list(name) for name in options.inputs]
    inputs = [described(name, descriptor) for name, descriptor in zip(options.inputs, descriptors, strict=True)]
    template = make_request("") if inputs else None
    journal = Journal()
    if options.store:
        journal = _journal(
            options, RunToWrite(masked_arguments(options.arguments), inputs, template), on_problem, on_notice
        )
    first = [journal.requested(make_request(url)) for url in options.urls]
    journal.start()
    lists = [
        UrlList(source_for(options, descriptor), index, make_request) for index, descriptor in enumerate(descriptors)
    ]
    return OpenRun(RunInputs(first, lists, journal), journal)


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
            rest = Rest(options, reader, _chosen(reader, locks, options.resume or 0), open_list, make_request)
            number, place, fetch = reader.next_numbers(rest.run)
    except (StoreError, ValueError) as error:
        locks.close()
        raise ValueError(why_unreadable(error)) from None
    what = RunToWrite((), rest.inputs, make_request(""), rest.run, number, place)
    journal = _journal(options, what, on_problem, lambda _: None, locks)
    for request in rest.requests:
        journal.resumed(request.number)
    new = [journal.requested(make_request(url)) for url in rest.urls]
    journal.start()
    requests = RunInputs([*rest.requests, *new], rest.lists, journal)
    return OpenRun(requests, journal, place, fetch, rest.left_out, rest.notes)


def _chosen(reader: Reader, locks: RunLocks, wanted: int) -> RunFacts:
    """The run to go on with, locked. Raises ValueError."""
    if wanted:
        facts = reader.run(wanted)
        if facts is None:
            raise ValueError(f"there is no run {wanted}; --history lists them")
        if not locks.take(wanted):
            raise ValueError(f"run {wanted} is still running")
        return facts
    runs = [run for run in reader.runs() if run.asked or run.inputs]
    for run in sorted(runs, key=lambda run: (run.complete, -run.id)):
        if locks.take(run.id):
            return run
    raise ValueError("there is no run to resume")


class Rest:
    """What is left of a run: its requests without a result, and its lists from where it had got to.

    inputs: the run's lists with those that were added. urls: the given ones that are new. left_out: requests of which
    only the store has the URL, without its secrets. Raises ValueError where a list cannot be read again, or where
    headers or bodies are needed that were not saved and are not given again.
    """

    def __init__(
        self,
        options: Options,
        reader: Reader,
        facts: RunFacts,
        open_list: Open,
        make_request: Callable[[str], FetchRequest],
    ) -> None:
        self._options = options
        self._reader = reader
        self._open_list = open_list
        self._lacking: dict[str, None] = {}
        self.run = facts.id
        self.inputs = list(facts.inputs)
        self.urls = list(options.urls)
        self.lists: list[UrlList] = []
        self.requests: list[StoredRequest] = []
        self.left_out = 0
        self.notes: list[str] = []
        from_lists = self._take_requests()
        names = self._read_on(from_lists)
        if self._lacking:
            raise ValueError(
                f"run {self.run} needs what was not saved: {', '.join(self._lacking)};"
                " give it again (-H, -u, -b, -d, -x)"
            )
        for name in names:
            descriptor = open_list(name)
            self.lists.append(UrlList(source_for(options, descriptor), len(self.inputs), make_request))
            self.inputs.append(described(name, descriptor))
        if self.left_out:
            self.notes.append(
                f"{self.left_out} URLs of run {self.run} are left out: their secrets were not saved; give them again,"
                " or have them saved by --store-secrets"
            )
        if reader.unreadable:
            self.left_out += reader.unreadable
            self.notes.append(f"{reader.unreadable} requests of run {self.run} are damaged in the store, and left out")

    def _take_requests(self) -> dict[int, dict[int, StoredRequest]]:
        """Sort the unfinished requests; gives those of which a list has the URL, by list and number."""
        from_lists: dict[int, dict[int, StoredRequest]] = {}
        masked_given = {masked_url(url): url for url in self.urls}
        for stored, source in self._reader.unfinished(self.run):
            request = self._filled(stored)
            if "URL" not in stored.missing:
                self.requests.append(request)
            elif source is not None:
                from_lists.setdefault(source, {})[request.number] = request
            elif (url := masked_given.pop(request.url, None)) is not None:
                self.requests.append(replace(request, url=url))
                self.urls.remove(url)
            else:
                self.left_out += 1
        return from_lists

    def _filled(self, request: StoredRequest) -> StoredRequest:
        """With what was not saved taken from the command line."""
        missing = {name.lower() for name in request.missing if name not in ("URL", "body", "proxy")}
        given = [(name, value) for name, value in self._options.headers if name.lower() in missing]
        self._lacking |= dict.fromkeys(
            name
            for name in request.missing
            if name.lower() in missing and not any(name.lower() == each.lower() for each, _ in given)
        )
        headers = (*(pair for pair in request.headers if pair[0].lower() not in missing), *given)
        body = request.body
        if "body" in request.missing:
            body = self._options.body
            if not body:
                self._lacking["body"] = None
        proxy = request.proxy
        if "proxy" in request.missing:
            proxy = self._options.proxy
            if not proxy:
                self._lacking["proxy"] = None
        return replace(request, headers=headers, body=body, proxy=proxy, missing=())

    def _read_on(self, from_lists: dict[int, dict[int, StoredRequest]]) -> list[str]:
        """Open the run's lists; gives the names of the given ones that are new."""
        names = list(self._options.inputs)
        for index, source in enumerate(self.inputs):
            wanted = from_lists.get(index, {})
            numbers = self._reader.from_input(self.run, index)
            make: Callable[[str], FetchRequest] = partial(_made, self._filled(self._reader.form(source["form"])))
            if "glob" in source:
                self._go_on_with_glob(source, index, make, len(numbers))
                self.left_out += len(wanted)
                continue
            path = source["path"]
            if path is None and "-" not in names:
                self.left_out += len(wanted)
                self.notes.append(f"run {self.run} read URLs that are not there any more; give them again by -i -")
                continue
            name = "-" if path is None else path
            names = [each for each in names if each != name and os.path.abspath(each) != path]
            descriptor = self._open_list(name)
            if path is not None and described(name, descriptor).items() - source.items():
                self.notes.append(f"{path} has changed; the lines that run {self.run} had read are taken for read")
            again: dict[int, FetchRequest] = {
                place: wanted[number] for place, number in enumerate(numbers) if number in wanted
            }
            self.lists.append(UrlList(source_for(self._options, descriptor), index, make, len(numbers), again))
        return names

    def _go_on_with_glob(
        self, source: dict[str, Any], index: int, make: Callable[[str], FetchRequest], taken: int
    ) -> None:
        if source.get("ended"):
            return
        glob = parse_glob(source["glob"])
        if source["masked"]:
            self.left_out += glob.count - taken
        else:
            self.lists.append(UrlList(GlobSource(glob, taken), index, make))


def _made(template: StoredRequest, url: str) -> FetchRequest:
    return with_line(replace(template, url=str(url)), url)
