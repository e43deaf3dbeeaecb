"""Settings in the program itself, in a real terminal: keys, mouse, what is kept, and errors before the screen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tui.pty_terminal import PtyTerminal

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tui.cli"]

pytestmark = pytest.mark.once


def run(tmp_path: Path, text: str = "", *arguments: str, size: tuple[int, int] = (140, 40)) -> PtyTerminal:
    config = tmp_path / "config.toml"
    config.write_text(text)
    env: dict[str, str | None] = {"XDG_STATE_HOME": str(tmp_path / "state")}
    return PtyTerminal([*PROGRAM, "--config", str(config), *arguments], cwd=ROOT, env=env, size=size)


def test_changed_keys_work_and_are_shown(tmp_path: Path) -> None:
    keys = '[keys]\nhelp = ["H", "f1"]\nback = "Q"\nview.full = []\noverview = "f5"\n'
    with run(tmp_path, keys, size=(140, 80)) as terminal:
        terminal.wait_for("H help")
        assert "? help" not in terminal.text
        assert "Q quit" in terminal.text
        assert " full" not in terminal.lines[-1]
        terminal.send("?q")
        terminal.wait_quiet()
        terminal.send("H")
        terminal.wait_for("H f1 ")
        assert "(no key)" in terminal.text
        terminal.send("H")
        terminal.wait_for("1 Active")
        terminal.send("\x1b[15~")
        terminal.wait_for("Errors by kind")
        terminal.send("\x1b")
        terminal.wait_for("1 Active")
        terminal.send("f")
        terminal.wait_quiet()
        assert "3 Refs" in terminal.text
        terminal.send("Q")
        assert terminal.wait_exit() == 0


def test_an_error_is_told_before_the_screen_is_drawn(tmp_path: Path) -> None:
    with run(tmp_path, "mouse = true\n\nfps = 0\n") as terminal:
        assert terminal.wait_exit() == 2
        assert b"\x1b" not in terminal.raw
        assert b"config.toml:3: fps: invalid number (0.1 to 60): '0'" in terminal.raw


def test_what_is_changed_in_the_program_is_kept(tmp_path: Path) -> None:
    with run(tmp_path, "fps = 2\n") as terminal:
        terminal.wait_for("ui 2 Hz")
        terminal.send("+2>")
        terminal.wait_for("ui 3 Hz")
        terminal.wait_for("by warnings")
        terminal.send("q")
        assert terminal.wait_exit() == 0
    with run(tmp_path, "fps = 2\n") as terminal:
        terminal.wait_for("ui 3 Hz")
        terminal.wait_for("by warnings")
        terminal.send("q")
        assert terminal.wait_exit() == 0
    with run(tmp_path, "fps = 2\n", "--fps", "2") as terminal:
        terminal.wait_for("ui 2 Hz")
        terminal.send("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("wanted", [True, False])
def test_the_mouse_is_asked_for_only_where_it_is_wanted(tmp_path: Path, wanted: bool) -> None:
    option = "--mouse" if wanted else "--no-mouse"
    with run(tmp_path, f"mouse = {str(not wanted).lower()}\n", option, size=(60, 15)) as terminal:
        terminal.wait_for("2 Done")
        terminal.wait_quiet()
        assert (b"\x1b[?1000h" in terminal.raw) is wanted
        if wanted:
            terminal.send("\x1b[<0;8;3M\x1b[<0;8;3m")  # a click on the title of the first pane
            terminal.wait_for("nothing is being fetched")
        terminal.send("\x03")
        assert terminal.wait_exit() == 0


def test_rows_and_theme_of_the_command_line(tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:1/{name}" for name in ("first", "second", "third")]
    options = ("--no-store", "--max-rows", "2", "--theme", "light", "-j", "1")
    with run(tmp_path, 'theme = "dark"\n', *options, *urls) as terminal:
        terminal.wait_for("2 Done 3, 1 older left out")
        terminal.wait_for("0/1 at once")
        assert b"48;2;251;252;253" in terminal.raw  # the ground of `light`
        terminal.send("q")
        assert terminal.wait_exit() == 1  # some failed
