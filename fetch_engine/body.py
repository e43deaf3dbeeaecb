"""Where a decoded body goes: counted, hashed, its beginning kept, the rest forgotten."""

from __future__ import annotations

import hashlib

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits
from fetch_engine.results import ErrorKind


class BodySink:
    """Takes the decoded body piece by piece, in memory bounded by `Limits.preview_size`."""

    __slots__ = ("_hash", "_limits", "_preview", "size")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._hash = hashlib.sha256()
        self._preview = bytearray()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes. Raises AttemptFailed (too-large) past `Limits.max_body`."""
        check_size(self.size + len(data), self._limits)
        self._hash.update(data)
        missing = self._limits.preview_size - len(self._preview)
        if missing > 0:
            self._preview += data[:missing]
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hex."""
        return self._hash.hexdigest()

    @property
    def preview(self) -> bytes:
        """The first bytes."""
        return bytes(self._preview)


def check_size(size: int, limits: Limits) -> None:
    """Raise AttemptFailed (too-large) if a body of so many decoded bytes is not wanted."""
    if size > limits.max_body:
        raise AttemptFailed(ErrorKind.TOO_LARGE, f"body larger than {limits.max_body} bytes")
