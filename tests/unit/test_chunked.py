"""Bodies in chunks and heads: the same outcome however the bytes come apart, and a bound on each step."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.http.chunked import LONGEST_LINE, MOST_CHUNKS, OVERHEAD_ALLOWED, ChunkDecoder
from fetch_engine.http.heads import read_head
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.numbers import status_code, whole_number
from fetch_engine.model.results import ErrorKind

Outcome = tuple[bytes, bool, bytes, str | None]


def outcome(pieces: list[bytes], limits: Limits | None = None) -> Outcome:
    """The body, whether it ended, what is left, and what was wrong."""
    decoder = ChunkDecoder(limits or Limits())
    body = b""
    try:
        for piece in pieces:
            decoder.feed(piece)
            while True:
                body += decoder.step()
                if decoder.is_stuck:
                    break
    except AttemptFailed as failure:
        what = failure.message.partition(":")[0] if failure.kind is ErrorKind.PROTOCOL else "not protocol"
        return b"", False, b"", what  # what else it says depends on what had come
    return body, decoder.ended, decoder.rest, None


def apart(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


_SOUND = st.lists(
    st.binary(min_size=1, max_size=20).map(lambda part: b"%x;e=1\r\n%s\r\n" % (len(part), part)), max_size=10
).map(lambda chunks: b"".join(chunks) + b"0\r\n\r\n")
_ANY = st.lists(
    st.sampled_from(
        [
            b"1\r\nx\r\n",
            b"0\r\n",
            b"\r\n",
            b"\n",
            b"A: b\r\n",
            b"5\r\nhello\r\n",
            b"5;x",
            b"-1\r\n",
            b"g",
            b"00",
            b"\0",
            b" ",
        ]
    ),
    max_size=12,
).map(b"".join)
_CUTS = st.lists(st.integers(0, 10_000), max_size=30)


@given(_SOUND | _ANY, _CUTS, st.binary(max_size=5))
def test_however_the_bytes_come_apart_the_outcome_is_the_same(data: bytes, cuts: list[int], more: bytes) -> None:
    data += more
    assert outcome(apart(data, cuts)) == outcome([data]) == outcome([data[at : at + 1] for at in range(len(data))])


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), _CUTS)
def test_what_was_put_in_comes_out(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%X\r\n%s\r\n" % (len(part), part) for part in parts) + b"000\r\nA: b\r\n\r\nNEXT"
    assert outcome(apart(data, cuts)) == (b"".join(parts), True, outcome([data])[2], None)
    assert b"NEXT".endswith(outcome([data])[2]) or outcome([data])[2] == b"NEXT"


def test_a_step_takes_so_many_chunks_and_no_more() -> None:
    decoder = ChunkDecoder(Limits())
    decoder.feed(b"1\r\nx\r\n" * 10 * MOST_CHUNKS)
    sizes = []
    while not decoder.is_stuck:
        sizes.append(len(decoder.step()))
    assert sizes[:10] == [MOST_CHUNKS] * 10
    assert sum(sizes) == 10 * MOST_CHUNKS


@pytest.mark.parametrize(
    ("chunk", "most"),
    [
        (b"1\r\nx\r\n", 8 * OVERHEAD_ALLOWED),
        (b"1;" + b"e" * 2000 + b"\r\nx\r\n", 2 * OVERHEAD_ALLOWED),
        (b"8;" + b"e" * 2000 + b"\r\n12345678\r\n", 2 * OVERHEAD_ALLOWED),
    ],
)
def test_what_is_mostly_framing_ends(chunk: bytes, most: int) -> None:
    assert outcome([chunk * 1000] * (most // (1000 * len(chunk))))[3] == (
        "the body comes in too small pieces, with too much around them"
    )


def test_a_megabyte_byte_by_byte_is_read() -> None:
    assert len(outcome([b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n"])[0]) == 1_000_000


def test_small_chunks_and_pauses_for_ever_are_fine() -> None:
    decoder = ChunkDecoder(Limits())
    for _ in range(20_000):
        decoder.feed(b"a\r\n0123456789\r\n" * 100)
        while not decoder.is_stuck:
            decoder.step()


def test_lines_and_trailers_have_bounds() -> None:
    assert outcome([b"1;" + b"e" * LONGEST_LINE])[3] is not None
    limits = Limits(max_headers=10, max_header_bytes=1000)
    assert outcome([b"0\r\n" + b"A: b\r\n" * 10 + b"\r\n"], limits)[1]
    assert outcome([b"0\r\n" + b"A: b\r\n" * 12], limits)[3] == "more than 10 trailer fields"
    assert outcome([b"0\r\nA: " + b"b" * 1000], limits)[3] == "more than 1000 bytes of trailers"


NO_NUMBERS = ["", "-1", "+1", "1_0", " 1", "1 ", "0x1", "1.0", "٣", "１", "9" * 19, "1e3", "nan"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        whole_number(text)
    with pytest.raises(ValueError, match="status"):
        status_code(text.encode())
    with pytest.raises(AttemptFailed) as caught:
        read_head([b"HTTP/1.1 %s OK\r\n" % text.encode("utf-8")], Limits())
    assert caught.value.kind is ErrorKind.PROTOCOL
    if text:
        with pytest.raises(AttemptFailed):
            read_head(
                [b"HTTP/1.1 200 OK\r\n", b"Content-Length: %s\r\n" % text.strip().encode(), b"content-length: 7\r\n"],
                Limits(),
            )


@pytest.mark.parametrize("code", [100, 199, 200, 404, 599])
def test_status_codes(code: int) -> None:
    assert status_code(str(code).encode()) == code


@given(st.text(max_size=30))
def test_a_number_is_what_int_makes_of_digits(text: str) -> None:
    try:
        number = whole_number(text)
    except ValueError:
        return
    assert text.isascii()
    assert str(number) == (text.lstrip("0") or "0")
    assert number < 2**63


_LINES = st.lists(
    st.sampled_from(
        [
            b"A: b\r\n",
            b"A:b\n",
            b" fold\r\n",
            b"X Y: z\r\n",
            b": z\r\n",
            b"none\r\n",
            b"N\0: x\r\n",
            b"C: a\rb\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length : 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-\xffEncoding: x\r\n",
        ]
    ),
    max_size=6,
)


@given(_LINES)
def test_a_head_is_read_or_refused_and_no_line_that_frames_is_lost(lines: list[bytes]) -> None:
    refused: AttemptFailed | None
    try:
        head = read_head([b"HTTP/1.1 200 OK\r\n", *lines], Limits())
    except AttemptFailed as failure:
        refused = failure
    else:
        refused = None
    if refused is not None:
        assert refused.kind is ErrorKind.PROTOCOL
        return
    assert b"Content-Length : 5\r\n" not in lines
    assert b"Transfer-\xffEncoding: x\r\n" not in lines
    assert (head.length == 5) is (b"Content-Length: 5\r\n" in lines)
    assert head.is_chunked is (b"Transfer-Encoding: chunked\r\n" in lines)
    assert all("\r" not in value and "\0" not in value for _, value in head.headers)
