"""The file in which entered lines are kept across runs; many programs may write to it at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from fetch_engine.files.output_files import write_file
from tui.entry.history import fit_to_keep, merged

MAX_BYTES = 4 * 1024 * 1024  # read of a file that somebody else made longer than any of ours
PATIENCE = 2.0  # seconds that another program may hold the lock


def history_path() -> Path:
    """Where the file is: in the user's folder for state (XDG Base Directory Specification)."""
    from platformdirs import user_state_path

    return user_state_path("weakfetch-tui", appauthor=False) / "history"


class HistoryFile:
    """Lines at `path`, oldest first, readable by the user only.

    Each writer reads what others wrote, under a lock, and puts a new file in place of the old one: no reader ever
    sees half a file, and no line is lost. `error` says why the last attempt to write failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: str | None = None
        self._pending: deque[str] = deque()
        self._guard = threading.Lock()
        self._writer: threading.Thread | None = None

    def read(self) -> list[str]:
        """The lines, none if the file cannot be read."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - MAX_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return merged((), filter(None, map(fit_to_keep, text.split("\n"))))

    def add(self, line: str) -> None:
        """Write a line soon, in a thread: the disk may be slow."""
        self._pending.append(line)
        with self._guard:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_pending, name="history", daemon=True)
                self._writer.start()

    def close(self) -> None:
        """Wait until everything is written, for a bounded time."""
        with self._guard:
            writer = self._writer
        if writer is not None:
            writer.join(2 * PATIENCE)

    def write(self, lines: list[str]) -> None:
        """Add lines to the file now. Raises OSError, TimeoutError where another program does not let go of it."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            text = "".join(f"{line}\n" for line in merged(self.read(), lines))
            write_file(str(self.path), [text.encode("utf-8", "replace")], private=True)

    def _write_pending(self) -> None:
        while True:
            lines: list[str] = []
            while self._pending:
                lines.append(self._pending.popleft())
            try:
                self.write(lines)
                self.error = None
            except OSError as error:
                self.error = error.strerror or str(error)
            with self._guard:
                if not self._pending:
                    self._writer = None
                    return

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # A file of its own, as the other one is replaced. Closing the descriptor gives the lock back.
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise TimeoutError(None, "another program holds the lock of the history") from None
                    time.sleep(0.01)
            yield
        finally:
            os.close(lock)
