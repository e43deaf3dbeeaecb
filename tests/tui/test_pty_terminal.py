"""The terminal the other tests rely on: it shows, types, resizes and stalls as a real one does."""

from __future__ import annotations

import signal
import sys

from tests.tui.pty_terminal import PtyTerminal


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_shows_what_is_written_and_types_what_is_sent() -> None:
    with PtyTerminal(python("print('name?'); print('hello', input().upper())"), size=(40, 5)) as terminal:
        terminal.wait_for("name?")
        terminal.send("ann\r")
        terminal.wait_for("hello ANN")
        assert terminal.wait_exit() == 0
        assert len(terminal.lines) == 5
        assert all(len(line) == 40 for line in terminal.lines)


def test_the_pty_is_the_controlling_terminal_and_tells_of_its_size() -> None:
    code = """
import os, time
tty = os.open("/dev/tty", os.O_RDWR)
while True:
    print(os.get_terminal_size(tty), end="\\r", flush=True)
    time.sleep(0.02)
"""
    with PtyTerminal(python(code), size=(50, 6)) as terminal:
        terminal.wait_for("columns=50, lines=6")
        terminal.resize(70, 8)
        terminal.wait_for("columns=70, lines=8")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == -signal.SIGTERM


def test_queries_are_answered_and_what_nobody_reads_is_found() -> None:
    code = "import sys; sys.stdout.write('\\x1b[6n'); sys.stdout.flush()"
    with PtyTerminal(python(code)) as terminal:
        assert terminal.wait_exit() == 0
        assert terminal.asked == terminal.answered == 1
        assert terminal.unread_input() == b"\x1b[1;1R"


def test_a_reader_that_stops_blocks_the_writer() -> None:
    code = "import os, sys\nfor _ in range(4000): os.write(1, b'x' * 100)\nprint('end')"
    with PtyTerminal(python(code)) as terminal:
        terminal.wait_for("x")
        terminal.stop_reading()
        terminal.signal(signal.SIGSTOP)
        terminal.signal(signal.SIGCONT)
        terminal.resume_reading()
        terminal.wait_for("end")
        assert terminal.wait_exit() == 0
        assert terminal.bytes_out > 400_000
