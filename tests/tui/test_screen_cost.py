"""What the screen says that it sends, beside what reaches the terminal."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.tui.pty_terminal import PtyTerminal

PROBE = [sys.executable, "-m", "tests.tui.dashboard_probe", "busy"]
ROOT = Path(__file__).parents[2]


@pytest.mark.once
@pytest.mark.parametrize("overview", [False, True], ids=["dashboard", "overview"])
def test_it_is_told_and_telling_it_does_not_keep_the_screen_busy(overview: bool) -> None:
    with PtyTerminal(PROBE, cwd=ROOT, size=(140, 40)) as terminal:
        terminal.wait_for("2 held")
        if overview:
            terminal.send("o")
            terminal.wait_for("Errors by kind")
        terminal.wait_for(lambda: re.search(r"ui 4 Hz [1-9][0-9.]*K/s", terminal.text))
        terminal.wait_for("ui 4 Hz 0/s")
        terminal.wait_quiet(1.5)
        if overview:
            said = re.search(r"0/s +([0-9.]+)K in all", terminal.text)
            assert said is not None
            assert abs(float(said[1]) * 1024 - terminal.bytes_out) < 1500
        for _ in range(20):  # each moves the cursor
            terminal.send("jk")
            terminal.wait_quiet(0.02)
        assert terminal.wait_quiet(1.5) < 60_000
        terminal.send("\x03")
        assert terminal.wait_exit() == 0
