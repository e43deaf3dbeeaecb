"""HTTP/2 servers that refuse, lie about their status, or send frames for ever."""

from __future__ import annotations

import contextlib
import ssl
import time

import anyio
import anyio.lowlevel
import h2.events
import hpack
import hpack.huffman_table
import hyperframe.frame
import pytest
import trustme
from h2.errors import ErrorCodes
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.http import chunked
from fetch_engine.http.http2_fields import measure
from fetch_engine.http.http2_frames import EMPTY_A_SECOND, EMPTY_FOR_EACH, MOST_EMPTY, FrameBudget, FrameSplitter
from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.results import ErrorKind

from .conftest import Client, Opener
from .http2_server import Http2Side, http2_context, speaking_http2
from .servers import Connection, RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.only_httpx(reason="Capabilities.http2")]

UNHURRIED = Timeouts(connect=60, read=60, write=60, pool=60, total=None)


@pytest.fixture(scope="session")
def http2_tls(authority: trustme.CA) -> ssl.SSLContext:
    return http2_context(authority)


@pytest.fixture
def http2_client(open_client: Opener, ca_file: str) -> Client:
    return open_client(TransportOptions(ca_file=ca_file, http2=True), Limits())


async def failure(client: Client, url: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url, timeouts=UNHURRIED)
    return caught.value


def with_status(side: Http2Side, stream: int, status: bytes) -> None:
    """A response that h2's server would not send."""
    frame = hyperframe.frame.HeadersFrame(stream, side.h2.encoder.encode([(b":status", status)]))
    frame.flags.add("END_HEADERS")
    frame.flags.add("END_STREAM")
    side.connection.send(frame.serialize())


BAD = [
    b"9" * 400,
    b"-200",
    b"2_00",
    b"abc",
    b"+200",
    "٢٠٠".encode(),
    b"",
    b" 200",
    b"0200",
    b"20",
    b"600",
    b"099",
    b"1_0",
]


@pytest.mark.parametrize("status", BAD)
async def test_a_status_is_three_digits(http2_client: Client, http2_tls: ssl.SSLContext, status: bytes) -> None:
    def respond(side: Http2Side, stream: int) -> None:
        with_status(side, stream, status)

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        error = await failure(http2_client, server.url())
    assert error.kind is ErrorKind.PROTOCOL
    assert error.message.isascii()
    assert len(error.message) < 200


_LENGTHS = [[b"+5"], [b"1_0"], [b" 5"], [b"5 "], [b"9" * 30], [b"-1"], [b"5", b"6"], [b"5, 5"]]


@pytest.mark.parametrize("lengths", _LENGTHS)
async def test_a_length_is_a_whole_number(
    http2_client: Client, http2_tls: ssl.SSLContext, lengths: list[bytes]
) -> None:
    def respond(side: Http2Side, stream: int) -> None:
        fields = [(b":status", b"200"), *((b"content-length", length) for length in lengths)]
        frame = hyperframe.frame.HeadersFrame(stream, side.h2.encoder.encode(fields))
        frame.flags.add("END_HEADERS")
        side.connection.send(frame.serialize())
        side.connection.send(hyperframe.frame.DataFrame(stream, b"hello", flags=["END_STREAM"]).serialize())

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        assert (await failure(http2_client, server.url())).kind is ErrorKind.PROTOCOL


async def test_switching_protocols_is_not_part_of_http2(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    def respond(side: Http2Side, stream: int) -> None:
        side.h2.send_headers(stream, [(b":status", b"101")])
        side.flush()

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        assert (await failure(http2_client, server.url())).kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("refusals", [1, 3])
async def test_what_is_refused_is_sent_again_also_on_a_new_connection(
    http2_client: Client, http2_tls: ssl.SSLContext, method: str, refusals: int
) -> None:
    refused = 0

    def respond(side: Http2Side, stream: int) -> None:
        nonlocal refused
        if refused < refusals:
            refused += 1
            side.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            side.flush()
        else:
            side.respond(stream, b"done")

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        fetched = await http2_client.get(server.url(), method=method, body=b"x" if method == "POST" else b"")
    assert fetched.body == b"done"
    assert refused == refusals


@pytest.mark.parametrize("code", [ErrorCodes.REFUSED_STREAM, ErrorCodes.INTERNAL_ERROR])
async def test_what_is_always_refused_ends(http2_client: Client, http2_tls: ssl.SSLContext, code: ErrorCodes) -> None:
    asked = 0

    def respond(side: Http2Side, stream: int) -> None:
        nonlocal asked
        asked += 1
        side.h2.reset_stream(stream, code)
        side.flush()

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        error = await failure(http2_client, server.url())
    assert error.kind is ErrorKind.RESET
    assert code.name in error.message
    assert asked < 10 if code is ErrorCodes.REFUSED_STREAM else asked == 1


async def test_a_stream_past_goaway_goes_over_another_connection(
    http2_client: Client, http2_tls: ssl.SSLContext
) -> None:
    def handle(connection: Connection) -> None:
        if connection.number > 1:
            speaking_http2(lambda side, stream: side.respond(stream, b"done"))(connection)
            return
        side = Http2Side(connection)
        side.flush()
        while not any(isinstance(event, h2.events.StreamEnded) for event in side.receive()):
            pass
        connection.send(hyperframe.frame.GoAwayFrame(0, last_stream_id=0).serialize())
        connection.gone()

    with RawServer(handle, tls=http2_tls) as server:
        assert (await http2_client.get(server.url(), method="POST", body=b"x")).body == b"done"
        assert server.accepted == 2


def _window_update(stream: int) -> bytes:
    return hyperframe.frame.WindowUpdateFrame(stream, window_increment=1).serialize()


FLOODS = {
    "ping": hyperframe.frame.PingFrame(0, b"12345678").serialize(),
    "settings": hyperframe.frame.SettingsFrame(0).serialize(),
    "settings with values": hyperframe.frame.SettingsFrame(0, {4: 70_000}).serialize(),
    "empty data": hyperframe.frame.DataFrame(1).serialize(),
    "padded data": hyperframe.frame.DataFrame(1, b"", flags=["PADDED"], pad_length=255).serialize(),
    "window updates": _window_update(0),
    "window updates of the stream": _window_update(1),
    "priority": hyperframe.frame.PriorityFrame(1, depends_on=3).serialize(),
    "continuation": hyperframe.frame.ContinuationFrame(1).serialize(),
    "resets": hyperframe.frame.RstStreamFrame(3, 8).serialize(),
    "goaway": hyperframe.frame.GoAwayFrame(0, last_stream_id=1).serialize(),
    "unknown": b"\0\0\x05\xee\0\0\0\0\0hello",
    "data of a byte": hyperframe.frame.DataFrame(1, b"x").serialize(),
    "data of a byte, padded": hyperframe.frame.DataFrame(1, b"x", flags=["PADDED"], pad_length=255).serialize(),
}


class Flood:
    """To the first request the head of a response, then one frame for ever. `sent` counts frames."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._block = FLOODS[name] * 200
        self.sent = 0

    def __call__(self, connection: Connection) -> None:
        side = Http2Side(connection)
        side.flush()
        while not any(isinstance(event, h2.events.StreamEnded) for event in side.receive()):
            pass
        if self._name == "continuation":
            connection.send(hyperframe.frame.HeadersFrame(1, b"\x88").serialize())
        else:
            side.h2.send_headers(1, [(b":status", b"200")])
            side.flush()
        with contextlib.suppress(OSError, ValueError):
            while True:
                connection.socket.sendall(self._block)
                self.sent += 200


@pytest.fixture
def little_overhead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mebibyte of frames of 10 bytes takes h2 ten seconds."""
    monkeypatch.setattr(chunked, "OVERHEAD_ALLOWED", 64 * 1024)


@pytest.mark.usefixtures("little_overhead")
@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_of_frames_ends_as_protocol(http2_client: Client, http2_tls: ssl.SSLContext, name: str) -> None:
    flood = Flood(name)
    with RawServer(flood, tls=http2_tls) as server, anyio.fail_after(90):
        assert (await failure(http2_client, server.url())).kind is ErrorKind.PROTOCOL
    # Beside those that it has looked at, sockets hold some megabytes of them.
    assert flood.sent < 1_000_000


@pytest.mark.usefixtures("little_overhead")
@pytest.mark.parametrize("name", ["ping", "settings", "empty data", "unknown", "data of a byte"])
async def test_a_flood_of_frames_leaves_others_their_turns(
    http2_client: Client, http2_tls: ssl.SSLContext, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By count of frames that are handled between two turns of the loop."""
    in_turn = most = 0
    take = FrameSplitter.take

    def counted(self: FrameSplitter, limit: int) -> object:
        nonlocal in_turn, most
        part = take(self, limit)
        in_turn += self.taken
        most = max(most, in_turn)
        return part

    async def see_turns() -> None:
        nonlocal in_turn
        while True:
            await anyio.lowlevel.checkpoint()
            in_turn = 0

    monkeypatch.setattr(FrameSplitter, "take", counted)
    with RawServer(Flood(name), tls=http2_tls) as server, anyio.fail_after(90):
        async with anyio.create_task_group() as group:
            group.start_soon(see_turns)
            await failure(http2_client, server.url())
            group.cancel_scope.cancel()
    assert 0 < most <= 200


@pytest.mark.parametrize("field", [b"\xbe", b"\x20", b"\x10\x01a\x00"], ids=["indexed", "table size", "literal"])
async def test_a_head_of_very_many_fields_is_not_decoded(
    http2_client: Client, http2_tls: ssl.SSLContext, field: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = 0
    one = hpack.Decoder._decode_indexed

    def counted(self: hpack.Decoder, data: bytes) -> object:
        nonlocal decoded
        decoded += 1
        return one(self, data)

    monkeypatch.setattr(hpack.Decoder, "_decode_indexed", counted)

    def respond(side: Http2Side, stream: int) -> None:
        block = hpack.Encoder().encode([(b":status", b"200"), (b"a", b"")]) + field * (16_000 // len(field))
        frame = hyperframe.frame.HeadersFrame(stream, block)
        frame.flags.add("END_HEADERS")
        frame.flags.add("END_STREAM")
        side.connection.send(frame.serialize())

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        assert (await failure(http2_client, server.url())).kind is ErrorKind.PROTOCOL
    assert decoded < 100


def literal(value: bytes, *, is_coded: bool) -> bytes:
    """A field `a` that goes into no table, as it is sent; coded, the worst there is: 26 bits for each byte."""
    code = hpack.Encoder().huffman_coder.encode(value) if is_coded else value
    length = hpack.hpack.encode_integer(len(code), 7)
    length[0] |= 0x80 if is_coded else 0
    return b"\x00\x01a" + bytes(length) + code


def frames_of(stream: int, block: bytes) -> bytes:
    """A head, and the end of the stream."""
    parts = [block[at : at + 16_384] for at in range(0, len(block), 16_384)]
    frames: list[hyperframe.frame.HeadersFrame | hyperframe.frame.ContinuationFrame] = [
        hyperframe.frame.HeadersFrame(stream, parts[0], flags=["END_STREAM"]),
        *(hyperframe.frame.ContinuationFrame(stream, part) for part in parts[1:]),
    ]
    frames[-1].flags.add("END_HEADERS")
    return b"".join(frame.serialize() for frame in frames)


TOO_MUCH = {
    "one value of 200 KiB": literal(b"\xff" * 64_000, is_coded=True),
    "a mebibyte": literal(b"\xff" * 300_000, is_coded=True),
    "long values": literal(b"\xff" * 500, is_coded=True) * 60,
    "many long fields": literal(b"x" * 240, is_coded=False) * 900,
    "many fields": literal(b"\xff" * 10, is_coded=True) * 900,
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_a_head_that_takes_long_is_not_decoded(
    http2_client: Client, http2_tls: ssl.SSLContext, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = 0
    undo = hpack.huffman_table.decode_huffman

    def counted(code: bytes) -> bytes:
        nonlocal decoded
        decoded += len(code)
        return undo(code)

    monkeypatch.setattr(hpack.hpack, "decode_huffman", counted)
    with RawServer(
        speaking_http2(lambda side, stream: side.connection.send(frames_of(stream, b"\x88" + TOO_MUCH[name]))),
        tls=http2_tls,
    ) as server:
        error = await failure(http2_client, server.url())
    assert error.kind is ErrorKind.PROTOCOL
    assert "too long to decode" in error.message
    assert decoded < 100  # the server too decodes, our request


LARGE = {
    "plain": [b"x" * 90_000] * 2,
    "coded": [b"x" * 16_000] * 2,
    "many": [b"x" * 20] * 990,
}


@pytest.mark.parametrize("name", LARGE)
async def test_a_large_honest_head_is_read(http2_client: Client, http2_tls: ssl.SSLContext, name: str) -> None:
    block = b"\x88" + b"".join(literal(value, is_coded=name == "coded") for value in LARGE[name])
    with RawServer(
        speaking_http2(lambda side, stream: side.connection.send(frames_of(stream, block))), tls=http2_tls
    ) as server:
        fetched = await http2_client.get(server.url())
    assert [value.encode() for _, value in fetched.headers] == LARGE[name]


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 1, 1, 9, 6]), st.integers(0, 6000)), max_size=40),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=20),
)
def test_one_large_head_or_some_small_ones_end_in_a_turn(frames: list[tuple[int, int]], cuts: list[int]) -> None:
    sent = b"".join(length.to_bytes(3, "big") + bytes([kind, 0, 0, 0, 0, 1]) + bytes(length) for kind, length in frames)
    ends, at = [], 0  # where heads end, and how much each is
    for kind, length in frames:
        at += 9 + length
        if kind in (1, 9):
            ends.append((at, length if kind == 1 else 1 << 20))
    splitter = FrameSplitter()
    at = fed = turn = 0
    while fed < len(sent):
        size = cuts[turn % len(cuts)]
        turn += 1
        splitter.feed(sent[fed : fed + size])
        fed += size
        while (part := splitter.take(50)) is not None:
            assert isinstance(part, bytes)
            ended = [length for end, length in ends if at < end <= at + len(part) and length]
            assert len(ended) <= 1 or sum(ended) <= 2048
            assert part == sent[at : at + len(part)]
            at += len(part)
    assert at == len(sent) or len(sent) - at < 9


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.binary(max_size=300)), max_size=50), st.booleans())
def test_fields_are_counted_as_they_are_encoded(fields: list[tuple[bytes, bytes]], huffman: bool) -> None:
    encoder = hpack.Encoder()
    for _ in range(2):  # the second time, most are in the table
        block = encoder.encode(fields, huffman=huffman)
        count, coded = measure(block, 1000)
        assert count == len(fields)
        assert measure(block, 3)[0] == min(len(fields), 4)
        assert coded <= len(block)
        assert huffman or not coded


@given(st.binary(max_size=200))
def test_whatever_the_block_counting_ends(block: bytes) -> None:
    count, coded = measure(block, 1000)
    assert count <= len(block)
    assert coded <= len(block)


async def test_an_idle_connection_that_talks_too_much_is_closed(
    http2_client: Client, http2_tls: ssl.SSLContext
) -> None:
    def handle(connection: Connection) -> None:
        def respond(side: Http2Side, stream: int) -> None:
            side.respond(stream, b"x")
            if connection.number == 1:
                connection.send(FLOODS["unknown"] * 900)

        speaking_http2(respond)(connection)

    with RawServer(handle, tls=http2_tls) as server:
        for _ in range(3):
            assert (await http2_client.get(server.url())).body == b"x"
            await anyio.sleep(0.05)  # what it has to say arrives
        assert server.accepted == 2


async def test_pings_and_updates_of_a_slow_good_server_are_borne(
    http2_client: Client, http2_tls: ssl.SSLContext
) -> None:
    def respond(side: Http2Side, stream: int) -> None:
        side.h2.send_headers(stream, [(b":status", b"200")])
        for _ in range(500):
            side.h2.ping(b"12345678")
            side.h2.send_data(stream, b"x")
            side.flush()
            side.connection.send(FLOODS["window updates"] * 5)
        side.h2.end_stream(stream)
        side.flush()

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        assert (await http2_client.get(server.url())).body == b"x" * 500


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 5), st.integers(0, 3)), max_size=200))
def test_frames_that_carry_nothing_are_bounded_by_time_and_use(moves: list[tuple[int, float, int]]) -> None:
    now = spent = 0.0
    budget = FrameBudget(lambda: now)
    useful = 0
    for frames, seconds, earned in moves:
        now += seconds
        spent += frames
        is_within = budget.spend(frames)
        assert not is_within or spent <= MOST_EMPTY + now * EMPTY_A_SECOND + useful * EMPTY_FOR_EACH + 1e-6
        if not is_within:
            break
        for _ in range(earned):
            useful += 1
            budget.earn()


def test_a_ping_each_second_is_borne_for_ever() -> None:
    now = time.monotonic()
    budget = FrameBudget(lambda: now)
    for _ in range(10 * MOST_EMPTY):
        now += 1
        assert budget.spend(1)
