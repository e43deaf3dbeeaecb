"""Any list may be packed by gzip: however it is cut, however much comes out of it, and whatever is wrong with it."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import tracemalloc

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.inputs.unpacked import BrokenGzip, UnpackedBytes

pytestmark = pytest.mark.once


class Pieces:
    """A source that gives these pieces."""

    def __init__(self, data: bytes, cuts: list[int]) -> None:
        edges = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
        self._pieces = [data[start:end] for start, end in itertools.pairwise(edges)]

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def unpacked(data: bytes, cuts: list[int] | None = None) -> bytes:
    async def read_all() -> bytes:
        source, made = UnpackedBytes(Pieces(data, cuts or [])), bytearray()
        while piece := await source.read():
            made += piece
        assert await source.read() == b""
        return bytes(made)

    return anyio.run(read_all)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.lists(st.integers(0, 400), max_size=5))
def test_it_comes_out_as_it_went_in(parts: list[bytes], cuts: list[int]) -> None:
    packed = b"".join(map(gzip.compress, parts))
    assert unpacked(packed, cuts) == b"".join(parts)
    assert unpacked(packed + b"\0" * 9, cuts) == b"".join(parts)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_what_is_not_packed_is_left_alone(data: bytes, cuts: list[int]) -> None:
    if not data.startswith(b"\x1f\x8b\x08"):
        assert unpacked(data, cuts) == data


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=3))
def test_any_bytes_are_unpacked_or_refused(data: bytes, cuts: list[int]) -> None:
    with contextlib.suppress(BrokenGzip):
        unpacked(b"\x1f\x8b\x08" + data, cuts)


@pytest.mark.parametrize("left", [1, 8, 15])
def test_a_cut_one_is_told(left: int) -> None:
    with pytest.raises(BrokenGzip):
        unpacked(gzip.compress(b"http://a/\n" * 9)[:-left])


def test_a_bomb_takes_no_memory() -> None:
    packed = gzip.compress(b"x" * 100_000_000)

    async def read_all() -> int:
        source, size = UnpackedBytes(Pieces(packed, [])), 0
        while piece := await source.read():
            assert len(piece) <= 64 * 1024
            size += len(piece)
        return size

    tracemalloc.start()
    try:
        assert anyio.run(read_all) == 100_000_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
