"""A program run to its end, with what it cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())")  # as the installed script
LIMIT = 600.0  # seconds

# In between, because Linux counts the memory of the process that forks as the child's peak (execve keeps ru_maxrss),
# and the bench is larger than what it measures.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
wall = time.perf_counter() - start
child.returncode = code = os.waitstatus_to_exitcode(status)
os.write(int(sys.argv[1]), json.dumps([code, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]).encode())
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A child that has ended. wall, cpu: seconds; max_rss: bytes at the peak."""

    code: int
    wall: float
    cpu: float
    max_rss: int
    stdout: str
    stderr: str


def run_child(command: Sequence[str], *, quiet: bool = False, limit: float = LIMIT) -> Ran:
    """Run it from the root of the checkout. quiet: its standard output is not kept.

    Raises RuntimeError where it takes longer than `limit` seconds.
    """
    read_end, write_end = os.pipe()
    try:
        launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(write_end), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            pass_fds=[write_end],
            start_new_session=True,
        )
        try:
            stdout, stderr = launcher.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(launcher.pid, signal.SIGKILL)
            launcher.communicate()
            raise RuntimeError(f"still running after {limit:g} s: {' '.join(command)}") from None
        os.close(write_end)
        write_end = -1
        code, wall, cpu, max_rss = json.loads(os.read(read_end, 4096))
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    unit = 1 if sys.platform == "darwin" else 1024
    return Ran(code, wall, cpu, max_rss * unit, stdout or "", stderr)


def run_program(*arguments: str, quiet: bool = True, limit: float = LIMIT) -> Ran:
    """Run weakfetch-tui. Raises RuntimeError where it fails."""
    ran = run_child([*PROGRAM, *arguments], quiet=quiet, limit=limit)
    if ran.code not in (0, 1):
        raise RuntimeError(f"exit code {ran.code}: {ran.stderr}")
    return ran


def run_probe(module: str, *arguments: str, limit: float = LIMIT) -> dict[str, float]:
    """Run a module of this package, which prints its figures as one JSON object. Raises RuntimeError where it fails."""
    ran = run_child([sys.executable, "-m", f"tests.bench.{module}", *arguments], limit=limit)
    if ran.code != 0:
        raise RuntimeError(f"{module}: exit code {ran.code}: {ran.stderr}")
    figures: dict[str, float] = json.loads(ran.stdout)
    return figures
