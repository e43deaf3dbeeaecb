"""The terminal a dashboard runs on: taken where streams are redirected, refused where there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.pty_terminal import PtyTerminal
from tui.terminal.ending_signals import ENDING_SIGNALS
from tui.terminal.setup import LastSignal, prepare, wants_ascii, why_not

PROBE = str(Path(__file__).with_name("paced_probe.py"))
GRAB = """
import os, sys
from tui.terminal.setup import grab, why_not
before = len(os.listdir("/proc/self/fd"))
assert why_not() is None
saved = grab()
assert saved is not None
assert len(os.listdir("/proc/self/fd")) == before + sum(fd is not None for fd in saved) + CLOSED
assert all(os.isatty(fd) for fd in (0, 1, 2))
assert sys.__stdin__.isatty() and sys.__stdin__.fileno() == 0 and sys.__stderr__ is not None
assert not any(os.get_inheritable(fd) for fd in saved if fd is not None)
print("saved", [fd is not None for fd in saved], flush=True)
if saved.stdin is not None:
    with open(saved.stdin) as lines:
        print("read", lines.read().split(), flush=True)
print("typed", input().upper(), flush=True)
for fd in saved[1:]:
    if fd is not None:
        os.write(fd, b"result\\n")
"""


def grabbing(closed: int = 0) -> list[str]:
    return [sys.executable, "-c", GRAB.replace("CLOSED", str(closed))]


def test_nothing_is_done_where_all_three_are_the_terminal() -> None:
    with PtyTerminal(grabbing()) as terminal:
        terminal.wait_for("saved [False, False, False]")
        terminal.send("abc\r")
        terminal.wait_for("typed ABC")
        assert terminal.wait_exit() == 0


def test_the_pipe_is_read_while_the_keyboard_types() -> None:
    with PtyTerminal(grabbing(), stdin=subprocess.PIPE) as terminal:
        terminal.wait_for("saved [True, False, False]")
        terminal.send("early\r")
        assert terminal.process.stdin is not None
        terminal.process.stdin.write(b"http://one\nhttp://two\n")
        terminal.process.stdin.close()
        terminal.wait_for("read ['http://one', 'http://two']")
        terminal.wait_for("typed EARLY")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_results_go_where_they_were_sent(which: str) -> None:
    with PtyTerminal(grabbing(), **{which: subprocess.PIPE}) as terminal:  # type: ignore[arg-type]
        terminal.wait_for(f"saved [False, {which == 'stdout'}, {which == 'stderr'}]")
        terminal.send("x\r")
        assert terminal.wait_exit() == 0
        pipe = getattr(terminal.process, which)
        assert pipe.read() == b"result\n"


@pytest.mark.parametrize(("closing", "count"), [("<&-", 1), ("<&- >&-", 2), ("<&- >&- 2>&-", 3), ("2>&-", 1)])
def test_closed_descriptors_become_the_terminal(closing: str, count: int) -> None:
    with PtyTerminal(["sh", "-c", f'exec "$@" {closing}', "sh", *grabbing(count)]) as terminal:
        terminal.wait_for("saved [False, False, False]")
        terminal.send("abc\r")
        terminal.wait_for("typed ABC")
        assert terminal.wait_exit() == 0


def test_an_app_runs_on_the_terminal_whatever_the_streams_are(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import runpy, sys\nfrom tui.terminal.setup import grab\nassert grab() is not None\n"
        f"sys.argv = ['probe', 'paced']\nrunpy.run_path({PROBE!r}, run_name='__main__')\n"
    )
    with (tmp_path / "log").open("wb") as log:
        options = {"stdin": subprocess.DEVNULL, "stdout": log.fileno(), "stderr": log.fileno()}
        with PtyTerminal([sys.executable, str(script)], size=(100, 30), **options) as terminal:  # type: ignore[arg-type]
            terminal.wait_for("typed")
            terminal.wait_quiet()
            assert terminal.lines[-2].startswith("▊  typed")  # the size is the terminal's
            terminal.send("a")
            terminal.wait_for("漢1|")
            terminal.send("q")
            assert terminal.wait_exit() == 0
    assert (tmp_path / "log").read_bytes() == b""


def test_without_a_terminal_it_says_so_and_what_to_use() -> None:
    code = "from tui.terminal.setup import grab, why_not; print(grab()); print(why_not())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    nothing, sentence = done.stdout.splitlines()
    assert nothing == "None"
    assert "no terminal" in sentence
    assert "--headless" in sentence


@pytest.mark.parametrize("environ", [{}, {"TERM": ""}, {"TERM": "dumb"}, {"TERM": "unknown"}])
def test_terminals_that_can_show_no_screen_are_refused(environ: dict[str, str]) -> None:
    sentence = why_not(environ)
    assert sentence is not None
    assert "TERM" in sentence
    assert "--headless" in sentence


def test_terminal_is_light_to_import() -> None:
    names = "('textual', 'rich', 'asyncio')"
    code = f"import sys, tui.terminal.setup; print([name for name in {names} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("environ", "ascii"),
    [
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "en_US.utf8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "de_DE"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_CTYPE": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, False),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, True),  # put there by Python
        ({"LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "vt100"}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "xterm"}, False),
    ],
)
def test_when_ascii_is_better(environ: dict[str, str], ascii: bool) -> None:
    assert wants_ascii(environ) is ascii


def test_python_started_in_the_c_locale_still_finds_it_out() -> None:
    for lang, expected in (("C", "True"), ("C.UTF-8", "False")):
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
        code = "from tui.terminal.setup import wants_ascii; print(wants_ascii())"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**env, "LANG": lang, "TERM": "xterm"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_defaults_leave_what_the_user_has_set() -> None:
    environ = {"TERM": "vt100"}
    prepare(environ)
    assert environ == {"TERM": "vt100", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_FPS": "250", "NO_COLOR": "1"}
    environ = {"TERM": "xterm", "TEXTUAL_ANIMATIONS": "full", "TEXTUAL_FPS": "30"}
    prepare(environ)
    assert environ == {"TERM": "xterm", "TEXTUAL_ANIMATIONS": "full", "TEXTUAL_FPS": "30"}


def test_a_late_signal_is_noted_and_a_second_one_ends_the_process() -> None:
    imports = "import os, signal\nfrom tui.terminal.setup import LastSignal\n"
    code = imports + "with LastSignal() as last:\n    {}\nprint(last.number)"
    kill = "os.kill(os.getpid(), signal.SIGTERM)"
    once = subprocess.run([sys.executable, "-c", code.format(kill)], capture_output=True, text=True, check=True)
    assert once.stdout == "15\n"
    twice = subprocess.run([sys.executable, "-c", code.format(f"{kill}; {kill}")], capture_output=True, check=False)
    assert twice.returncode == -15


def test_after_late_signals_the_handlers_are_those_of_before() -> None:
    before = [signal.getsignal(number) for number in ENDING_SIGNALS]
    with LastSignal() as last:
        os.kill(os.getpid(), signal.SIGHUP)
    assert last.number == signal.SIGHUP
    assert [signal.getsignal(number) for number in ENDING_SIGNALS] == before
