"""GOAWAY, taken out of the stream of HTTP/2 frames before h2 sees it.

h2 regards a connection as closed from GOAWAY on, and the rest of the responses that were promised with it as a
violation; servers that end a connection in good order after so many requests would lose us those responses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from h2.exceptions import FrameTooLargeError

_HEADER = 9
_GOAWAY = 7
_LARGEST = 16 * 1024  # SETTINGS_MAX_FRAME_SIZE as it is when nobody says otherwise


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server will not answer streams above `last_stream` (RFC 9113 section 6.8)."""

    last_stream: int
    code: int


class FrameSplitter:
    """Follows the boundaries of frames through the bytes from the server."""

    def __init__(self) -> None:
        self._held = b""
        self._left = 0

    def feed(self, data: bytes) -> Iterator[bytes | GoAway]:
        """What `data` completes: runs of bytes for h2, and each GOAWAY by itself, in order.

        Raises FrameTooLargeError.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        passed, at = 0, min(self._left, len(data))
        self._left -= at
        while at < len(data):
            if len(data) - at < _HEADER:
                self._held = data[at:]
                break
            length = int.from_bytes(data[at : at + 3], "big")
            if length > _LARGEST:
                # h2 would first collect all of it.
                raise FrameTooLargeError("frame larger than allowed, or no HTTP/2 at all")
            end = at + _HEADER + length
            if data[at + 3] == _GOAWAY and length >= 8:
                if at > passed:
                    yield data[passed:at]
                passed = at
                if end > len(data):
                    self._held = data[at:]
                    break
                payload = data[at + _HEADER : end]
                last_stream = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
                yield GoAway(last_stream, int.from_bytes(payload[4:8], "big"))
                passed = end
            at = min(end, len(data))
            self._left = end - at
        ended = len(data) - len(self._held)
        if ended > passed:
            yield data[passed:ended]
