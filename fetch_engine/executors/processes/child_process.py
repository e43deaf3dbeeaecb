"""Starting and ending one child process, apart from what it is told.

It is a new interpreter, not a fork, and no business of `multiprocessing`: that would pass on what Textual has put in
the place of standard error, which has no descriptor.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from typing import IO

from fetch_engine.executors.frames import Frames

# Ctrl-C and a lost terminal reach all processes of a terminal, the end of a service all of its: the parent decides.
LEFT_TO_THE_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT_LIMIT = 1.0  # seconds from the end of its socket to the end of a process
_LAST_WORDS = 2000  # bytes


class ChildProcess:
    """`start` and `wait` are for a thread. frames: its socket, once there is one; to be closed in the event loop."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._killed = False
        self.frames: Frames | None = None

    @property
    def pid(self) -> int:
        """0 before it was started."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> Frames:
        """Start it. Raises OSError."""
        ours, theirs = socket.socketpair()
        frames = self.frames = Frames(ours)
        with theirs:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `wait`
            # The child is started with these blocked, until it ignores them: a Ctrl-C may come that early.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_THE_PARENT)
            try:
                self._process = subprocess.Popen(
                    _command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    pass_fds=(theirs.fileno(),),
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self._killed:
            self._process.kill()
        return frames

    def kill(self) -> None:
        """Have it end at once."""
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def wait(self) -> str:
        """Wait for its end, which the end of its socket has announced; returns the last that it said to its standard
        error, or what ended it."""
        process, errors = self._process, self._errors
        if errors is None:
            return ""
        if process is None:
            errors.close()
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_EXIT_LIMIT)
        process.kill()
        code = process.wait()
        with errors:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _LAST_WORDS))
            lines = errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended by signal {-code}" if code < 0 else f"it ended with {code}"


def _command(descriptor: int) -> list[str]:
    # -P: the working directory is no place to import from.
    warnings = [f"-W{option}" for option in sys.warnoptions]
    return [sys.executable, "-P", *warnings, "-m", "fetch_engine.executors.processes.child", str(descriptor)]
