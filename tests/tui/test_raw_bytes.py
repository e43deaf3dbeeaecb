"""The whole screen in a real terminal, down to the bytes that reach it."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

import pytest

from tests.tui.pty_terminal import PtyTerminal

PROBE = [sys.executable, "-m", "tests.tui.dashboard_probe"]
ROOT = Path(__file__).parents[2]
OURS = re.compile(r"\x1b\[[\d;]*[mHCGABD]|\x1b\[\?\d+[hl]|\x1b\[6n|\x1b\]22;default\x07")
# colours, cursor, synchronised output, pacing, Textual's shape of the mouse pointer
ESCAPE = "\x1b"


def press(terminal: PtyTerminal, *keys: str) -> None:
    for key in keys:
        terminal.send(key)
        terminal.wait_quiet(0.15)


@pytest.mark.once
@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_no_byte_from_outside_commands_the_terminal(size: tuple[int, int]) -> None:
    with PtyTerminal([*PROBE, "evil"], size=size, cwd=ROOT) as terminal:
        terminal.wait_for("[/b][@click=app.quit]")
        start = terminal.wait_quiet()
        press(terminal, "\r", "\x1b[C", "G", "\x1b[C", "\x1b[C", ESCAPE, "j", "j", "j", "\r", "\x1b[C", ESCAPE)
        press(terminal, "1", "\r", ESCAPE, "3", "\r", "\x1b[C", ESCAPE, "n")
        terminal.paste("\x9b31m\x1b]0;t\x07http://h/\u202e")
        terminal.wait_quiet()
        press(terminal, ESCAPE, "?", ESCAPE, "X", ESCAPE)
        sent = bytes(terminal.raw[start:]).decode()
        assert "]52;c;AAAA" in sent  # it was shown
        bad = {char for char in OURS.sub("", sent) if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")}
        assert not bad, re.findall(r".{0,30}[\x07\x1b].{0,20}", OURS.sub("", sent))
        press(terminal, "\x03")
        assert terminal.wait_exit() == 0


def test_an_idle_screen_sends_nothing_and_a_key_little() -> None:
    with PtyTerminal([*PROBE, "busy"], cwd=ROOT) as terminal:
        terminal.wait_for("2 held")
        before = terminal.wait_quiet(1.5)  # six redraws
        press(terminal, "j")
        assert 0 < terminal.bytes_out - before < 1500
        press(terminal, "q", "y")
        assert terminal.wait_exit() == 0
        assert not terminal.in_alternate_screen


def test_no_colour_means_none() -> None:
    with PtyTerminal([*PROBE, "busy"], cwd=ROOT, env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("2 held")
        terminal.wait_quiet()
        assert {(cell[1], cell[2]) for row in terminal.cells() for cell in row} == {("default", "default")}
