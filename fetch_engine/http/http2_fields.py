"""Header blocks of HTTP/2, their fields counted before they are decoded (RFC 7541)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hpack
import hpack.exceptions


class BoundedDecoder(hpack.Decoder):
    """Refuses blocks of more than `most` fields: a byte is enough for one, and h2 takes 10 µs for each."""

    def __init__(self, most: int, max_bytes: int) -> None:
        super().__init__(max_header_list_size=max_bytes)
        self._most = most

    def decode(self, data: bytes, raw: bool = False) -> Iterable[Any]:
        """Raises OversizedHeaderListError, and what hpack raises."""
        if len(data) > self._most and count_fields(data, self._most) > self._most:
            raise hpack.exceptions.OversizedHeaderListError(f"more than {self._most} header fields")
        return super().decode(data, raw)


def count_fields(block: bytes, most: int) -> int:
    """How many representations the block holds, updates of the table's size too; counted up to one more than `most`."""
    at = count = 0
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
                length, at = _number(block, at, 0x7F)
                at += length
    return count


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
