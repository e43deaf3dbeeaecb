"""Where the bytes of a body are: in the record, in the spool, or where a worker put them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fetch_engine.model.results import FetchResult
from tui.text.plain_text import size


@dataclass(frozen=True, slots=True)
class BodySource:
    """A body as far as it is still there.

    size: of the whole body, in bytes. trimmed: the record was cut since. elsewhere: the place in which a worker of a
    cluster put it, which can be read from here only where both share a file system.
    """

    preview: bytes
    size: int
    path: str | None
    content_type: str
    not_spooled: str | None = None
    trimmed: bool = False
    elsewhere: str | None = None

    @classmethod
    def of(cls, result: FetchResult, *, trimmed: bool = False) -> BodySource:
        """The source of a result's body."""
        place = path = result.body_path
        if place is not None and "://" in place:
            path = place.removeprefix("file://") if place.startswith("file:///") else None
        elif result.carried_by is None:
            place = None
        return cls(result.preview, result.body_size, path, result.content_type, result.not_spooled, trimmed, place)

    @property
    def in_memory(self) -> bool:
        """Whether all of it is in the record."""
        return len(self.preview) >= self.size

    def read(self, limit: int) -> bytes:
        """The first bytes, at most `limit`, as many as there are. Reads a file: not for the event loop."""
        if not self.in_memory and self.path is not None and self._is_here(self.path):
            try:
                with open(self.path, "rb") as file:
                    return file.read(limit)
            except OSError:
                pass  # it went to bound the disk
        return self.preview[:limit]

    def available(self) -> int:
        """How many bytes can still be read."""
        if not self.in_memory and self.path is not None and self._is_here(self.path):
            return self.size
        return len(self.preview)

    def _is_here(self, path: str) -> bool:
        try:
            # A worker's path may be that of another file here.
            return os.path.isfile(path) and (self.elsewhere is None or os.path.getsize(path) == self.size)
        except OSError:
            return False

    def why_incomplete(self) -> str:
        """Why there is less than the body had; "" where there is all."""
        if self.available() >= self.size:
            return ""
        if self.elsewhere is not None:
            return f"all of it is at {self.elsewhere}, which cannot be read from here"
        if self.path is not None:
            return "the rest was let go of to bound the disk"
        if self.not_spooled is not None:
            return f"the rest is not on disk: {self.not_spooled}"
        return "the rest was let go of to bound memory" if self.trimmed else "the rest was not kept"


def of_how_much(part: int, whole: int) -> str:
    """`first 1.0 of 5.0 MB`: a part and the whole in one unit."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if whole >= unit:
            if part * 100 < unit * 5:
                return (
                    f"first {size(part)}B of {whole / unit:.1f} {name}"
                    if part >= 1000
                    else (f"first {part} bytes of {whole / unit:.1f} {name}")
                )
            return f"first {part / unit:.1f} of {whole / unit:.1f} {name}"
    return f"first {part} of {whole} bytes"
