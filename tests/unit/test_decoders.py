"""Content codings undone: whole or refused, in bounded steps."""

from __future__ import annotations

import functools
import gzip
import itertools
import os
import subprocess
import sys
import textwrap
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.fetch.decoders import ACCEPT_ENCODING, INPUT_STEP, OUTPUT_STEP, open_decoder
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024**2


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


CODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", functools.partial(gzip.compress, mtime=0)),
    "x-gzip": ("x-gzip", functools.partial(gzip.compress, mtime=0)),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
}
ALL = pytest.mark.parametrize("name", CODERS)


def pieces(coded: bytes, *codings: str, chunk: int = 0) -> Iterator[bytes]:
    decoder = open_decoder(codings, 5)
    assert decoder is not None
    for start in range(0, len(coded), chunk or len(coded) or 1):
        yield from decoder.feed(coded[start : start + (chunk or len(coded))])
    decoder.finish()


def decode(coded: bytes, *codings: str, chunk: int = 0) -> bytes:
    return b"".join(pieces(coded, *codings, chunk=chunk))


def assert_refused(coded: bytes, *codings: str, chunk: int = 0, match: str = ".") -> None:
    with pytest.raises(AttemptFailed, match=match) as caught:
        decode(coded, *codings, chunk=chunk)
    assert caught.value.kind is ErrorKind.DECODE
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@settings(deadline=None)
@given(
    part=st.binary(max_size=300),
    times=st.sampled_from([1, 1, 1, 2, 300, 3000]),
    names=st.lists(st.sampled_from(sorted(CODERS)), min_size=1, max_size=5),
    sizes=st.lists(st.sampled_from([1, 2, 3, 50, INPUT_STEP, 100_000]), min_size=1),
)
def test_round_trip_of_chains_in_chunks(part: bytes, times: int, names: list[str], sizes: list[int]) -> None:
    data = coded = part * times
    for name in names:
        coded = CODERS[name][1](coded)
    decoder = open_decoder([", ".join(CODERS[name][0] for name in names)], 5)
    assert decoder is not None
    out = bytearray()
    for size in itertools.cycle(sizes):
        if not coded:
            break
        for piece in decoder.feed(coded[:size]):
            assert len(piece) <= OUTPUT_STEP
            out += piece
        coded = coded[size:]
    decoder.finish()
    assert out == data


@ALL
@pytest.mark.parametrize("size", [16_384, 32_752, 33_000, 65_536, 65_537, 131_072, 131_073])
def test_sizes_around_a_step(name: str, size: int) -> None:
    coding, coder = CODERS[name]
    coded = coder(bytes(size))
    assert decode(coded, coding) == decode(coded, coding, chunk=1) == bytes(size)


@ALL
def test_truncated_anywhere(name: str) -> None:
    coding, coder = CODERS[name]
    coded = coder(b"hello, hello " * 20 + os.urandom(60))
    for length in range(1, len(coded)):
        for chunk in (0, 1):
            assert_refused(coded[:length], coding, chunk=chunk, match=f"{coding.removeprefix('x-')} body ended early")
    assert decode(coded, coding, chunk=1) == decode(coded, coding)


@ALL
def test_every_flipped_bit_is_refused_or_harmless(name: str) -> None:
    coding, coder = CODERS[name]
    coded = coder(b"hello, hello " * 20)
    for position in range(len(coded) * 8):
        broken = bytearray(coded)
        broken[position // 8] ^= 1 << position % 8
        try:
            decode(bytes(broken), coding)
        except AttemptFailed:
            continue


@pytest.mark.parametrize("position", [-8, -4])
def test_gzip_checksum_and_length_are_checked(position: int) -> None:
    coded = bytearray(gzip.compress(b"hello"))
    coded[position] ^= 1
    assert_refused(bytes(coded), "gzip", match="gzip body is corrupt")


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_member_after_member(name: str, chunk: int) -> None:
    coding, coder = CODERS[name]
    parts = [b"one", b"", b"two" * 50_000, b"3"]
    coded = b"".join(map(coder, parts))
    assert decode(coded, coding, chunk=chunk) == b"".join(parts)
    assert_refused(coded[:-1], coding, chunk=chunk)


def test_zstd_skippable_frames() -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    assert decode(skippable + zstd.compress(b"x") + skippable, "zstd") == b"x"


@pytest.mark.parametrize("chunk", [0, 1])
def test_zeros_behind_gzip_are_padding(chunk: int) -> None:
    coded = gzip.compress(b"a")
    assert decode(coded + bytes(600), "gzip", chunk=chunk) == b"a"
    assert decode(coded + bytes(6) + coded + bytes(6), "gzip", chunk=chunk) == b"aa"


@ALL
@pytest.mark.parametrize("chunk", [0, 1])
@pytest.mark.parametrize("size", [5, 200_000])
def test_bytes_behind_the_body_are_refused(name: str, chunk: int, size: int) -> None:
    coding, coder = CODERS[name]
    coded = coder(bytes(size))
    for garbage in (b"garbage", b"\r\n", b"HTTP/1.1 200 OK\r\n"):
        assert_refused(coded + garbage, coding, chunk=chunk)


@ALL
def test_other_bytes_are_refused(name: str) -> None:
    assert_refused(b"<!doctype html><title>not what it says</title>", CODERS[name][0])


@ALL
def test_body_without_a_byte(name: str) -> None:
    assert decode(b"", CODERS[name][0]) == b""
    assert decode(b"", CODERS[name][0], "br") == b""


def test_nothing_inside_a_coding_that_should_hold_another() -> None:
    assert decode(gzip.compress(b""), "br", "gzip") == b""


@pytest.mark.parametrize(
    "codings", [[], [""], ["identity"], ["Identity, ,"], ["identity", " "], ["none"], ["None, identity"]]
)
def test_nothing_to_undo(codings: list[str]) -> None:
    assert open_decoder(codings, 5) is None


def test_names_in_any_case_over_several_headers() -> None:
    assert decode(brotli.compress(gzip.compress(zlib.compress(b"x"))), "Deflate,GZIP", " identity,\tBR") == b"x"


@pytest.mark.parametrize("coding", ["utf-8", "compress", "gzip;q=1", "g zip"])
def test_unknown_coding(coding: str) -> None:
    with pytest.raises(AttemptFailed, match="unknown content coding") as caught:
        open_decoder([coding], 5)
    assert caught.value.kind is ErrorKind.DECODE


def test_length_of_a_chain() -> None:
    assert open_decoder(["gzip"] * 5, 5) is not None
    with pytest.raises(AttemptFailed, match="6 content codings") as caught:
        open_decoder(["gzip, gzip"] * 3, 5)
    assert caught.value.kind is ErrorKind.DECODE


def test_what_is_asked_for_is_decoded() -> None:
    assert open_decoder([ACCEPT_ENCODING], 5) is not None


def test_zstd_window_is_limited() -> None:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 25})
    coded = compressor.compress(b"a" * 100) + compressor.flush()
    assert_refused(coded, "zstd", match="zstd body is corrupt")


# Bombs


def raw_deflate_bomb(size: int) -> bytes:
    """`size` MiB of zeros: one block that leaves the coder in its first state, repeated."""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return block * size + deflate.flush()


def gzip_bomb(size: int) -> bytes:
    """`size` MiB of zeros, in gzip members of 64 MiB."""
    return gzip.compress(bytes(64 * MIB)) * (size // 64)


def zstd_bomb(size: int) -> bytes:
    return zstd.compress(bytes(64 * MIB)) * (size // 64)


def brotli_bomb(size: int) -> bytes:
    compressor = brotli.Compressor(quality=5)
    part = bytes(MIB)
    return b"".join([*(compressor.process(part) for _ in range(size)), compressor.finish()])


BOMBS: dict[str, tuple[list[str], Callable[[], bytes]]] = {
    "10 GiB, deflate in gzip": (["deflate", "gzip"], lambda: gzip.compress(raw_deflate_bomb(10_240))),
    "10 GiB, gzip in gzip": (["gzip", "gzip"], lambda: gzip.compress(gzip_bomb(10_240))),
    "10 GiB, gzip in gzip in gzip": (["gzip"] * 3, lambda: gzip.compress(gzip.compress(gzip_bomb(10_240)))),
    "10 GiB, zstd in zstd": (["zstd", "zstd"], lambda: zstd.compress(zstd_bomb(10_240))),
    "1 GiB, br": (["br"], lambda: brotli_bomb(1024)),
    "1 GiB, br in zstd": (["br", "zstd"], lambda: zstd.compress(brotli_bomb(1024))),
}


@pytest.mark.once
@pytest.mark.parametrize("name", BOMBS)
def test_bomb_in_flat_memory(name: str) -> None:
    codings, make = BOMBS[name]
    bomb = make()
    decoder = open_decoder(codings, 5)
    assert decoder is not None
    decoded = largest = 0
    tracemalloc.start()
    try:
        for piece in decoder.feed(bomb):
            decoded += len(piece)
            largest = max(largest, len(piece))
            if decoded > 100 * MIB:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert decoded > 100 * MIB
    assert largest <= OUTPUT_STEP
    assert peak < 4 * MIB


@pytest.mark.once
def test_bombs_in_flat_resident_memory() -> None:
    """The windows of brotli and zstd are outside what tracemalloc sees."""
    script = textwrap.dedent(
        """
        import resource, sys
        sys.path.insert(0, sys.argv[1])
        from test_decoders import BOMBS, MIB, open_decoder
        for name in ("1 GiB, br in zstd", "10 GiB, zstd in zstd"):
            codings, make = BOMBS[name]
            bomb = make()
            decoder = open_decoder(codings, 5)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            decoded = 0
            for piece in decoder.feed(bomb):
                decoded += len(piece)
                if decoded > 256 * MIB:
                    break
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(name, (after - before) // 1024)
        """
    )
    here = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", script, here], capture_output=True, text=True, check=True, timeout=100)
    for line in done.stdout.splitlines():
        assert int(line.rpartition(" ")[2]) < 64, done.stdout


def test_many_tiny_members_are_many_short_steps() -> None:
    members = gzip.compress(b"") * 10_000
    decoder = open_decoder(["gzip"], 5)
    assert decoder is not None
    steps = 0
    for piece in decoder.feed(members):
        assert piece == b""
        steps += 1
    decoder.finish()
    # The caller gets its turn at least once for each step of input, though nothing comes out.
    assert steps >= len(members) // INPUT_STEP
