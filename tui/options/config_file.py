"""A TOML file whose every error names file, line and key.

Imports tomllib and platformdirs only when they are needed: every start waits for this module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_SIZE = 64 * 1024  # bytes
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class ConfigError(ValueError):
    """Something in a settings file cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that is valid TOML. values: as tomllib gives them."""

    path: Path
    text: str
    values: dict[str, Any]

    def where(self, keys: Sequence[str]) -> str:
        """File and line of the statement that gives the value under these nested keys."""
        return f"{self.path}:{_line_of(self.text, keys)}"

    def error(self, keys: Sequence[str], message: str) -> ConfigError:
        """What to raise for the value under these nested keys."""
        name = ".".join(key if key.isprintable() else repr(key) for key in keys)
        return ConfigError(f"{self.where(keys)}: {name}: {message}")


def default_path() -> Path:
    """Where the settings are looked for: `weakfetch-tui/config.toml` in the user's configuration folder (XDG)."""
    from platformdirs import user_config_path

    return user_config_path("weakfetch-tui", appauthor=False) / "config.toml"


def read_config(path: Path, *, must_exist: bool) -> ConfigFile | None:
    """The settings file; None where there is none and none must be. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise ConfigError(f"{path}: {error.strerror}") from None
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(data) > MAX_SIZE:
        raise ConfigError(f"{path}: larger than {MAX_SIZE // 1024} KiB")
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8") from None
    import tomllib

    try:
        return ConfigFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(path, text, str(error))) from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None


def _syntax_error(path: Path, text: str, message: str) -> str:
    place = _PLACE.search(message)
    if place is None:
        return f"{path}: {message}"
    line = int(place[1]) if place[1] else text.count("\n") + 1
    start = text.split("\n")[line - 1].strip()
    return f"{path}:{line}: {message[: place.start()]}, in {start[:60]!r}"


def _line_of(text: str, keys: Sequence[str]) -> int:
    """The line on which the statement starts that gives this value.

    tomllib tells no lines. But the text up to some line is valid TOML only where a statement ends there: the first such
    text that has the value ends with the statement, and the one before it ends before the statement.
    """
    import tomllib

    lines = text.split("\n")
    start = 1
    for end in range(1, len(lines) + 1):
        try:
            values: Any = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for key in keys:
            values = values.get(key) if isinstance(values, dict) else None
        if values is not None:
            return start
        start = end + 1
    return start
