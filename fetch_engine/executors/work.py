"""What a child process works by: the first message to it."""

from __future__ import annotations

from dataclasses import dataclass

from fetch_engine.core.executor import Settings


@dataclass(frozen=True, slots=True)
class Work:
    """settings: with limits as they are for this child, without the spool. is_paced: whether the parent bounds starts
    in time. spool: folder and size of the part of the parent's spool that is for this child."""

    settings: Settings
    is_paced: bool
    spool: tuple[str, int] | None = None
