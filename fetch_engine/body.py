"""Where a decoded body goes: counted, hashed, its beginning kept, the rest spooled or forgotten."""

from __future__ import annotations

import hashlib

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Limits
from fetch_engine.results import ErrorKind
from fetch_engine.spool import SpoolFile, SpoolFolder


class BodySink:
    """Takes the decoded body piece by piece, in memory bounded by `Limits.preview_size`.

    With a spool, a body that is longer goes into a file there. In the `async with` block of the sink await `flush`
    whenever `is_due`, and `finish` at the end of the body; a block that is left without it leaves no file.
    """

    __slots__ = ("_file", "_hash", "_limits", "_preview", "_spool", "path", "size")

    def __init__(self, limits: Limits, spool: SpoolFolder | None = None) -> None:
        self._limits = limits
        self._hash = hashlib.sha256()
        self._preview = bytearray()
        self._spool = spool
        self._file: SpoolFile | None = None
        self.size = 0
        self.path: str | None = None

    async def __aenter__(self) -> BodySink:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._file is not None:
            await self._file.discard()

    def write(self, data: bytes) -> None:
        """Add bytes. Raises AttemptFailed (too-large) past `Limits.max_body`."""
        check_size(self.size + len(data), self._limits)
        self._hash.update(data)
        missing = self._limits.preview_size - len(self._preview)
        if missing > 0:
            self._preview += data[:missing]
        if self._spool is not None and self.size + len(data) > self._limits.preview_size:
            self._to_spool(self._spool, data, max(0, missing))
        self.size += len(data)

    def _to_spool(self, spool: SpoolFolder, data: bytes, previewed: int) -> None:
        if self._file is None:
            self._file = SpoolFile(spool)
            self._file.add(bytes(self._preview))
            data = data[previewed:]
        if data:
            self._file.add(data)

    @property
    def is_due(self) -> bool:
        """Whether `flush` is to be awaited before more is written."""
        return self._file is not None and self._file.is_due

    async def flush(self) -> None:
        """Write to the spool what waits for it."""
        if self._file is not None:
            await self._file.flush()

    async def finish(self) -> None:
        """The body is complete: `path` says where all of it is, if it was spooled."""
        if self._file is not None:
            self.path = await self._file.finish()

    @property
    def not_spooled(self) -> str | None:
        """Why a body that was to be spooled is not."""
        return None if self._file is None else self._file.error

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
