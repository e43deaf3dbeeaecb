"""What was asked for, whatever of it has been read: in the questions, the header, the history and at the end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetch_engine.store.reader import Reader, RunFacts, StoreError
from tests.tui.pty_terminal import PtyTerminal
from tui.demo.server import demo_server

PROGRAM = [sys.executable, "-m", "tui.cli"]
LIMIT = 60.0
COUNT = 2000


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def facts(data: Path) -> RunFacts | None:
    try:
        with Reader(data / "weakfetch-tui" / "runs.sqlite") as reader:
            return reader.run(1)
    except StoreError:  # it is being made
        return None


def history(data: Path) -> list[str]:
    env = {"PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(data), "HOME": str(data)}
    done = subprocess.run([*PROGRAM, "--history"], env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[1].split()[3:-1]


def listed(tmp_path: Path, lines: list[str]) -> str:
    path = tmp_path / "list"
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def slow(server: str, tmp_path: Path, *options: str, count: int = COUNT) -> list[str]:
    """The program over a list whose fetches last until they are cancelled."""
    name = listed(tmp_path, [f"{server}/hang?i={number}" for number in range(count)])
    return [*PROGRAM, "-j", "4", *options, "-i", name]


def test_cancelling_all_stops_the_list_too(server: str, tmp_path: Path) -> None:
    with PtyTerminal(slow(server, tmp_path), size=(120, 30), env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("+1,984 waiting", LIMIT)  # 16 have a row
        terminal.send("X")
        terminal.wait_for(f"Cancel {COUNT:,} fetches that have not ended?", LIMIT)
        terminal.send("y")
        terminal.wait_for("16 cancelled", LIMIT)
        terminal.wait_for("0 running", LIMIT)
        terminal.wait_quiet()
        assert "waiting" not in terminal.lines[0]
        assert "16 cancelled" in terminal.lines[0]
        terminal.send("q")
        assert terminal.wait_exit(LIMIT) == 1
        assert "0 ok, 0 failed, 16 cancelled in " in " ".join(terminal.text.split())
    run = facts(tmp_path)
    assert run is not None
    assert (run.complete, run.left, run.unread) == (True, 0, 0)
    assert history(tmp_path) == ["complete", "0", "16", "0"]


def test_a_list_of_unknown_length_is_said_to_have_more(server: str, tmp_path: Path) -> None:
    command = [*PROGRAM, "-j", "4", "-i", "-"]
    env: dict[str, str | None] = {"XDG_DATA_HOME": str(tmp_path)}
    with PtyTerminal(command, size=(120, 30), env=env, stdin=subprocess.PIPE) as terminal:
        assert terminal.process.stdin is not None
        terminal.process.stdin.write("".join(f"{server}/hang?i={n}\n" for n in range(8)).encode())
        terminal.process.stdin.flush()
        terminal.wait_for("8 running", LIMIT)
        assert "+0+ waiting" in terminal.lines[0]
        terminal.send("X")
        terminal.wait_for("Cancel 8 fetches and read no further in the list?", LIMIT)
        terminal.send("y")
        terminal.wait_for("8 cancelled", LIMIT)
        terminal.process.stdin.write(f"{server}/fast\n".encode())
        terminal.process.stdin.flush()
        terminal.wait_quiet()
        assert "2xx 0" in terminal.lines[0]
        terminal.send("q")
        assert terminal.wait_exit(LIMIT) == 1
    assert history(tmp_path) == ["complete", "0", "8", "0"]


def test_quitting_counts_what_is_left_in_the_list(server: str, tmp_path: Path) -> None:
    with PtyTerminal(slow(server, tmp_path), size=(120, 30), env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("waiting", LIMIT)
        terminal.send("q")
        terminal.wait_for(f"{COUNT:,} fetches are not done. Quit and cancel?", LIMIT)
        terminal.send("y")
        assert terminal.wait_exit(LIMIT) == 1
        assert f"0 ok, 0 failed, {COUNT:,} not done in " in " ".join(terminal.text.split())
    assert history(tmp_path)[-1] == str(COUNT)


def test_killed_and_resumed_all_numbers_are_of_the_whole_list(server: str, tmp_path: Path) -> None:
    lines = [f"{server}/fast?i={n}" for n in range(20)] + [f"{server}/status/404"]
    lines += [f"{server}/hang?i={n}" for n in range(COUNT - len(lines))]
    command = [*PROGRAM, "-j", "4", "-i", listed(tmp_path, lines)]
    with PtyTerminal(command, size=(120, 30), env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for(lambda: (run := facts(tmp_path)) is not None and run.done == 21, LIMIT)
        terminal.wait_for(lambda: "2xx 20  4xx 1" in terminal.lines[0], LIMIT)
        terminal.signal(signal.SIGKILL)
        terminal.wait_exit(LIMIT)
    assert history(tmp_path) == ["cut", "short", "20", "1", str(COUNT - 21)]
    command = [*PROGRAM, "-j", "4", "--exit-report", "--resume"]
    with PtyTerminal(command, size=(120, 30), env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for(lambda: "Done 21" in terminal.text and "2xx 20" in terminal.lines[0], LIMIT)
        terminal.wait_for("16 running", LIMIT)
        assert f"+{COUNT - 21 - 16:,} waiting" in terminal.lines[0]
        assert "4xx 1" in terminal.lines[0]
        terminal.send("o")
        terminal.wait_for("21 before", LIMIT)
        terminal.send("o")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit(LIMIT) == 128 + signal.SIGTERM
        report = json.loads(re.findall(rb'\{"fetches.*?\}\r?\n', bytes(terminal.raw))[-1])
        assert report["left"] == COUNT - 21
    assert history(tmp_path)[-1] == str(COUNT - 21)


def test_a_start_without_urls_leaves_no_run(tmp_path: Path) -> None:
    with PtyTerminal(PROGRAM, env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("LIVE", LIMIT)
        terminal.send("q")
        assert terminal.wait_exit(LIMIT) == 0
    assert facts(tmp_path) is None


@pytest.mark.parametrize(("given", "code"), [("none", 0), ("4xx", 1), ("5xx", 0), ("5xx,404", 1)])
def test_the_exit_code_follows_fail_on(server: str, tmp_path: Path, given: str, code: int) -> None:
    command = [*PROGRAM, "--fail-on", given, f"{server}/fast", f"{server}/status/404"]
    with PtyTerminal(command, env={"XDG_DATA_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("Done 2", LIMIT)
        terminal.send("q")
        assert terminal.wait_exit(LIMIT) == code
        assert "1 ok, 1 failed in " in " ".join(terminal.text.split())


def test_a_wrong_fail_on_is_a_usage_error(tmp_path: Path) -> None:
    with PtyTerminal([*PROGRAM, "--fail-on", "some", "http://127.0.0.1:9/"]) as terminal:
        assert terminal.wait_exit(LIMIT) == 2
        assert "--fail-on" in terminal.text
