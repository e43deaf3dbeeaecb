"""How a run without a screen gets on: one line on a terminal, rewritten in place."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio

from tui.text.plain_text import duration
from tui.text.stderr import STDERR, show_status

EVERY = 0.5  # seconds between two redraws
SPAN = 5.0  # seconds that the rate is taken over


@dataclass(frozen=True, slots=True)
class Progress:
    """Fetches by where they are.

    left: as far as they are known. more: whether others may follow. kept: by which hosts some of those that are left
    are kept waiting, in words.
    """

    done: int
    failed: int
    running: int
    left: int
    more: bool
    kept: str = ""


class ProgressLine:
    """Asks how far the run is at most twice a second, and shows it when that has changed."""

    def __init__(self, ask: Callable[[], Progress]) -> None:
        self._ask = ask
        self._past: deque[tuple[float, int]] = deque()

    async def run(self) -> None:
        """Show it until cancelled; a run that is over at once shows nothing."""
        started = anyio.current_time()
        self._past.append((started, 0))
        shown = ""
        try:
            while True:
                await anyio.sleep(EVERY)
                text = self._text(started, anyio.current_time())
                if text != shown and show_status(text):
                    shown = text
        finally:
            show_status("")

    def _text(self, started: float, now: float) -> str:
        progress = self._ask()
        self._past.append((now, progress.done))
        while now - self._past[1][0] >= SPAN:
            self._past.popleft()
        since, before = self._past[0]
        rate = (progress.done - before) / max(now - since, EVERY)
        kept = f" {progress.kept}," if progress.kept else ""  # first what must not be cut off
        total = "" if progress.more else f" of {progress.done + progress.running + progress.left:,}"
        return (
            f"{progress.done:,}{total} done, {progress.failed:,} failed, {progress.running:,} running,"
            f" {progress.left:,}{'+' if progress.more else ''} left,{kept} {rate:.1f}/s, {duration(now - started)}"
        )


def is_wanted(*, silent: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to show it: on a terminal that can clear a line, and that the results do not go to as well."""
    return not (silent or environ.get("TERM", "dumb") in ("", "dumb") or os.isatty(1)) and os.isatty(STDERR)
