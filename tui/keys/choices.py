"""What the user chose in the program, kept for the next run: theme, redraw rate, order of rows."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from fetch_engine.files.output_files import write_file

T = TypeVar("T", str, float, int, bool, list[object])
MAX_SIZE = 64 * 1024  # bytes


def default_path() -> Path:
    """`weakfetch-tui/choices.json` in the user's folder for state (XDG): settings files are only ever read."""
    from platformdirs import user_state_path

    return user_state_path("weakfetch-tui", appauthor=False) / "choices.json"


class Choices:
    """Choices by name. A file that cannot be read or written is no error: nothing is kept then.

    Each is kept with the setting that it replaced, and counts only as long as that setting stays as it was: who edits
    the settings file gets what stands there. `fixed` names those that were given for this run and stay as they are.
    """

    def __init__(self, path: Path | None = None, *, fixed: Collection[str] = ()) -> None:
        self._path = path
        self._fixed = fixed
        self._kept: dict[str, list[object]] = {}  # value, and the setting it replaced
        self._changed = False
        if path is not None:
            self._kept = _read(path)

    def get(self, name: str, setting: T) -> T:
        """What was chosen instead of this setting, or the setting."""
        value, replaced = self._kept.get(name, (None, None))
        if name in self._fixed or replaced != setting or type(value) is not type(setting):
            return setting
        return value

    def keep(self, name: str, value: T, *, setting: T) -> None:
        """Note what was chosen instead of this setting. Written by `save`."""
        self._kept[name] = [value, setting]
        self._changed = True

    def save(self) -> None:
        """Write what was noted, whole or not at all."""
        if self._path is None or not self._changed:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(str(self._path), [json.dumps(self._kept).encode()])


def _read(path: Path) -> dict[str, list[object]]:
    try:
        with path.open("rb") as file:
            kept = json.loads(file.read(MAX_SIZE))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {name: pair for name, pair in kept.items() if isinstance(pair, list) and len(pair) == 2}
