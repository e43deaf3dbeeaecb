"""Header blocks of HTTP/2, measured before they are decoded (RFC 7541)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hpack
import hpack.exceptions

# What a block may cost, in Huffman-coded bytes, each of which takes hpack 0.13 µs: 4 ms in all. That is some 40 KB of
# text in a few fields; servers end far below (Node at 16 KiB, nginx as a proxy at 4 to 8).
_MOST_WORK = 32 * 1024
_FOR_EACH = 24  # a field, which takes hpack and h2 3 µs
_COPIED = 4096  # bytes that are copied meanwhile: for each field hpack copies the rest of the block


class BoundedDecoder(hpack.Decoder):
    """Refuses blocks of more than `most` fields, or that take long to decode, before it decodes anything of them."""

    def __init__(self, most: int, max_bytes: int) -> None:
        super().__init__(max_header_list_size=max_bytes)
        self._most = most

    def decode(self, data: bytes, raw: bool = False) -> Iterable[Any]:
        """Raises OversizedHeaderListError, and what hpack raises."""
        # A byte is enough for a field.
        if len(data) > min(self._most, _MOST_WORK // (_FOR_EACH + 1)):
            count, coded = measure(data, self._most)
            if count > self._most:
                raise hpack.exceptions.OversizedHeaderListError(f"more than {self._most} header fields")
            if coded + count * (_FOR_EACH + len(data) // _COPIED) > _MOST_WORK:
                message = f"{count} header fields of {len(data)} bytes take too long to decode"
                raise hpack.exceptions.OversizedHeaderListError(message)
        return super().decode(data, raw)


def measure(block: bytes, most: int) -> tuple[int, int]:
    """How many representations the block holds, updates of the table's size too, counted up to one more than `most`;
    and how many bytes of Huffman code are in those (section 5.2)."""
    at = count = coded = 0
    while at < len(block) and count <= most:
        count += 1
        first = block[at]
        if first & 0x80:
            _, at = _number(block, at, 0x7F)
            continue
        if first & 0xE0 == 0x20:
            _, at = _number(block, at, 0x1F)
            continue
        name, at = _number(block, at, 0x3F if first & 0x40 else 0x0F)
        for _ in range(1 if name else 2):  # its value, and its name where that is in no table
            if at < len(block):
                is_coded = block[at] & 0x80
                length, at = _number(block, at, 0x7F)
                if is_coded:
                    coded += min(length, max(len(block) - at, 0))
                at += length
    return count, coded


def _number(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """A number (section 5.1) and what follows it; of one that has no end, whatever there is."""
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    shift = 0
    while at < len(block):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << min(shift, 63)
        shift += 7
        if byte < 0x80:
            break
    return value, at
