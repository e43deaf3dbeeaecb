"""A long body from the socket to the pager, by the real program on a real pseudo-terminal."""

from __future__ import annotations

import pathlib
import sys

import pytest

from tests.tui.pty_terminal import PtyTerminal
from tests.wire.servers import RawServer, answering

ROOT = pathlib.Path(__file__).parents[2]
LINES = 150_000
BODY = "".join(f"row {number:>6}\n" for number in range(LINES)).encode()
START = "from tui.cli import main; main()"


@pytest.mark.once
def test_all_of_a_long_body_is_seen_and_saved_and_nothing_is_left(tmp_path: pathlib.Path) -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    cache, target = tmp_path / "cache", tmp_path / "saved.txt"
    environ: dict[str, str | None] = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache), "PAGER": "tail -n 2"}
    with RawServer(answering(response)) as server:
        command = [sys.executable, "-c", START, server.url("/rows")]
        with PtyTerminal(command, env=environ, cwd=tmp_path) as terminal:
            terminal.wait_for("Done 1")
            terminal.send("\r")
            terminal.wait_for("first 1.0 of 1.6 MB, v for all")
            terminal.send("G")
            terminal.wait_for("-- first 1.0 of 1.6 MB, v for all --")
            spooled = list(cache.glob("weakfetch-tui/spool/*/*"))
            assert [path.stat().st_size for path in spooled] == [len(BODY)]
            terminal.send("s")
            terminal.wait_for("rows.txt")
            terminal.send(f"{target}\r")
            terminal.wait_for(target.exists)
            assert target.read_bytes() == BODY
            terminal.send("v")
            terminal.wait_for(lambda: f"row {LINES - 1:>6}".encode() in terminal.raw)
            terminal.wait_for(lambda: terminal.in_alternate_screen)
            terminal.send("q")
            terminal.wait_for("1 Active")
            terminal.send("q")
            assert terminal.wait_exit() == 0
    assert not list(cache.glob("weakfetch-tui/spool/*"))
