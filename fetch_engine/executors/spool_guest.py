"""The part of a spool that a child process writes to."""

from __future__ import annotations

from fetch_engine.bodies.spool import SpoolFolder


class SpoolGuest(SpoolFolder):
    """A folder in the spool of another process, which adopts each body that is complete and removes what is left.

    max_bytes: of the bodies that are still being written.
    """

    def __init__(self, folder: str, max_bytes: int) -> None:
        super().__init__(folder, max_bytes)
        self._path = folder

    def keep(self, path: str) -> None:
        """A file is complete, and no business of this process any more."""
        with self._lock:
            self.size -= self._growing.pop(path, 0)
