"""Which options a run was given, so that one that goes on has them too.

Kept as the command line gives them, by their long names and without secrets, and with paths that do not depend on the
folder. What concerns one invocation only, such as its screen, is left out, and so is what requests have themselves.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Sequence

from tui.options.parser import Checker
from tui.options.table import Options, line, make_parser

Given = tuple[str | None, ...]
"""A long option and its value, if it takes one. A secret is None, and after it the name of a header."""

Option = tuple[str, Given]
"""Its place in the namespace, and what was given."""

# Of the invocation, or kept with each request (-o and --checksum).
_OF_ONE_TIME = frozenset(
    {
        *("help", "version", "inputs", "resume", "history", "headless", "demo", "exit_report", "config", "silent"),
        *("fps", "ascii", "theme", "mouse", "max_rows", "store", "store_days", "store_size", "show_secrets"),
        *("output", "checksum"),
    }
)
_NEED_OUTPUT = frozenset({"output_dir", "remote_header_name", "continue_at", "fsync"})
_PATHS = frozenset({"netrc_file", "cacert", "cert", "key", "output_dir", "cookie_jar"})
_CREDENTIALS = {"user", "oauth2_bearer"}  # which exclude each other
_REPEATED = frozenset({"headers", "data", "cookies", "resolve", "connect_to", "reports"})
# Where one of these is on anywhere, it stays on unless the command line says otherwise.
_SAFETY = frozenset({"deny_private", "same_host"})


def recorded(parser: Checker, arguments: Sequence[str], *, with_secrets: bool) -> list[Option]:
    """The options that these arguments give, each with its place in the namespace. Raises ValueError."""
    parser.given.clear()
    namespace = parser.parse_intermixed_args(arguments)
    found: list[Option] = []
    output = any(action.dest == "output" for action, _ in parser.given)
    for action, values in parser.given:
        if action.dest in _OF_ONE_TIME or (output and action.dest in _NEED_OUTPUT):
            continue
        name = next((text for text in action.option_strings if text.startswith("--")), action.option_strings[0])
        if isinstance(action, argparse.BooleanOptionalAction) and not getattr(namespace, action.dest):
            name = name.replace("--", "--no-", 1)
        if not values:
            found.append((action.dest, (name,)))
        found += [(action.dest, (name, *_kept(action.dest, value, with_secrets))) for value in values]
    if output and namespace.max_time is None:  # what is saved has no limit, also where only its request says so
        found.append(("max_time", ("--max-time", "0")))
    return found


def options_to_keep(options: Options) -> str:
    """What is stored of the options of a run, as JSON."""
    parser = make_parser(Checker)
    secrets = options.store_secrets
    of_settings = recorded(parser, options.setting_arguments, with_secrets=secrets)
    of_line = recorded(parser, line(options.arguments), with_secrets=secrets)
    dests = {dest for dest, _ in options.of_run}
    return json.dumps([*(each for each in of_settings if each[0] not in dests), *options.of_run, *of_line])


def as_arguments(given: Iterable[Given]) -> list[str]:
    """As a command line; secrets that were not kept are left out."""
    arguments = []
    for name, *value in given:
        assert name is not None
        if not value:
            arguments.append(name)
        elif value[0] is not None:
            arguments.append(f"{name}={value[0]}")
    return arguments


def _kept(dest: str, value: str, with_secrets: bool) -> tuple[str | None, ...]:
    from fetch_engine.model.redaction import MASK, masked_body, masked_url, masked_value

    if dest in _PATHS or (dest == "cookies" and value and "=" not in value) or (dest == "sink" and "://" not in value):
        return (os.path.abspath(value),)
    if dest == "reports":
        form, _, path = value.partition(":")
        return (f"{form}:{os.path.abspath(path)}",)
    if dest == "data" and value.startswith("@"):
        return (value if value == "@-" else f"@{os.path.abspath(value[1:])}",)
    if with_secrets and MASK not in value:
        return (value,)
    if dest in _CREDENTIALS or MASK in value:
        return (None, value.partition(":")[0]) if dest == "headers" else (None,)
    if dest == "cookies" and value:
        return (None,)
    if dest == "headers":
        name, _, text = value.partition(":")
        return (value,) if masked_value(name.strip(), text.strip()) == text.strip() else (None, name.strip())
    if dest == "data":
        data = value.encode("utf-8", "surrogateescape")
        return (value,) if masked_body(data) == data else (None,)
    return (value,) if masked_url(value) == value else (None,)


def merged(
    stored: Sequence[Option], settings: Sequence[Option], now: Sequence[Option]
) -> tuple[list[Option], list[str]]:
    """Those of the run that still hold, and what to tell of those that do not, or that the settings say otherwise.

    The command line wins; without its word a safety option that is on in the run or in the settings is on.
    """
    gone = {dest for dest, _ in now if dest != "headers"}
    gone |= _CREDENTIALS if _CREDENTIALS & gone else set()
    names = {_header(option) for dest, option in now if dest == "headers"}
    of_line, of_settings = _by_dest(now), _by_dest(settings)
    kept: list[Option] = []
    told: list[str] = []
    for dest, had in _by_dest(stored).items():
        given = of_line.get(dest)
        if dest == "headers":
            kept += [(dest, option) for option in had if _header(option) not in names]
        elif dest in gone:
            if given is not None and given != had:
                told.append(f"it had {_shown(had)}, and now has {_shown(given)}")
        elif dest in _SAFETY and had == [(f"--no-{dest.replace('_', '-')}",)] and dest in of_settings:
            told += [f"{_shown(of_settings[dest])} is added, as the settings say"] if of_settings[dest] != had else []
        else:
            kept += [(dest, option) for option in had]
            if dest in of_settings and of_settings[dest] != had:
                told.append(f"it goes on with {_shown(had)}, though the settings say {_shown(of_settings[dest])}")
    return kept, told


def _header(option: Given) -> str:
    return str(option[-1]).partition(":")[0].strip().lower()


def _by_dest(given: Sequence[Option]) -> dict[str, list[Given]]:
    """What holds of each: of options that are given once, the last."""
    found: dict[str, list[Given]] = {}
    for dest, option in given:
        if dest in _REPEATED:
            found.setdefault(dest, []).append(option)
        else:
            found[dest] = [option]
    return found


def _shown(given: Sequence[Given]) -> str:
    return " ".join(" ".join("***" if text is None else text for text in option) for option in given)
