"""A run that goes on has the options that it was given at first."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from fetch_engine.store.file import RunLocks
from fetch_engine.store.place import StoreError, is_there
from fetch_engine.store.reader import Reader, RunFacts
from tui.options.given import Option, as_arguments, merged, recorded
from tui.options.parser import Checker
from tui.options.table import Options, line, make_parser, parse
from tui.run.resume import chosen, store_path, why_unreadable

# What only requests need: those that lack it say so themselves.
_OF_REQUESTS = frozenset({"user", "oauth2_bearer", "headers", "cookies", "data"})


def with_options_of_run(options: Options, *, stdout_is_terminal: bool) -> Options:
    """The options as they are given, and where nothing is, as the run to resume has them. notes: where they differ.

    Raises ValueError where there is no such run, or where it needs a secret that was not saved; SystemExit as `parse`.
    """
    path = store_path()
    try:
        if not is_there(path):
            return options  # told where the run is opened
        with contextlib.closing(RunLocks(path)) as locks, Reader(path) as reader:
            facts = chosen(reader, locks, options.resume or 0)
    except (StoreError, OSError) as error:
        raise ValueError(why_unreadable(error)) from None
    parser = make_parser(Checker)
    stored = _stored(parser, facts)
    of_settings = recorded(parser, options.setting_arguments, with_secrets=False)
    of_line = recorded(parser, line(options.arguments), with_secrets=False)
    kept, told = merged(stored, of_settings, of_line)
    for dest, option in kept:
        if None in option and dest not in _OF_REQUESTS:
            lacking = f"run {facts.id} was given {option[0]} with a secret, which was not saved"
            raise ValueError(f"{lacking}; give {option[0]} again")
    read = parse(
        options.arguments,
        stdout_is_terminal=stdout_is_terminal,
        of_run=as_arguments(option for _, option in kept),
    )
    notes = tuple(f"run {facts.id}: {text}" for text in told)
    return replace(read, resume=facts.id, of_run=tuple(kept), notes=notes)


def _stored(parser: Checker, facts: RunFacts) -> list[Option]:
    """As they were stored; of a run of an older version, as its command line had them."""
    if facts.options is not None:
        return [(str(dest), tuple(option)) for dest, option in facts.options]
    with contextlib.suppress(ValueError):
        return recorded(parser, line(facts.arguments), with_secrets=False)
    return []
