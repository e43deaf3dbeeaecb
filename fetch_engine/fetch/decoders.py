"""Content codings undone (RFC 9110 section 8.4): member after member, end and checksum checked, in bounded steps.

No step takes more than 4 KiB in or gives more than 64 KiB out, so that the caller can count, stop or let others run
between two steps, however well a body is compressed and however many tiny members it has.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fetch_engine.model.codings import content_codings
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

if TYPE_CHECKING:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor
    else:
        from backports.zstd import ZstdDecompressor

ACCEPT_ENCODING = "gzip, deflate, br, zstd"


INPUT_STEP = 4 * 1024
OUTPUT_STEP = 64 * 1024
# brotli fills the block it has begun past its limit: 32,752 bytes with this one, 98,272 with 32 KiB.
_BROTLI_STEP = 16 * 1024
# RFC 9659: a zstd window in HTTP is at most 8 MiB.
_ZSTD_WINDOW_LOG = 23


class Decoder:
    """A chain of content codings, undone last one first. Raises AttemptFailed of kind decode."""

    __slots__ = ("_stages",)

    def __init__(self, stages: Sequence[_Stage]) -> None:
        self._stages = stages

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode the next bytes of the body in pieces of at most 64 KiB; an empty piece is a step without output."""
        return _through(data, self._stages)

    def finish(self) -> None:
        """The body has ended: raise unless every coding has too. A body without a byte is fine."""
        for stage in self._stages:
            if stage.started and not stage.complete:
                raise _failed(f"{stage.name} body ended early")


def are_known(codings: Iterable[str]) -> bool:
    """Whether `open_decoder` can undo these."""
    return all(name in _STAGES for name in codings)


def open_decoder(values: Iterable[str], max_codings: int) -> Decoder | None:
    """A decoder for the values of the Content-Encoding headers, or None if there is nothing to undo.

    Raises AttemptFailed (decode) for an unknown coding, and for a chain of more than `max_codings`.
    """
    codings = content_codings(values)
    if len(codings) > max_codings:
        raise _failed(f"{len(codings)} content codings in a chain, more than {max_codings}")
    if not are_known(codings):
        raise _failed("unknown content coding, known are gzip, deflate, br and zstd")
    return Decoder([_STAGES[name]() for name in reversed(codings)]) if codings else None


class _Stage(Protocol):
    name: str
    started: bool

    @property
    def complete(self) -> bool: ...
    def step(self, data: bytes) -> Iterator[bytes]: ...


def _through(data: bytes, stages: Sequence[_Stage]) -> Iterator[bytes]:
    if not stages:
        yield data
        return
    stage, rest = stages[0], stages[1:]
    for start in range(0, len(data), INPUT_STEP):
        stage.started = True
        for piece in stage.step(data[start : start + INPUT_STEP]):
            if piece:
                yield from _through(piece, rest)
            else:
                yield piece


class _Gzip:
    """Members one after the other (RFC 1952 section 2.2); zeros behind them are padding, anything else an error.

    gzip, curl and browsers differ in what they do with other bytes there; a body that is not what it is called is
    not passed off as whole.
    """

    name = "gzip"

    def __init__(self) -> None:
        self.started = False
        self._members = 0
        self._inflate: zlib._Decompress | None = None

    @property
    def complete(self) -> bool:
        return self._inflate is None and self._members > 0

    def step(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate is None:
                if self._members:
                    data = data.lstrip(b"\0")
                if not data:
                    return
                if data[0] != 0x1F:
                    raise _failed("bytes behind the gzip body" if self._members else "no gzip body")
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield from _inflated(self._inflate, data, self.name)
            if not self._inflate.eof:
                return
            data = self._inflate.unused_data
            self._inflate = None
            self._members += 1


class _Deflate:
    """zlib's format as RFC 9110 means it, or the raw deflate that many servers send."""

    name = "deflate"

    def __init__(self) -> None:
        self.started = False
        self._head = b""
        self._inflate: zlib._Decompress | None = None

    @property
    def complete(self) -> bool:
        return self._inflate is not None and self._inflate.eof

    def step(self, data: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            # RFC 1950 section 2.2: method 8, and a multiple of 31 as check.
            wrapped = data[0] & 0x0F == 8 and data[0] >> 4 <= 7 and (data[0] << 8 | data[1]) % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        elif self._inflate.eof:
            raise _failed("bytes behind the deflate body")
        yield from _inflated(self._inflate, data, self.name)
        if self._inflate.unused_data:
            raise _failed("bytes behind the deflate body")


def _inflated(inflate: zlib._Decompress, data: bytes, name: str) -> Iterator[bytes]:
    while True:
        try:
            piece = inflate.decompress(data, OUTPUT_STEP)
        except zlib.error:
            raise _failed(f"{name} body is corrupt") from None
        data = inflate.unconsumed_tail
        yield piece
        # A full piece may have left output inside although all input is taken.
        if inflate.eof or (not data and len(piece) < OUTPUT_STEP):
            return


class _Brotli:
    name = "br"

    def __init__(self) -> None:
        import brotli  # type: ignore[import-untyped]

        self.started = False
        self._error: type[Exception] = brotli.error
        self._decompressor: Any = brotli.Decompressor()

    @property
    def complete(self) -> bool:
        return bool(self._decompressor.is_finished())

    def step(self, data: bytes) -> Iterator[bytes]:
        if self.complete:
            raise _failed("bytes behind the br body")
        while True:
            try:
                piece = self._decompressor.process(data, output_buffer_limit=_BROTLI_STEP)
            except self._error:
                raise _failed("br body is corrupt") from None
            data = b""
            yield piece
            # It accepts more as soon as all input is taken; what is full may have left output inside all the same.
            if self._decompressor.can_accept_more_data() and len(piece) < _BROTLI_STEP:
                return


class _Zstd:
    """Frames one after the other (RFC 8878 section 3)."""

    name = "zstd"

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        self.started = False
        self._error: type[Exception] = zstd.ZstdError
        self._open = zstd.ZstdDecompressor
        self._options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._frame: ZstdDecompressor | None = None
        self._frames = 0

    @property
    def complete(self) -> bool:
        return self._frame is None and self._frames > 0

    def step(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._frame is None:
                self._frame = self._open(options=self._options)
            try:
                piece = self._frame.decompress(data, OUTPUT_STEP)
            except self._error:
                raise _failed("zstd body is corrupt") from None
            yield piece
            data = b""
            if self._frame.eof:
                data = self._frame.unused_data
                self._frame = None
                self._frames += 1
                if not data:
                    return
            elif self._frame.needs_input:
                return


_STAGES: dict[str, type[_Stage]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


def _failed(why: str) -> AttemptFailed:
    return AttemptFailed(ErrorKind.DECODE, why)
