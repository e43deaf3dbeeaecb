"""Terminals that tell no size, an impossible one, or many in a row; and a screen that is stuck all the same."""

from __future__ import annotations

import fcntl
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message

from fetch_engine.store.reader import Reader, StoreError
from tests.tui.fake_link import busy
from tests.tui.pty_terminal import PtyTerminal
from tui.demo.server import demo_server
from tui.screen.app import DashboardApp
from tui.terminal.size import MOST, UNKNOWN, drawn_size


class Between(Message):
    """Says nothing."""


PROGRAM = [sys.executable, "-m", "tui.cli"]
STUCK = [sys.executable, "-m", "tests.tui.stuck_probe"]
LIMIT = 60.0
COUNT = 40
MEMORY = 300 * 1024 * 1024  # bytes; it grew by 50 MB a second


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def urls(server: str) -> list[str]:
    return [f"{server}/fast?i={number}" for number in range(COUNT)]


def set_size(terminal: PtyTerminal, columns: int, rows: int) -> None:
    """Of the terminal alone: no emulator can show these."""
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def done(store: Path) -> int:
    if not store.exists():
        return 0
    try:
        with Reader(store) as reader:
            return reader.count_results(1)
    except StoreError:  # it is being made
        return 0


def wait_for_results(terminal: PtyTerminal, data: Path) -> None:
    terminal.wait_for(lambda: done(data / "weakfetch-tui" / "runs.sqlite") == COUNT, LIMIT)


@pytest.mark.parametrize(
    ("told", "drawn"),
    [
        ((0, 0), UNKNOWN),
        ((80, 0), UNKNOWN),
        ((0, 24), UNKNOWN),
        ((-1, 5), UNKNOWN),
        ((1, 1), (1, 1)),
        ((80, 24), (80, 24)),
        ((65535, 24), (MOST[0], 24)),
        ((65535, 65535), MOST),
    ],
)
def test_what_is_drawn_on(told: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert drawn_size(*told) == drawn


@pytest.mark.parametrize("size", [(0, 0), (80, 0), (0, 24), (1, 1), (10, 300), (65535, 65535)], ids=str)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_program_started_on_a_terminal_of_no_size_fetches_and_ends(
    server: str, tmp_path: Path, size: tuple[int, int], number: signal.Signals
) -> None:
    ioctl = f"fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', {size[1]}, {size[0]}, 0, 0))"
    then = "os.execv(sys.executable, sys.orig_argv[:1] + sys.argv[1:])"
    script = f"import fcntl, os, struct, sys, termios; {ioctl}; {then}"
    command = [sys.executable, "-c", script, *PROGRAM[1:], *urls(server)]
    with PtyTerminal(command, env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        wait_for_results(terminal, tmp_path)
        assert psutil.Process(terminal.process.pid).memory_info().rss < MEMORY
        terminal.signal(number)
        assert terminal.wait_exit(LIMIT) == 128 + number
        assert b"did not react" not in terminal.raw  # the screen itself took it
        terminal.wait_for(lambda: not terminal.in_alternate_screen, LIMIT)  # there is much to read before that


def test_any_sizes_while_it_runs_and_the_last_one_is_drawn(server: str, tmp_path: Path) -> None:
    with PtyTerminal([*PROGRAM, f"{server}/fast"], env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("Done 1", LIMIT)
        for turn in range(30):
            for size in ((0, 0), (80, 0), (10, 3), (1, 1), (65535, 65535), (33, 9), (140, 40)):
                set_size(terminal, *size)
                time.sleep(0.001 * (turn % 7))
        terminal.resize(100, 30)
        terminal.wait_for(lambda: terminal.lines[0].rstrip().endswith("LIVE") and "q quit" in terminal.lines[-1], LIMIT)
        terminal.send("?")
        terminal.wait_for("help", LIMIT)
        assert psutil.Process(terminal.process.pid).memory_info().rss < MEMORY
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit(LIMIT) == 128 + signal.SIGTERM
        assert b"did not react" not in terminal.raw


@pytest.mark.anyio
async def test_two_layouts_under_way_do_not_go_to_and_fro_for_ever() -> None:
    app = DashboardApp(busy())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        layouts: list[Size] = []
        lay_out, post = screen._screen_resized, screen.post_message

        def counted(size: Size) -> None:
            layouts.append(size)
            assert len(layouts) < 100
            lay_out(size)

        def apart(message: Message) -> bool:
            """As what widgets have to say comes in between on the whole, no two messages of a size become one."""
            return post(Between()) and post(message)

        screen._screen_resized = counted  # type: ignore[method-assign]
        screen.post_message = apart  # type: ignore[method-assign]
        for size in (Size(80, 25), Size(80, 24)):
            screen.post_message(Resize(size, size))
        await pilot.pause()
        await pilot.pause()
        assert layouts
        assert set(layouts) == {Size(80, 24)}
        assert screen.size == Size(80, 24)


@pytest.mark.parametrize("how", ["loop", "asleep", "ending"])
def test_a_signal_ends_a_screen_that_is_stuck(server: str, tmp_path: Path, how: str) -> None:
    command = [*STUCK, how, "--exit-report", *urls(server), f"{server}/drip?n=100000&every=0.05"]
    with PtyTerminal(command, env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        before = terminal.attributes()
        wait_for_results(terminal, tmp_path)
        if how != "ending":
            terminal.send("!")
        time.sleep(0.2)
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit(LIMIT) == 128 + signal.SIGTERM
        assert not terminal.in_alternate_screen
        assert terminal.attributes() == before
        terminal.wait_for("the screen did not react")
        assert b'"alive": 0' in terminal.raw
    with Reader(tmp_path / "weakfetch-tui" / "runs.sqlite") as reader:
        run = reader.run(1)
    assert run is not None
    assert (run.done, run.left) == (COUNT, 1)
    assert run.ended is not None


def test_a_second_signal_ends_at_once_what_is_stuck(server: str, tmp_path: Path) -> None:
    command = [*STUCK, "loop", f"{server}/fast"]
    with PtyTerminal(command, env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("Done 1", LIMIT)
        terminal.send("!")
        time.sleep(0.2)
        terminal.signal(signal.SIGHUP)
        terminal.wait_for("the screen did not react", LIMIT)
        if terminal.process.poll() is None:
            terminal.signal(signal.SIGHUP)
        assert terminal.wait_exit(LIMIT) == 128 + signal.SIGHUP
