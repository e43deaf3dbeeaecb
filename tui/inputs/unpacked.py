"""Lists that come packed by gzip, whatever is in them: read in pieces of a bounded size, a bomb among them too."""

from __future__ import annotations

import zlib
from typing import Protocol

_MAGIC = b"\x1f\x8b\x08"  # RFC 1952 section 2.3.1, and the one method that there is
_PIECE = 64 * 1024


class Bytes(Protocol):
    """Where the bytes of a list come from."""

    async def read(self) -> bytes:
        """Some more; b"" at the end. Raises OSError. Cancelling it loses nothing."""


class BrokenGzip(OSError):
    """Data that is not valid gzip, or ends too early."""

    def __init__(self, why: str) -> None:
        super().__init__(0, why)


class UnpackedBytes:
    """The bytes of a list, unpacked where they begin as gzip does."""

    def __init__(self, source: Bytes) -> None:
        self._source = source
        self._begin = b""
        self._decided = False
        self._gzip: zlib._Decompress | None = None
        self._packed = b""

    async def read(self) -> bytes:
        """As in `Bytes`. Raises BrokenGzip as well."""
        while not self._decided:
            piece = await self._source.read()
            self._begin += piece
            if piece and _MAGIC.startswith(self._begin):
                continue  # so few tell nothing
            self._decided = True
            if not self._begin.startswith(_MAGIC):
                begin, self._begin = self._begin, b""
                return begin
            self._packed, self._begin = self._begin, b""
            self._gzip = zlib.decompressobj(31)
        if self._gzip is None:
            return await self._source.read()
        return await self._unpack()

    async def _unpack(self) -> bytes:
        while True:
            assert self._gzip is not None
            if self._gzip.eof:  # another member (RFC 1952 section 2.2), or zeros that fill a block
                self._packed = self._packed.lstrip(b"\0")
                if self._packed:
                    self._gzip = zlib.decompressobj(31)
            if not self._packed:
                self._packed = await self._source.read()
                if not self._packed:
                    if self._gzip.eof:
                        return b""
                    raise BrokenGzip("its gzip data ends too early")
                continue
            try:
                piece = self._gzip.decompress(self._packed, _PIECE)
            except zlib.error:
                raise BrokenGzip("broken gzip data") from None
            self._packed = self._gzip.unused_data if self._gzip.eof else self._gzip.unconsumed_tail
            if piece:
                return piece
