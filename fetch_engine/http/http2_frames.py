"""The frames of HTTP/2, counted, and GOAWAY taken out of them before h2 sees it.

h2 regards a connection as closed from GOAWAY on, and the rest of the responses that were promised with it as a
violation; servers that end a connection in good order after so many requests would lose us those responses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from h2.exceptions import FrameTooLargeError

_HEADER = 9
_HEADERS, _PUSH_PROMISE, _GOAWAY, _CONTINUATION = 1, 5, 7, 9
_HEADS_A_TURN = 2048  # bytes: fields of a byte each take h2 2 µs; a larger head has a turn for itself
MOST_EMPTY = 1000
EMPTY_A_SECOND = 10
EMPTY_FOR_EACH = 20
_LARGEST = 16 * 1024  # SETTINGS_MAX_FRAME_SIZE as it is when nobody says otherwise


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server will not answer streams above `last_stream` (RFC 9113 section 6.8)."""

    last_stream: int
    code: int


class FrameSplitter:
    """Follows the boundaries of frames through the bytes from the server: `feed`, then `take` while it gives something.

    taken: how many frames began in what was taken last. has_more: there may be more to take.
    """

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._left = 0  # bytes of the frame that has begun
        self._heads = 0  # bytes of header blocks in it
        self.taken = 0
        self.has_more = False

    def feed(self, data: bytes) -> None:
        """More has come."""
        self._data = self._data[self._at :] + data
        self._at = 0
        self.has_more = True

    def take(self, most: int) -> bytes | GoAway | None:
        """Bytes for h2 in which at most `most` frames begin and either a large head ends or some small ones, or a
        GOAWAY by itself; None if more must come first.

        Raises FrameTooLargeError.
        """
        data, start = self._data, self._at
        at = min(start + self._left, len(data))
        heads = self._heads if self._left else 0
        self._left -= at - start
        self.taken = 0
        while not self._left and self.taken < most and len(data) - at >= _HEADER:
            length = int.from_bytes(data[at : at + 3], "big")
            if length > _LARGEST:
                # h2 would first collect all of it.
                raise FrameTooLargeError("frame larger than allowed, or no HTTP/2 at all")
            head = _size_of_head(data[at + 3], length)
            if heads and head and heads + head > _HEADS_A_TURN:
                break
            end = at + _HEADER + length
            if data[at + 3] == _GOAWAY and length >= 8:
                if at > start or end > len(data):
                    break
                self.taken, self._at = 1, end
                last_stream = int.from_bytes(data[at + _HEADER : at + _HEADER + 4], "big") & 0x7FFFFFFF
                return GoAway(last_stream, int.from_bytes(data[at + _HEADER + 4 : at + _HEADER + 8], "big"))
            self.taken += 1
            heads += head
            self._heads = head
            at = min(end, len(data))
            self._left = end - at
        self._at = at
        self.has_more = at > start
        return data[start:at] if at > start else None


def _size_of_head(kind: int, length: int) -> int:
    """Bytes of a header block that may end with this frame."""
    if kind == _CONTINUATION:
        return _HEADS_A_TURN + length  # with what came before it
    return length if kind in (_HEADERS, _PUSH_PROMISE) else 0


class FrameBudget:
    """Frames that carry nothing, which a peer can send for ever (CVE-2019-9511 to 9518): so many at once, so many a
    second, and so many with each frame that carries something."""

    __slots__ = ("_left", "_now", "_since")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since = now()
        self._left = float(MOST_EMPTY)

    def spend(self, frames: int) -> bool:
        """So many came; whether that is still within bounds."""
        now = self._now()
        self._left = min(self._left + (now - self._since) * EMPTY_A_SECOND, MOST_EMPTY) - frames
        self._since = now
        return self._left >= 0

    def earn(self) -> None:
        """One of them was of use, or we sent something that is to be answered."""
        self._left = min(self._left + EMPTY_FOR_EACH, MOST_EMPTY)
