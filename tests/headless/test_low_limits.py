"""Too few descriptors, too little memory: one line that says which limit to raise, and exit code 2."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from tui.demo.server import demo_server
from tui.options.table import parse
from tui.run.shortage import shortage, too_little

pytestmark = pytest.mark.once

LIMIT = 60.0


def run(limit: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'{limit}; exec "$@"', "sh", sys.executable, "-m", "tui.cli", *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=LIMIT,
    )


@pytest.mark.parametrize("limit", ["-n 5", "-n 6", "-n 8", "-n 16", "-n 20", "-v 40000", "-v 60000", "-v 120000"])
@pytest.mark.parametrize("more", [["--headless"], ["--headless", "--processes", "2"]])
def test_a_limit_that_is_too_low_is_one_line(limit: str, more: list[str]) -> None:
    ended = run(f"ulimit {limit}", *more, "--no-store", "http://127.0.0.1:9/")
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("weakfetch-tui: ")
    assert ended.stdout == ""


def test_a_local_cluster_wants_more_descriptors() -> None:
    ended = run("ulimit -n 64", "--headless", "--no-store", "--cluster", "local:4", "http://127.0.0.1:9/")
    assert ended.returncode == 2
    assert "at most 64 files may be open" in ended.stderr


def test_with_just_enough_it_runs() -> None:
    free = len(os.listdir("/dev/fd"))
    with demo_server() as url:
        ended = run(f"ulimit -n {35 + free}; ulimit -v 170000", "--headless", "--no-store", f"{url}/fast")
    assert ended.returncode == 0, ended.stderr


def test_help_needs_next_to_nothing() -> None:
    ended = run("ulimit -n 8; ulimit -v 60000", "--help")
    assert ended.returncode == 0
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory"),
        (OSError(errno.EMFILE, "x"), "ulimit -n"),
        (OSError(errno.ENFILE, "x"), "the system"),
        (BlockingIOError(errno.EAGAIN, "x"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "threads"),
        (ImportError("libssl.so.3: failed to map segment from shared object"), "memory"),
        (ExceptionGroup("of tasks", [ValueError(), ExceptionGroup("inner", [MemoryError()])]), "memory"),
    ],
)
def test_what_the_system_lacks_is_told_from_bugs(error: Exception, said: str) -> None:
    assert said in (shortage(error) or "")
    for bug in (ValueError("x"), OSError(errno.ENOENT, "x"), ImportError("no module x"), RuntimeError("x")):
        assert shortage(bug) is None


def test_nothing_is_lacking_here() -> None:
    assert too_little(parse(["--headless", "http://h/"], stdout_is_terminal=False)) is None
