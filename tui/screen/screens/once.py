"""Screens that close once, whatever keys were typed ahead."""

from __future__ import annotations

from typing import Any

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette

from tui.screen.screens.sized import SizedNow


class ClosesOnce(SizedNow):
    """A key that waited while the screen was closed would close the screen below it, or the last one there is."""

    def dismiss(self, result: Any = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_current else AwaitComplete()


class Palette(ClosesOnce, CommandPalette):
    """Commands by name."""
