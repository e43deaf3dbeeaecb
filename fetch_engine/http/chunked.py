"""Transfer coding chunked (RFC 9112 section 7.1), undone in bounded steps, and bounds on what it adds to a body."""

from __future__ import annotations

import re

from fetch_engine.http.heads import check_trailer, shown
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.results import ErrorKind

# Chunks undone in one step, measured at 1 ms on a slow machine.
MOST_CHUNKS = 500
LONGEST_LINE = 16 * 1024  # bytes of a chunk's size with its extensions, as in Node's parser
# What does not belong to the body may be four times the body, and a mebibyte: a body of a megabyte that comes byte by
# byte is read, one that never stops is not, nor one of extensions.
OVERHEAD_FACTOR = 4
OVERHEAD_ALLOWED = 1024 * 1024

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\0\r\n]*)?\r\n")
_LARGEST = (1 << 63) - 1
_TRAILER_END = re.compile(rb"\n\r?\n")


class Overhead:
    """What a body costs on the wire beyond its bytes. Raises AttemptFailed (protocol) past the bound."""

    __slots__ = ("_excess",)

    def __init__(self) -> None:
        self._excess = 0

    def add(self, framing: int, payload: int) -> None:
        """So many bytes of framing came with so many of the body."""
        excess = self._excess + framing - OVERHEAD_FACTOR * payload
        self._excess = excess if excess > 0 else 0  # what came before is no credit
        if excess > OVERHEAD_ALLOWED:
            raise AttemptFailed(ErrorKind.PROTOCOL, "the body comes in too small pieces, with too much around them")


class ChunkDecoder:
    """Fed with bytes as they come, it gives those of the body: `step` until it gives none and `is_stuck`.

    ended: the last chunk and the trailer have come. Behind them `rest` is not of this body.
    """

    __slots__ = ("_at", "_buffer", "_left", "_limits", "_overhead", "_size_is_next", "_trailer", "ended", "is_stuck")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = b""
        self._at = 0
        self._left = 0  # bytes of this chunk
        self._size_is_next = True
        self._trailer = False
        self._overhead = Overhead()
        self.ended = False
        self.is_stuck = True

    @property
    def rest(self) -> bytes:
        """What came and was not used."""
        return self._buffer[self._at :]

    def feed(self, data: bytes) -> None:
        """More has come."""
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        self.is_stuck = not self._buffer

    def step(self) -> bytes:
        """The bytes of the next chunks, at most MOST_CHUNKS of them. Raises AttemptFailed (protocol)."""
        pieces = []
        for _ in range(MOST_CHUNKS):
            if self.ended or self._trailer or not (self._left or self._has_next()):
                break
            piece = self._buffer[self._at : self._at + self._left]
            self._at += len(piece)
            self._left -= len(piece)
            pieces.append(piece)
            if self._left:
                break
        else:
            return b"".join(pieces)
        if self._trailer and not self.ended:
            self._read_trailer()
        self.is_stuck = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _has_next(self) -> bool:
        """Whether there is a next chunk; its size is read then."""
        buffer = self._buffer
        if not self._size_is_next:  # the end of the chunk before it
            if not buffer.startswith(b"\r\n", self._at):
                if not b"\r\n".startswith(buffer[self._at : self._at + 2]):
                    raise _wrong("a chunk longer than its size")
                return False
            self._at += 2
            self._size_is_next = True
        end = buffer.find(b"\n", self._at, self._at + LONGEST_LINE) + 1
        if not end:
            if len(buffer) - self._at >= LONGEST_LINE:
                raise _wrong(f"the size of a chunk with more than {LONGEST_LINE} bytes of extensions")
            return False
        match = _SIZE.fullmatch(buffer, self._at, end)
        if match is None:
            raise _wrong(f"illegal chunk size: {shown(buffer[self._at : end])}")
        size = int(match[1], 16)
        if size > _LARGEST:
            raise _wrong(f"illegal chunk size: {shown(buffer[self._at : end])}")
        self._overhead.add(end - self._at + 2, size)
        self._at = end
        if not size:
            self._trailer = True
            return False
        self._left = size
        self._size_is_next = False
        return True

    def _read_trailer(self) -> None:
        for blank in (b"\r\n", b"\n"):
            if self._buffer.startswith(blank, self._at):
                self._at += len(blank)
                self.ended = True
                return
        end = _TRAILER_END.search(self._buffer, self._at)
        size = (len(self._buffer) if end is None else end.end()) - self._at
        if size > self._limits.max_header_bytes:
            raise _wrong(f"more than {self._limits.max_header_bytes} bytes of trailers")
        if self._buffer.count(b"\n", self._at, self._at + size) > self._limits.max_headers + 1:
            raise _wrong(f"more than {self._limits.max_headers} trailer fields")
        if end is not None:
            check_trailer([line + b"\n" for line in self._buffer[self._at : end.start()].split(b"\n")])
            self._at = end.end()
            self.ended = True


def _wrong(why: str) -> AttemptFailed:
    return AttemptFailed(ErrorKind.PROTOCOL, why)
