"""Notices a URL or curl command that is typed where keys are commands: by its text, however fast its keys come."""

from __future__ import annotations

from tui.keys.table import in_place

STARTS = ("http", "cur")
"""How such a line begins, as far as no key of it does harm: `s` would save a body, `r` ask once more."""

_PLACES = ("rows", "screen", "text", "details", "back", "everywhere")


class TypedUrls:
    """Follows the keys that are no text of a field.

    A start counts where the key before its last has no other use, as it is with the keys of the program: nobody gives
    commands in this order.
    """

    def __init__(self) -> None:
        used = {key for each in in_place(*_PLACES) for key in each.keys}
        self._starts = tuple(start for start in STARTS if start[-2] not in used)
        self._typed = ""

    def take(self, character: str | None) -> str:
        """The start of a line that this key completes, else "". character: what the key types, None for none."""
        self._typed = "" if character is None else (self._typed + character)[-max(map(len, STARTS)) :]
        if self._typed.lower().endswith(self._starts):
            start = next(start for start in self._starts if self._typed.lower().endswith(start))
            line, self._typed = self._typed[-len(start) :], ""
            return line
        return ""
