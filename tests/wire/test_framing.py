"""Where a response ends (RFC 9112 section 6.3), and what becomes of one that is not HTTP."""

from __future__ import annotations

import time

import pytest

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.results import ErrorKind

from .conftest import Client, Opener
from .servers import Connection, RawServer, answering, closing

pytestmark = pytest.mark.anyio

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


async def failure(client: Client, server: RawServer, **options: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        await client.get(server.url(), **options)  # type: ignore[arg-type]
    assert client.pool.idle == 0
    assert "\n" not in caught.value.message
    assert len(caught.value.message) <= 200
    return caught.value


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
        (INTERIM + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
)
async def test_a_complete_response_keeps_the_connection(client: Client, response: bytes, body: bytes) -> None:
    with RawServer(answering(response, response)) as server:
        for _ in range(2):
            assert (await client.get(server.url())).body == body
            assert client.pool.idle == 1
        assert server.accepted == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [b"5\r\nhello\r\n", b"0\r\n\r\n"],
        [b"5\r\nhello", b"\r\n0\r\n", b"\r\n"],
        [b"5\r\nhello\r\n", b"5\r\nworld\r\n0\r\n\r\n"],
        [b"5", b"\r", b"\nhel", b"lo\r", b"\n0", b"\r\n", b"\r", b"\n"],
    ],
)
async def test_chunks_end_a_body_however_late_they_come(client: Client, pieces: list[bytes]) -> None:
    def slowly(connection: Connection) -> None:
        while connection.request():
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                time.sleep(0.01)  # so that the client waits for it
                connection.send(piece)

    with RawServer(slowly) as server:
        for _ in range(2):
            assert (await client.get(server.url())).body in (b"hello", b"helloworld")
            assert client.pool.idle == 1
        assert server.accepted == 1


async def test_head_has_no_body_whatever_its_headers_say(client: Client) -> None:
    with RawServer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")) as server:
        fetched = await client.get(server.url(), method="HEAD")
    assert fetched.body == b""
    assert ("Content-Length", "500") in fetched.headers


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_body_may_end_with_the_connection(client: Client, version: str) -> None:
    with RawServer(closing(f"HTTP/{version} 200 OK\r\n\r\nhello".encode())) as server:
        fetched = await client.get(server.url())
    assert fetched.body == b"hello"
    assert fetched.http_version == f"HTTP/{version}"
    assert client.pool.idle == 0


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer",
    ],
)
async def test_a_body_cut_short_is_incomplete(client: Client, response: bytes) -> None:
    with RawServer(closing(response)) as server:
        assert (await failure(client, server)).kind is ErrorKind.INCOMPLETE


async def test_a_reset_inside_the_body(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        connection.reset()

    with RawServer(handle) as server:
        assert (await failure(client, server)).kind in (ErrorKind.RESET, ErrorKind.INCOMPLETE)


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
async def test_closed_before_the_end_of_the_headers(client: Client, response: bytes) -> None:
    with RawServer(closing(response)) as server:
        error = await failure(client, server)
        assert error.kind is ErrorKind.RESET
        assert server.accepted == 1


async def test_reset_in_place_of_an_answer(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.reset()

    with RawServer(handle) as server:
        assert (await failure(client, server)).kind is ErrorKind.RESET


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>hello</html>",
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"\x00\xff\x1b[2J",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 150_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer Encoding: chunked\r\n\r\n0\r\n\r\n".replace(b"r E", b"r-\x80E"),
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length\t: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\x00b\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nnul: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    ],
)
async def test_what_is_not_http_is_a_protocol_error(client: Client, response: bytes) -> None:
    # The connection stays open: no end of it may be needed to find out.
    with RawServer(answering(response)) as server:
        assert (await failure(client, server)).kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"X Foo: bar", "'X Foo'"),
        (b"X-Foo : bar", "'X-Foo '"),
        (b": x", "''"),
        (b"X(y): z", "'X(y)'"),
        (b"X-\xe9: z", "'X-\\xe9'"),
        (b"Set-Cookie : a=secret", "'Set-Cookie '"),
        (b"X Foo: bar\r\n folded", "'X Foo'"),
    ],
)
async def test_a_line_that_is_no_field_is_left_out(client: Client, line: bytes, name: str) -> None:
    response = b"HTTP/1.1 200 OK\r\nA: b\r\n" + line + b"\r\nContent-Length: 2\r\n\r\nok"
    with RawServer(answering(response, response)) as server:
        for _ in range(2):
            fetched = await client.get(server.url())
            assert (fetched.body, fetched.headers) == (b"ok", (("A", "b"), ("Content-Length", "2")))
            assert fetched.recorder.warnings == (f"malformed header line dropped, its name is {name}",)
            assert client.pool.idle == 1
        assert server.accepted == 1


async def test_a_folded_field_is_one_field(client: Client) -> None:
    response = b"HTTP/1.1 200 OK\r\nA: b\r\n\t c\r\n  d\r\nContent-Length: 2\r\n\r\nok"
    with RawServer(answering(response)) as server:
        fetched = await client.get(server.url())
    assert (fetched.body, fetched.headers) == (b"ok", (("A", "b c d"), ("Content-Length", "2")))


@pytest.mark.parametrize("response", [b"HTTP/1.1 200 OK\r\n\0\xff: x", b"\xff\xfe", b"HTTP/1.1 200 OK\r\n\xff\r\n\r\n"])
async def test_messages_show_text_and_no_literals_of_python(client: Client, response: bytes) -> None:
    with RawServer(closing(response)) as server:
        error = await failure(client, server)
    assert "bytearray" not in error.message
    assert "b'" not in error.message
    assert error.message.isascii()


async def test_both_framings_the_chunks_win_and_the_connection_goes(client: Client) -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    with RawServer(answering(response, response)) as server:
        for turn in (1, 2):
            assert (await client.get(server.url())).body == b"hello"
            assert client.pool.idle == 0
            assert server.accepted == turn


async def test_endless_interim_responses_end(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        for _ in range(10_000):
            connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")

    with RawServer(handle) as server:
        error = await failure(client, server)
    assert error.kind is ErrorKind.PROTOCOL
    assert "interim" in error.message


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"X-A: 0123456789\r\n", "1000 header fields"), (b"x" * 17, "102399 bytes")],
)
async def test_endless_headers_end(client: Client, line: bytes, words: str) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        for _ in range(1000):
            connection.send(line * 1000)

    with RawServer(handle) as server:
        error = await failure(client, server)
    assert error.kind is ErrorKind.PROTOCOL
    assert words in error.message


async def test_endless_headers_of_long_lines_end(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            connection.send(b"X-A: " + b"x" * 50_000 + b"\r\n")

    with RawServer(handle) as server:
        error = await failure(client, server)
    assert error.kind is ErrorKind.PROTOCOL
    assert f"{256 * 1024} bytes of headers" in error.message


async def test_headers_of_200_kilobytes_are_accepted(client: Client) -> None:
    long = "x" * 30_000
    lines = "".join(f"X-{number}: {long}\r\n" for number in range(6)) + "X-Small: y\r\n" * 900
    with RawServer(answering(f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok".encode())) as server:
        fetched = await client.get(server.url())
    assert fetched.body == b"ok"
    assert len(fetched.headers) == 907


@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(max_headers=20), "20 header fields"), (Limits(max_header_bytes=1000), "1000 bytes of headers")],
)
async def test_limits_on_headers_hold_also_in_one_segment(open_client: Opener, limits: Limits, words: str) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 60) for number in range(21))
    with RawServer(answering(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")) as server:
        error = await failure(open_client(limits=limits), server)
    assert error.kind is ErrorKind.PROTOCOL
    assert words in error.message


async def test_a_request_that_is_not_http_never_leaves(client: Client) -> None:
    with RawServer(answering()) as server:
        for headers in ((("X", "a\r\nInjected: b"),), (("X Y", "a"),), (("X", "a\x00"),)):
            with pytest.raises(AttemptFailed) as caught:
                await client.get(server.url(), headers=headers)
            assert caught.value.kind is ErrorKind.PROTOCOL


async def test_headers_keep_order_case_and_repetition(client: Client) -> None:
    lines = b"Set-Cookie: a=1\r\nX-B: 2\r\nSet-Cookie: b=\xe9\r\n"
    with RawServer(answering(b"HTTP/1.1 200 \r\n" + lines + b"Content-Length: 0\r\n\r\n")) as server:
        fetched = await client.get(server.url())
    assert fetched.headers[:3] == (("Set-Cookie", "a=1"), ("X-B", "2"), ("Set-Cookie", "b=é"))
    assert fetched.reason == ""


async def test_the_request_as_it_goes_out(client: Client) -> None:
    def handle(connection: Connection) -> None:
        while request := connection.request():
            server.seen.append(request)
            connection.answer(headers="Set-Cookie: a=\xe9; Path=/\r\nLocation: http://h:x/\r\n", status="302 Found")

    with RawServer(handle) as server:
        for _ in range(2):
            fetched = await client.get(
                server.url("/p?q=1"), method="patch", headers=(("Accept", "*/*"), ("x-Y", "z")), body=b"data"
            )
            assert fetched.status == 302
    # No cookie of the first answer in the second request; no header nobody asked for; the method's case is kept.
    head, _, body = server.seen[0].partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    assert line == "patch /p?q=1 HTTP/1.1"
    assert sorted(fields) == ["Accept: */*", "Content-Length: 4", f"Host: 127.0.0.1:{server.port}", "x-Y: z"]
    assert body == b"data"
    assert server.seen[0] == server.seen[1]
