"""The seam between the screen and the engine's thread."""

from __future__ import annotations

from typing import Protocol

from tui.bridge.snapshot import Command, FinishedRecord, Snapshot


class EngineLink(Protocol):
    """What the screen needs of the engine: every method returns at once and may be called from the screen's thread."""

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot, None before the first."""

    def take_finished(self) -> list[FinishedRecord]:
        """The fetches that ended since the last call, in order of their end."""

    def send(self, command: Command) -> None:
        """Hand a command to the engine's thread."""
