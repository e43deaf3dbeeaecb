"""The whole dashboard on a terminal that has stopped reading: fetches go on, memory stays, and it comes back."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fetch_engine.store.reader import Reader, StoreError
from tests.tui.pty_terminal import PtyTerminal
from tui.demo.server import demo_server

PROGRAM = [sys.executable, "-m", "tui.cli"]
LIMIT = 60.0
COUNT = 2000
GROWTH = 40 * 1024 * 1024  # bytes for so many rows and their bodies; a queue of frames would soon be more


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def ended(store: Path) -> int:
    """Fetches of the first run that are saved."""
    if not store.exists():
        return 0
    try:
        with Reader(store) as reader:
            return reader.count_results(1)
    except StoreError:  # it is being made
        return 0


def wait_until_ended(store: Path, count: int) -> None:
    end = time.monotonic() + LIMIT
    while ended(store) < count:
        assert time.monotonic() < end, ended(store)
        time.sleep(0.1)


@pytest.mark.once
@pytest.mark.parametrize("comes_back", [True, False])
def test_fetches_end_while_nobody_reads(server: str, tmp_path: Path, comes_back: bool) -> None:
    store = tmp_path / "data" / "weakfetch-tui" / "runs.sqlite"
    listed = tmp_path / "list"
    listed.write_text("".join(f"{server}/fast?i={number}\n" for number in range(COUNT)))
    drips = [f"{server}/drip?n=100000&every=0.05&i={number}" for number in range(8)]
    command = [*PROGRAM, "--fps", "10", *drips, "-i", str(listed), "--per-host", "12"]
    with PtyTerminal(command, size=(140, 40), env={"XDG_DATA_HOME": str(tmp_path / "data")}) as terminal:
        terminal.wait_for("RECV")
        terminal.stop_reading()
        before = ended(store)
        program = psutil.Process(terminal.process.pid)
        memory = program.memory_info().rss
        assert before < COUNT
        wait_until_ended(store, COUNT)
        assert program.memory_info().rss < memory + GROWTH
        if comes_back:
            terminal.resume_reading()
            terminal.wait_for(f"Done {COUNT}")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 128 + signal.SIGTERM
        with Reader(store) as reader:
            run = reader.run(1)
    assert run is not None
    assert (run.done, run.left) == (COUNT, 8)
    assert run.ended is not None
