"""Each kind of terminal gets what it can show, on every screen, down to the bytes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.tui.pty_terminal import PtyTerminal

ROOT = Path(__file__).parents[2]
PROBE = [sys.executable, "-m", "tests.tui.dashboard_probe", "busy"]
SGR = re.compile(rb"\x1b\[([\d;]*)m")
ESCAPE = "\x1b"
WALK = (  # to every screen and back: what is typed, and what is seen then
    ("\r", "frozen copy"),
    (ESCAPE, "1 Active"),
    ("o", "Errors by kind"),
    (ESCAPE, "1 Active"),
    ("?", "esc back"),
    (ESCAPE, "1 Active"),
    (":", "Search for commands"),
    (ESCAPE, "2 Done"),  # which the palette covers
    ("X", "Sure?"),
    (ESCAPE, "1 Active"),
    ("/", "/"),
    (ESCAPE, "1 Active"),
    ("3f", "outlived"),
)


def walk(*arguments: str, env: dict[str, str | None]) -> tuple[bytes, list[str]]:
    """What the program sends while somebody looks at every screen, and the lines of the last one."""
    with PtyTerminal([*PROBE, *arguments], cwd=ROOT, env=env) as terminal:
        terminal.wait_for("2 held")
        for keys, seen in WALK:
            terminal.send(keys)
            terminal.wait_for(seen)
            terminal.wait_quiet(0.15)
        lines = terminal.lines
        terminal.send("\x03")
        assert terminal.wait_exit() == 0
        assert not terminal.in_alternate_screen
        return bytes(terminal.raw), lines


def colours(raw: bytes) -> set[str]:
    """Which kinds of colours were asked for: "16", "256", "true"."""
    kinds = set()
    for found in SGR.finditer(raw):
        codes = [int(code or 0) for code in found[1].split(b";")]
        while codes:
            code = codes.pop(0)
            if code in (38, 48):
                kinds.add("true" if codes[0] == 2 else "256")
                del codes[: 4 if codes[0] == 2 else 2]
            elif 30 <= code <= 37 or 40 <= code <= 47 or 90 <= code <= 107:
                kinds.add("16")
    return kinds


BARE: dict[str, str | None] = {"COLORTERM": None, "LANG": "en_US.UTF-8"}
TERMINALS = [
    pytest.param((), BARE | {"TERM": "xterm"}, {"16"}, False, id="xterm"),
    pytest.param((), BARE | {"TERM": "screen"}, {"16"}, False, id="screen"),
    pytest.param((), BARE | {"TERM": "linux"}, {"16"}, True, id="linux"),
    pytest.param((), BARE | {"TERM": "vt100"}, set(), True, id="vt100"),
    pytest.param((), BARE | {"TERM": "xterm-256color", "LANG": "C"}, {"16", "256"}, True, id="LANG=C"),
    pytest.param(("--ascii",), BARE | {"TERM": "xterm", "COLORTERM": "truecolor"}, {"true"}, True, id="--ascii"),
    pytest.param((), BARE | {"TERM": "xterm", "COLORTERM": "truecolor", "NO_COLOR": "1"}, set(), False, id="NO_COLOR"),
    pytest.param(("light",), BARE | {"TERM": "xterm"}, {"16"}, False, id="light-in-16"),
    pytest.param(("contrast",), BARE | {"TERM": "xterm-256color"}, {"256"}, False, id="contrast-in-256"),
]


@pytest.mark.once
@pytest.mark.parametrize(("arguments", "env", "kinds", "ascii"), TERMINALS)
def test_a_terminal_gets_what_it_can_show(
    arguments: tuple[str, ...], env: dict[str, str | None], kinds: set[str], ascii: bool
) -> None:
    raw, lines = walk(*arguments, env=env)
    assert colours(raw) <= kinds
    assert colours(raw) or not kinds
    assert raw.isascii() is ascii
    frame = "+|" if ascii else "┌│"
    assert any(line[0] == frame[0] for line in lines)
    assert sum(line[0] == frame[1] for line in lines) > 15


def test_a_terminal_that_cannot_show_it_is_told_so_and_what_to_use() -> None:
    program = [sys.executable, "-m", "tui.cli", "http://127.0.0.1:9/"]
    with PtyTerminal(program, cwd=ROOT, env={"TERM": "dumb"}) as terminal:
        assert terminal.wait_exit() == 2
        assert "TERM is 'dumb'" in terminal.text
        assert b"--headless" in terminal.raw
        assert b"\x1b" not in terminal.raw
