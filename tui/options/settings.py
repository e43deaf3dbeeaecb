"""Settings from the settings file and the environment, as arguments that stand before those of the command line.

A setting is an option of the command line by its long name. What comes later wins: the file, the environment
(`WEAKFETCH_MAX_TIME` for `--max-time`), the command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui.keys.keymap import KeySetting
from tui.options.config_file import ConfigError, ConfigFile, default_path, read_config
from tui.options.parser import Parser
from tui.options.types import header

SETTINGS = (
    "theme",
    "fps",
    "ascii",
    "mouse",
    "max-rows",
    "store",
    "store-secrets",
    "store-days",
    "store-size",
    "header",
    "user-agent",
    "location",
    "max-redirs",
    "max-filesize",
    "concurrency",
    "per-host",
    "processes",
    "connect-timeout",
    "max-time",
    "retry",
    "retry-delay",
    "retry-max-time",
    "retry-on",
    "on-429",
    "max-host-wait",
    "read-timeout",
    "speed-limit",
    "speed-time",
    "rate",
    "host-rate",
    "limit-rate",
    "host-limit-rate",
    "proxy",
    "insecure",
    "cacert",
    "cert",
    "key",
    "http2",
    "transport",
    "ca-native",
    "tls-max",
    "noproxy",
    "interface",
    "deny-private",
    "same-host",
    "location-trusted",
    "netrc",
    "netrc-file",
    "show-secrets",
)
PREFIX = "WEAKFETCH_"
KEPT = ("theme", "fps")  # settings that stay as they were changed in the program, where they are not given
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
SWITCHES = {
    *("ascii", "mouse", "location", "insecure", "http2", "ca-native", "deny-private", "same-host", "netrc"),
    *("location-trusted", "store", "store-secrets", "show-secrets"),
}
_ARGUMENT = re.compile(r"argument [^:]*: ")

Check = Callable[[list[str]], object]
"""Reads arguments as the command line would; raises ValueError with argparse's words."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, whose `arguments` the command line can read."""

    name: str
    arguments: tuple[str, ...]


def from_file(file: ConfigFile, check: Check) -> list[Setting]:
    """The settings of a file, each checked. Raises ConfigError."""
    found = []
    for key, value in file.values.items():
        if key == "keys":
            continue
        name = key.replace("_", "-")
        try:
            found.append(_setting(name, value, check))
        except ValueError as error:
            raise file.error((key,), str(error)) from None
    if any(setting.name == "key" for setting in found) and "cert" not in file.values:
        raise file.error(("key",), "it needs cert")
    return found


def from_environment(environ: Mapping[str, str], check: Check) -> list[Setting]:
    """The settings of the environment, each checked. Raises ConfigError."""
    found = []
    for name in SETTINGS:
        variable = PREFIX + name.upper().replace("-", "_")
        text = environ.get(variable, "")
        if not text:
            continue
        value: object = text.splitlines() if name == "header" else text
        if name in SWITCHES:
            value = _WORDS.get(text.lower(), text)
        try:
            found.append(_setting(name, value, check))
        except ValueError as error:
            raise ConfigError(f"{variable}: {error}") from None
    return found


def key_settings(file: ConfigFile) -> tuple[KeySetting, ...]:
    """What stands under [keys]: an id of the table of keys, and a key or a list of keys. Raises ConfigError."""
    table = file.values.get("keys", {})
    if not isinstance(table, dict):
        raise file.error(("keys",), "must be a table, as [keys]")
    return tuple(_keys_in(file, ("keys",), table))


def _keys_in(file: ConfigFile, above: tuple[str, ...], table: dict[str, Any]) -> Iterable[KeySetting]:
    for name, value in table.items():
        path = (*above, name)
        if isinstance(value, dict):  # row.cancel = "x" is a table in a table
            yield from _keys_in(file, path, value)
            continue
        keys = [value] if isinstance(value, str) else value
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise file.error(path, "must be a key or a list of keys, in quotes")
        yield KeySetting(".".join(path[1:]), tuple(keys), file.where(path))


def merge_headers(*layers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers of all layers; one that a later layer names is taken from there only."""
    merged: list[tuple[str, str]] = []
    for layer in layers:
        headers = list(layer)
        names = {name.lower() for name, _ in headers}
        merged = [header for header in merged if header[0].lower() not in names] + headers
    return tuple(merged)


def _setting(name: str, value: object, check: Check) -> Setting:
    """Raises ValueError."""
    if name not in SETTINGS:
        raise ValueError(f"unknown setting{_nearest(name)}")
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return Setting(name, (f"--{name}" if value else f"--no-{name}",))
    values = value if isinstance(value, list) and name == "header" else [value]
    for each in values:
        if isinstance(each, bool) or not isinstance(each, str | int | float):
            raise ValueError(f"must be text or a number, not {_type_name(each)}")  # noqa: TRY004 (as what `check` raises)
    arguments = [f"--{name}={each}" for each in values]
    try:
        check(arguments)
    except ValueError as error:
        raise ValueError(_ARGUMENT.sub("", str(error), count=1)) from None
    return Setting(name, tuple(arguments))


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, [*SETTINGS, "keys"], 1)
    return f"; did you mean {near[0]}?" if near else ""


def _type_name(value: object) -> str:
    names = {bool: "true or false", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)


def with_settings(
    parser: Parser,
    checker: Parser,
    argv: Sequence[str],
    environ: Mapping[str, str],
    of_run: Sequence[str] = (),
) -> tuple[Any, Mapping[str, tuple[str, ...]], frozenset[str]]:
    """What was given, the settings of file and environment included; the keys of the file; what is fixed for this run.

    checker: a parser for single settings, which raises ValueError. of_run: what the run was given that goes on; it
    stands between the two. The arguments that the settings make are `of_settings`, the options of argv are `typed`.
    Raises ConfigError.
    """
    given: Any = parser.parse_intermixed_args(argv)
    given.typed = [action for action, _ in parser.given]
    path = default_path() if given.config is None else Path(given.config)
    file = read_config(path, must_exist=given.config is not None)
    fixed = {name for name in KEPT if getattr(given, name) is not None}
    if file is None and not of_run and not any(name.startswith(PREFIX) for name in environ):
        given.of_settings = []
        return given, {}, frozenset(fixed)
    check = checker.parse_args
    of_file = [] if file is None else from_file(file, check)
    of_environment = from_environment(environ, check)
    fixed.update(setting.name for setting in of_environment if setting.name in KEPT)
    arguments = [argument for setting in (*of_file, *of_environment) for argument in setting.arguments]
    merged: Any = parser.parse_intermixed_args([*arguments, *of_run, *argv])
    run_headers = [header(each.removeprefix("--header=")) for each in of_run if each.startswith("--header=")]
    merged.headers = merge_headers(_headers_in(of_file), _headers_in(of_environment), run_headers, given.headers)
    merged.typed = given.typed
    merged.of_settings = arguments
    keys: Mapping[str, tuple[str, ...]] = {}
    if file is not None and (changed := key_settings(file)):
        from tui.keys.keymap import KeySettingError, keymap

        try:
            keys = keymap(changed)
        except KeySettingError as error:
            raise ConfigError(str(error)) from None
    return merged, keys, frozenset(fixed)


def _headers_in(layer: Sequence[Setting]) -> list[tuple[str, str]]:
    arguments = [argument for setting in layer if setting.name == "header" for argument in setting.arguments]
    return [header(argument.removeprefix("--header=")) for argument in arguments]
