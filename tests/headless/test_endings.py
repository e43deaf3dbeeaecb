"""However it ends: by a signal, a reader that goes or stops, a full disk. A message, an exit code, no half line."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.headless.program import check_stderr, run, start
from tests.headless.test_headless import next_line
from tui.demo.server import demo_server
from tui.run.exit_report import open_descriptors

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def parsed(out: bytes) -> list[str]:
    """The URLs of the lines, each of which must be whole."""
    assert out == b"" or out.endswith(b"\n")
    return [json.loads(line)["url"] for line in out.splitlines()]


def unread(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout
    return int(struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0\0\0\0"))[0])


def wait_until_output_is_blocked(process: subprocess.Popen[bytes]) -> None:
    """The pipe is full, and stays so."""
    deadline = time.monotonic() + 30
    before, now = -1, 0
    while now < 30_000 or now != before:
        assert time.monotonic() < deadline, "output never filled the pipe"
        time.sleep(0.2)
        before, now = now, unread(process)


MANY_LINES = b"".join(b"not a url %d\n" % number for number in range(5000))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGTERM, 143)], ids=["INT", "HUP", "TERM"]
)
def test_a_signal_ends_it_with_all_that_had_finished_written(server: str, number: signal.Signals, code: int) -> None:
    urls = [f"{server}/fast?i={index}" for index in range(20)]
    with start(*urls, f"{server}/hang", f"{server}/drip", f"{server}/stall", "--exit-report", "-") as process:
        lines = [next_line(process)["url"] for _ in urls]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert sorted(lines) == sorted(urls)
    assert parsed(out) == []
    report = json.loads(check_stderr(err.decode()).splitlines()[-1])
    assert (report["clean"], report["fetches"], report["opened"], report["alive"]) == (True, 20, 23, 0)


def test_an_ignored_hangup_stays_ignored(server: str) -> None:
    with start("-", shell='trap "" HUP; exec "$@"') as process:
        assert process.stdin
        process.stdin.write(f"{server}/fast\n".encode())
        process.stdin.flush()
        next_line(process)
        process.send_signal(signal.SIGHUP)
        process.stdin.write(f"{server}/fast?again\n".encode())
        process.stdin.flush()
        next_line(process)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")


def test_a_signal_while_nobody_reads_ends_it_with_whole_lines() -> None:
    with start("-", "--exit-report") as process:
        assert process.stdin
        process.stdin.write(MANY_LINES)
        process.stdin.flush()
        wait_until_output_is_blocked(process)
        process.terminate()
        assert process.wait(timeout=60) == 143
        out, err = process.communicate()
    assert len(parsed(out)) > 50
    assert "does not read" in check_stderr(err.decode())


def test_a_signal_while_nobody_reads_either_output_ends_it_too() -> None:
    # Not in development mode: asyncio then logs slow callbacks on standard error, and waits for its reader.
    with start("-", command=[sys.executable, "-m", "tui.cli"], stderr=subprocess.STDOUT) as process:
        assert process.stdin
        process.stdin.write(MANY_LINES)
        process.stdin.flush()
        wait_until_output_is_blocked(process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=60) == 129
        process.communicate()


def test_a_reader_that_is_only_slow_gets_everything() -> None:
    with start("-") as process:
        assert process.stdin
        process.stdin.write(MANY_LINES)
        process.stdin.close()
        wait_until_output_is_blocked(process)
        process.stdin = None
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert sorted(parsed(out)) == sorted(MANY_LINES.decode().splitlines())
    check_stderr(err.decode())


def test_a_reader_that_stops_holds_back_the_input_and_the_memory() -> None:
    """200 MB of lines are offered; only what the buffers hold is taken."""
    with start("-") as process:
        assert process.stdin
        os.set_blocking(process.stdin.fileno(), False)
        line = b"not a url " + b"x" * 990 + b"\n"
        taken = 0
        last = time.monotonic()
        # A program that has not begun to read yet is no reader that holds it back.
        while taken < 200_000_000 and time.monotonic() - last < (2 if taken > 100_000 else 60):
            try:
                taken += os.write(process.stdin.fileno(), line * 60)
                last = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        assert 100_000 < taken < 10_000_000
        with open(f"/proc/{process.pid}/status") as status:
            peak = next(int(row.split()[1]) for row in status if row.startswith("VmHWM"))
        assert peak < 200_000  # KiB
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143


@pytest.mark.parametrize("patch", ["LAST_RESORT = 0.5", ""], ids=["timer", "second signal"])
def test_what_hangs_at_the_end_is_ended_all_the_same(patch: str) -> None:
    settings = f"h.PATIENCE = 1000; h.{patch or 'LAST_RESORT = 1000'}"
    code = f"import sys, tui.cli, tui.headless.run as h; {settings}; sys.exit(tui.cli.main(['-']))"
    with start(command=[sys.executable, "-c", code]) as process:
        assert process.stdin
        process.stdin.write(MANY_LINES)
        process.stdin.flush()
        wait_until_output_is_blocked(process)
        process.send_signal(signal.SIGINT)
        if not patch:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        out, err = process.communicate()
    assert parsed(out)
    check_stderr(err.decode())


def test_head_takes_one_line_and_goes(server: str) -> None:
    urls = [f"{server}/fast", f"{server}/slow?s=0.7", f"{server}/hang"]
    with start(*urls) as process:
        assert process.stdout
        assert process.stdin
        process.stdin.close()
        done = subprocess.run(["head", "-n", "1"], stdin=process.stdout, capture_output=True, timeout=60, check=True)
        process.stdout.close()
        assert process.wait(timeout=60) == 1
        assert process.stderr
        err = check_stderr(process.stderr.read().decode())
    assert parsed(done.stdout) == urls[:1]
    assert "weakfetch-tui: the reader of the results has gone, after 2 results\n" in err


def test_a_full_disk_is_told(server: str) -> None:
    with open("/dev/full", "wb") as full:
        ended = run(f"{server}/fast", f"{server}/hang", stdout=full)
    assert ended.code == 1
    assert "weakfetch-tui: writing results failed: No space left on device, after 1 results\n" in ended.err


def test_nobody_reads_the_messages(server: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = run(f"{server}/fast", stderr=writing)
    finally:
        os.close(writing)
    assert ended.code == 0
    assert len(ended.lines) == 1


def test_input_that_cannot_be_read_on_is_told(server: str) -> None:
    with open(os.devnull, "wb") as not_readable:
        ended = run(f"{server}/fast", "-", stdin=not_readable)
    assert ended.code == 1
    assert len(ended.lines) == 1
    assert "weakfetch-tui: reading URLs failed: Bad file descriptor\n" in ended.err


# Tells the peak memory of the program, in KiB, on standard error.
MEASURED = """import resource, subprocess, sys
subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"""


def test_memory_does_not_grow_with_the_list(server: str) -> None:
    def peak(count: int) -> int:
        lines = (f"{server}/fast?i={number}" if number % 20 == 0 else f"not a url {number}" for number in range(count))
        with start("-", command=[sys.executable, "-c", MEASURED, sys.executable, "-m", "tui.cli"]) as process:
            out, err = process.communicate("\n".join(lines).encode(), timeout=100)
        assert out.count(b"\n") == count
        return int(err.decode().splitlines()[-1])

    assert peak(20_000) - peak(2_000) < 8_000


def test_the_descriptor_of_a_library_is_none_of_a_fetch(tmp_path: Path) -> None:
    """libffi 3.5 keeps one open from the first use of ctypes on; an end was called unclean for it."""
    library = tmp_path / "libffi.so.8.5.0"
    library.touch()
    before = open_descriptors()
    with library.open() as _, (tmp_path / "body").open("w") as _:
        assert open_descriptors() == before + 1
