"""The URL field of the real program: what it sends over sockets, and what the next run knows of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tui.pty_terminal import PtyTerminal
from tests.wire.servers import Connection, RawServer, echoing

PROGRAM = [sys.executable, "-m", "tui.cli"]


def leave(terminal: PtyTerminal) -> None:
    terminal.send("\x1b")
    terminal.wait_for(lambda: "ctrl+r" not in terminal.text)
    terminal.send("q")
    terminal.wait_exit()


@pytest.mark.once
def test_what_was_entered_is_sent_and_there_in_the_next_run(tmp_path: Path) -> None:
    env: dict[str, str | None] = {"XDG_STATE_HOME": str(tmp_path)}
    seen: list[bytes] = []

    def noting(connection: Connection) -> None:
        while request := connection.request():
            seen.append(request)
            connection.answer(b"taken")

    with RawServer(noting) as server:
        with PtyTerminal(PROGRAM, env=env) as terminal:
            terminal.wait_for("n takes a URL")
            terminal.send("n")
            terminal.wait_for("ctrl+r")
            terminal.paste(
                f"curl -X PUT \\\n -u user:s3cret -H 'X-A: b' \\\n --data-raw 'x=1' {server.url('/[1-2]')}\n"
            )
            terminal.wait_for("2 requests, PUT, 3 headers, body 3")
            terminal.send("\r")
            terminal.wait_for("Done 2")
            assert b"s3cret" not in terminal.raw
            leave(terminal)
        assert sorted(request.split(b" HTTP", 1)[0] for request in seen) == [b"PUT /1", b"PUT /2"]
        assert all(b"\r\nX-A: b\r\n" in request and request.endswith(b"\r\n\r\nx=1") for request in seen)
        assert all(b"\r\nAuthorization: Basic dXNlcjpzM2NyZXQ=\r\n" in request for request in seen)

    kept = tmp_path / "weakfetch-tui" / "history"
    assert "s3cret" not in kept.read_text()
    assert "dXNlcjpzM2NyZXQ" not in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600

    with PtyTerminal(PROGRAM, env=env, size=(140, 40)) as terminal:
        terminal.wait_for("n takes a URL")
        terminal.send("n")
        terminal.wait_for("ctrl+r")
        terminal.send("\x1b[A")
        terminal.wait_for("--data-raw x=1")
        terminal.send("\r")
        terminal.wait_for("the value of Authorization was left out")
        leave(terminal)


@pytest.mark.once
def test_a_large_glob_asks_and_is_fetched_bit_by_bit(tmp_path: Path) -> None:
    with (
        RawServer(echoing) as server,
        PtyTerminal(PROGRAM, env={"XDG_STATE_HOME": str(tmp_path)}, size=(140, 40)) as terminal,
    ):
        terminal.wait_for("n takes a URL")
        terminal.send("n")
        terminal.wait_for("ctrl+r")
        terminal.paste(server.url("/[1-1000000]"))
        terminal.wait_for("1,000,000 URLs")
        terminal.send("\r")
        terminal.wait_for("Fetch 1,000,000 URLs?")
        terminal.send("y")
        terminal.wait_for("+99")  # of the million the most still wait
        terminal.send("\x03")
        terminal.wait_exit()
