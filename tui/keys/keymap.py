"""Keys that the settings file changes, checked against the table of keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from tui.keys.table import FIELDS, KEYS, LABELS, LIVE_TOGETHER, Key, label

_NAMED = {
    *("escape", "enter", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown"),
    *("up", "down", "left", "right", "comma", *(f"f{number}" for number in range(1, 13))),
}
_NAMES = {short: name for name, short in LABELS.items()} | {",": "comma", " ": "space"}
_SHIFTED = {"tab", "up", "down", "left", "right", "home", "end"}
# What a plain terminal sends for them is another key's code.
_ALIASES = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+j": "enter", "ctrl+h": "backspace", "ctrl+[": "escape"}


class KeySettingError(ValueError):
    """A key that cannot be set so."""


@dataclass(frozen=True, slots=True)
class KeySetting:
    """What the settings file says of one entry of the table of keys. where: file and line."""

    id: str
    keys: tuple[str, ...]
    where: str


def keymap(settings: Sequence[KeySetting]) -> dict[str, tuple[str, ...]]:
    """Keys by id of the table. Raises KeySettingError for an unknown id or key, and for a key that does two things."""
    table = {key.id: key for key in KEYS}
    where: dict[str, str] = {}
    for setting in settings:
        if (key := table.get(setting.id)) is None:
            near = get_close_matches(setting.id, table, 1)
            hint = f"; did you mean {near[0]}?" if near else "; the dashboard's help lists them"
            raise _error(setting, f"unknown key id{hint}")
        keys = tuple(_key(setting, text) for text in setting.keys)
        _check(setting, key, keys)
        table[setting.id] = replace(key, keys=keys)
        where[setting.id] = setting.where
    for setting in settings:
        _find_clash(setting, table)
    return {id: table[id].keys for id in where}


def _check(setting: KeySetting, key: Key, keys: tuple[str, ...]) -> None:
    if not keys and key.priority:
        raise _error(setting, "cannot be without a key")
    for name in keys:
        if len(label(name)) == 1 or name in ("space", "comma"):
            if key.place in FIELDS:
                raise _error(setting, f"{label(name)!r} would be typed into the field")
            if key.priority:
                raise _error(setting, f"{label(name)!r} could not be typed any more")


def _key(setting: KeySetting, text: str) -> str:
    """The name Textual has for a key as people write it."""
    name = _NAMES.get(text, text)
    if len(name) == 1 and name.isprintable():
        return name
    name = name.lower()
    name = _NAMES.get(name, name)
    if other := _ALIASES.get(name):
        raise _error(setting, f"to a terminal {text!r} is the same as {label(other)}")
    if name in _NAMED or re.fullmatch(r"ctrl\+[a-z@\\\]^_]", name):
        return name
    prefix, _, rest = name.rpartition("+")
    if rest in _SHIFTED and prefix in ("shift", "ctrl", "ctrl+shift") and name != "ctrl+tab":
        return name
    raise _error(setting, f"unknown key {text!r} (examples: x, X, f5, ctrl+x, pgup, space)")


def _find_clash(setting: KeySetting, table: dict[str, Key]) -> None:
    mine = table[setting.id]
    for places in LIVE_TOGETHER:
        if mine.place not in places:
            continue
        for other in table.values():
            if other.id != mine.id and other.place in places and (both := set(mine.keys) & set(other.keys)):
                key = label(min(both))
                raise _error(setting, f"{key!r} is also the key of {other.id} ({other.text})")


def _error(setting: KeySetting, message: str) -> KeySettingError:
    return KeySettingError(f"{setting.where}: keys.{setting.id}: {message}")
