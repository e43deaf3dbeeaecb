"""The program as a subprocess."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Warnings are errors; what is raised where nobody can catch it is printed as "Exception ignored in".
PROGRAM = [sys.executable, "-X", "dev", "-W", "error", "-m", "tui.cli"]


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it wrote, each line parsed."""
        assert self.out == b"" or self.out.endswith(b"\n")
        return [json.loads(line) for line in self.out.splitlines()]


def check_stderr(err: str) -> str:
    """The text, unless it shows that something broke."""
    for sign in ("Traceback", "Exception ignored", "Warning", "never awaited"):
        assert sign not in err, err
    return err


def start(
    *args: str, shell: str = 'exec "$@"', command: Sequence[str] = PROGRAM, **options: Any
) -> subprocess.Popen[bytes]:
    """Start the program with pipes for all three descriptors, unless told otherwise; `shell` prepares its process."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(["sh", "-c", shell, "sh", *command, *args], **(pipes | options))


def run(*args: str, input: bytes = b"", **options: Any) -> Ended:
    """Run the program to its end."""
    with start(*args, **options) as process:
        try:
            out, err = process.communicate(input, timeout=60)
        finally:
            process.kill()
    return Ended(process.returncode, out or b"", check_stderr((err or b"").decode()))
