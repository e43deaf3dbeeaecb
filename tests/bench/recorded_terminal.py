"""A terminal that notes when output came and decodes it afterwards, so that decoding takes nothing from the program."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.tui.pty_terminal import LIMIT, PtyTerminal

from .child import ROOT

T = TypeVar("T")
TICKS = os.sysconf("SC_CLK_TCK")


class RecordedTerminal(PtyTerminal):
    """Runs a program from the root of the checkout. Times are `time.perf_counter`'s."""

    def __init__(self, command: Sequence[str], *, size: tuple[int, int], stdin: int | None = None) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self._decoded = 0
        self.started_at = time.perf_counter()
        super().__init__(command, size=size, cwd=ROOT, stdin=stdin)

    def __enter__(self) -> RecordedTerminal:
        return self

    def _show(self, data: bytes) -> None:
        self.pieces.append((time.perf_counter(), data))

    def show(self) -> str:
        """Decode all that came, and return the screen as text."""
        self.replay(lambda: None)
        return self.text

    def replay(self, look: Callable[[], T]) -> list[tuple[float, T]]:
        """Decode what came since the last time, piece by piece; what `look` saw after each, with the piece's time."""
        seen = []
        while self._decoded < len(self.pieces):
            at, data = self.pieces[self._decoded]
            super()._show(data)
            self._decoded += 1
            seen.append((at, look()))
        return seen

    def wait_until(self, condition: Callable[[str], object], limit: float = LIMIT) -> str:
        """Decode now and then until the screen's text is as wanted; RuntimeError if it never is."""
        end = time.monotonic() + limit
        while not condition(text := self.show()):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"not as wanted after {limit:g} s:\n{text}")
            time.sleep(0.1)
        return text

    def press(self, keys: str) -> float:
        """Send keys; when."""
        at = time.perf_counter()
        self.send(keys)
        return at

    def cpu(self) -> float:
        """CPU seconds of the program so far, to a hundredth; NaN where the system does not tell."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / TICKS

    def bytes_and_cpu(self, seconds: float) -> dict[str, float]:
        """What the program writes and takes in the next seconds."""
        count, cpu = self.bytes_out, self.cpu()
        time.sleep(seconds)
        return {
            "bytes/s": (self.bytes_out - count) / seconds,
            "CPU ms/s": (self.cpu() - cpu) / seconds * 1000,
        }

    def quit(self) -> None:
        """Have the program end by ctrl+q, which is Textual's own key for it."""
        self.send("\x11")
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"still running after ctrl+q:\n{self.show()}") from None
