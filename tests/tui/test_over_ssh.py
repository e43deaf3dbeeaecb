"""The dashboard through a real OpenSSH: typed at, resized, counted, and cut off."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fetch_engine.store.reader import Reader, RunFacts
from tests.tui.pty_terminal import PtyTerminal
from tests.tui.ssh_link import LIMIT, SshLink, find_sshd
from tui.demo.server import demo_server

SSHD = find_sshd()
pytestmark = [pytest.mark.once, pytest.mark.skipif(SSHD is None, reason="there is no sshd on this machine")]
GONE_WITHIN = 5.0  # seconds from the cut


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


@pytest.fixture
def link(tmp_path: Path) -> Iterator[SshLink]:
    assert SSHD is not None
    (tmp_path / "ssh").mkdir()
    made = SshLink(SSHD, tmp_path / "ssh")
    try:
        yield made
    finally:
        made.close()


def saved(data: Path) -> RunFacts:
    with Reader(data / "data" / "weakfetch-tui" / "runs.sqlite") as reader:
        facts = reader.run(1)
    assert facts is not None
    return facts


def wait_until(condition: Callable[[], object], limit: float = LIMIT) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_is_typed_at_resized_and_left(link: SshLink, server: str, tmp_path: Path) -> None:
    with link.open(f"{server}/fast?i=1", f"{server}/json", data=tmp_path) as terminal:
        terminal.wait_for("Done 2")
        terminal.send("n")
        terminal.wait_for("enter fetch")
        terminal.send(f"{server}/fast?typed\r")
        terminal.wait_for("Done 3")
        terminal.send("\x1b")
        terminal.wait_for("q quit")
        terminal.resize(140, 40)
        terminal.wait_for(lambda: len(terminal.lines[0].rstrip()) > 100)
        terminal.resize(60, 15)
        terminal.wait_for(lambda: "Done 3" in terminal.text)
        terminal.send("q")
        assert terminal.wait_exit() == 0
        assert "3fetches;handles3opened,3closed" in "".join(terminal.text.split())  # cut where a line ended
        assert not terminal.in_alternate_screen
    wait_until(lambda: not link.processes())
    assert (saved(tmp_path).done, saved(tmp_path).complete) == (3, True)


def bytes_a_second(terminal: PtyTerminal, seconds: float) -> float:
    before = terminal.bytes_out
    time.sleep(seconds)
    return (terminal.bytes_out - before) / seconds


@pytest.mark.parametrize(
    ("size", "rows", "most"), [((80, 24), 12, 6 * 1024), ((140, 40), 24, 12 * 1024)], ids=["80x24", "140x40"]
)
def test_live_rows_cost_few_bytes(
    link: SshLink, server: str, tmp_path: Path, size: tuple[int, int], rows: int, most: int
) -> None:
    urls = [f"{server}/drip?n=10000&every=0.1&i={number}" for number in range(rows)]
    with link.open("-j", str(rows), "--per-host", str(rows), *urls, size=size, data=tmp_path) as terminal:
        terminal.wait_for(lambda: terminal.text.count("RECV") >= 4)
        terminal.send("1f")  # all rows on the screen
        terminal.wait_for(lambda: terminal.text.count("RECV") == rows)
        time.sleep(1)
        rate = bytes_a_second(terminal, 5.0)
        print(f"{rate:.0f} bytes a second")
        assert 0 < rate <= most
        terminal.send("\x11")
        terminal.wait_exit()


def test_an_idle_screen_costs_nothing(link: SshLink, server: str, tmp_path: Path) -> None:
    with link.open(f"{server}/fast", data=tmp_path) as terminal:
        terminal.wait_for("Done 1")
        terminal.wait_for("CLOSED")
        terminal.wait_quiet(2.5)
        assert bytes_a_second(terminal, 3.0) == 0
        terminal.send("q")
        assert terminal.wait_exit() == 0


def kill_client(terminal: PtyTerminal, link: SshLink) -> None:
    terminal.process.kill()


def kill_session(terminal: PtyTerminal, link: SshLink) -> None:
    for process in link.sessions():
        process.kill()


def go_silent_then_kill(terminal: PtyTerminal, link: SshLink) -> None:
    """The link hangs while fetches end, and breaks only then."""
    sessions = link.sessions()
    for process in sessions:
        process.suspend()
    time.sleep(1.5)
    assert link.dashboard().is_running()
    for process in sessions:
        process.kill()


@pytest.mark.parametrize("cut", [kill_client, kill_session, go_silent_then_kill])
def test_a_cut_link_ends_it_with_everything_saved(
    link: SshLink, server: str, tmp_path: Path, cut: Callable[[PtyTerminal, SshLink], None]
) -> None:
    urls = [*(f"{server}/fast?i={number}" for number in range(5)), f"{server}/hang?i=5", f"{server}/drip?n=9999&i=6"]
    with link.open(*urls, data=tmp_path) as terminal:
        terminal.wait_for("Done 5")
        dashboard = link.dashboard()
        cut(terminal, link)
        psutil.wait_procs([dashboard], timeout=GONE_WITHIN)
        assert not dashboard.is_running()
    wait_until(lambda: not link.processes(), GONE_WITHIN)
    facts = saved(tmp_path)
    assert (facts.done, facts.failed, facts.left) == (5, 0, 2)
    assert facts.ended is not None
    with link.open("--resume", size=(100, 30), data=tmp_path) as terminal:
        terminal.wait_for("Done 5")
        for number in range(5):
            terminal.wait_for(f"fast?i={number}")
        terminal.wait_for("hang?i=5")
        terminal.wait_for(lambda: "RECV" in terminal.text)
        terminal.send("\x11")
        terminal.wait_exit()
    assert (saved(tmp_path).done, saved(tmp_path).left) == (5, 2)


def test_a_link_that_hangs_holds_no_fetch_up_and_shows_the_present_when_it_is_back(
    link: SshLink, server: str, tmp_path: Path
) -> None:
    drips = [f"{server}/drip?n=10000&every=0.05&i={number}" for number in range(8)]
    listed = tmp_path / "list"
    listed.write_text("".join(f"{server}/slow?s=0.02&i={number}\n" for number in range(600)))
    with link.open("--fps", "10", *drips, "-i", str(listed), "--per-host", "16", data=tmp_path) as terminal:
        terminal.wait_for("RECV")
        dashboard = link.dashboard()
        terminal.stop_reading()
        wait_until((tmp_path / "data" / "weakfetch-tui" / "runs.sqlite").exists)
        memory = dashboard.memory_info().rss
        wait_until(lambda: saved(tmp_path).done == 600, 60)
        assert dashboard.memory_info().rss < memory + 60 * 1024 * 1024
        terminal.resume_reading()
        terminal.wait_for("Done 600")
        os.kill(dashboard.pid, signal.SIGTERM)
        terminal.wait_exit()
