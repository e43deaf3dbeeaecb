"""What is left of a run that goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from fetch_engine import RetryPolicy
from fetch_engine.curl.globbing import parse_glob
from fetch_engine.fetch.retry import unknown_outcome
from fetch_engine.model.redaction import masked_url
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.store.reader import Reader, RunFacts
from fetch_engine.store.values import StoredRequest
from tui.options.table import Options
from tui.run.engine_options import with_line
from tui.run.inputs import GlobSource, UrlList, described
from tui.run.list_fetch import source_for

KILLED = "the program ended while it was sent, or was about to be,"
Open = Callable[[str], int]
"""Opens a list of URLs by its name; raises ValueError."""


class RemainingWork:
    """What is left of a run: its requests without a result, and its lists from where it had got to.

    inputs: the run's lists with those that were added. urls: the given ones that are new. left_out: requests of which
    only the store has the URL, without its secrets. unknown: those that may have been sent and must not be sent twice,
    and what is told of them. Raises ValueError where a list cannot be read again, or where
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
        self._folder = facts.folder
        self.inputs = list(facts.inputs)
        self.urls = list(options.urls)
        self.lists: list[UrlList] = []
        self.requests: list[StoredRequest] = []
        self.left_out = 0
        self.unknown: list[tuple[StoredRequest, FetchError]] = []
        self.notes = list(options.notes)
        from_lists = self._take_requests()
        names = self._read_on(from_lists)
        if self.urls or names:
            self._lacking |= dict.fromkeys(option_again(option) for _, option in options.of_run if None in option)
        if self._lacking:
            raise ValueError(f"run {self.run} needs what was not saved: {', '.join(self._lacking)}; give it again")
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
        retry = RetryPolicy(all_methods=self._options.pace.retry_all_methods)
        masked_given = {masked_url(url): url for url in self.urls}
        for stored, source in self._reader.unfinished(self.run):
            if stored.sent and not retry.may_repeat(stored.method):
                self.unknown.append(
                    (stored, FetchError(ErrorKind.RESET, unknown_outcome(KILLED, stored.method), attempts=1))
                )
                continue
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
            header_again(name)
            for name in request.missing
            if name.lower() in missing and not any(name.lower() == each.lower() for each, _ in given)
        )
        headers = (*(pair for pair in request.headers if pair[0].lower() not in missing), *given)
        body = request.body
        if "body" in request.missing:
            body = self._options.body
            if not body:
                self._lacking["the body (-d)"] = None
        proxy = request.proxy
        if "proxy" in request.missing:
            proxy = self._options.proxy
            if not proxy:
                self._lacking["the proxy (-x)"] = None
        save = request.save
        if save is not None and not os.path.isabs(save.folder):
            save = replace(save, folder=os.path.join(self._folder, save.folder))
        return replace(request, headers=headers, body=body, proxy=proxy, save=save, missing=())

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
            if source.get("ended"):
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


def header_again(name: str) -> str:
    """A header, and by which options it can be given."""
    ways = {"authorization": "-H, -u or --oauth2-bearer", "cookie": "-H or -b"}
    return f"{name} ({ways.get(name.lower(), '-H')})"


def option_again(option: tuple[str | None, ...]) -> str:
    """An option whose value was not saved, as to be given again."""
    return f"{option[0]} {option[-1] or ''}".rstrip()
