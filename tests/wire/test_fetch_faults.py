"""Whole fetches over real sockets against servers that misbehave: each ends with one named outcome, within bounds."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import time
import zlib
from collections.abc import Iterator

import anyio
import pytest

from fetch_engine.fetch.context import FetchContext
from fetch_engine.fetch.fetch import describe_failure, fetch
from fetch_engine.fetch.retry import RetryPolicy
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult
from fetch_engine.model.transport_options import TransportOptions

from .conftest import Client, Opener
from .servers import Connection, Handler, RawServer, answering, closing, echoing

pytestmark = pytest.mark.anyio

MIB = 1024**2
TIMEOUTS = Timeouts(connect=5, read=5, write=5, pool=5, total=20)


async def run(
    client: Client,
    request: str | FetchRequest,
    *,
    limits: Limits | None = None,
    timeouts: Timeouts = TIMEOUTS,
    retry: RetryPolicy | None = None,
) -> FetchResult | FetchError:
    request = FetchRequest(request) if isinstance(request, str) else request
    recorder = Recorder()
    recorder.start()
    with anyio.fail_after(60):
        try:
            return await fetch(request, client.transport, FetchContext(limits, timeouts, retry), recorder)
        except AttemptFailed as failure:
            return describe_failure(request, recorder, failure)


async def result_of(client: Client, request: str | FetchRequest, **options: object) -> FetchResult:
    outcome = await run(client, request, **options)  # type: ignore[arg-type]
    assert isinstance(outcome, FetchResult), outcome
    return outcome


async def error_of(client: Client, request: str | FetchRequest, **options: object) -> FetchError:
    outcome = await run(client, request, **options)  # type: ignore[arg-type]
    assert isinstance(outcome, FetchError), outcome
    return outcome


def response(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def by_path(**answers: bytes) -> Handler:
    """Answer each request by the first part of its path until the client closes."""

    def handle(connection: Connection) -> None:
        while request := connection.request():
            path = request.split(b" ", 2)[1].decode()
            connection.send(answers[path.strip("/").partition("/")[0] or "start"])

    return handle


def forever(head: bytes, part: bytes, *, every: float = 0.0) -> Handler:
    """Send `part` again and again until the client closes."""

    def handle(connection: Connection) -> None:
        if not connection.request():
            return
        with contextlib.suppress(OSError):
            connection.socket.sendall(head)
            while True:
                connection.socket.sendall(part)
                time.sleep(every)

    return handle


# Redirects


async def test_redirects_over_one_connection(client: Client) -> None:
    answers = {
        "start": response(b"moved", "Location: /second", status="301 Moved"),
        "second": response(b"", "Location: third?x#y", status="303 See"),
        "third?x": response(b"hello", "Content-Type: text/plain"),
    }
    with RawServer(by_path(**answers)) as server:
        result = await result_of(client, server.url("/#f"))
        assert (result.preview, result.status, result.final_url) == (b"hello", 200, server.url("/third?x#y"))
        assert [(hop.url, hop.status) for hop in result.redirects] == [
            (server.url("/#f"), 301),
            (server.url("/second#f"), 303),
        ]
        assert server.accepted == 1
    assert result.redirects[0].timings.connect is not None
    assert result.timings.connect is None
    assert result.bytes_received == sum(map(len, answers.values()))


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/", "data:,x", "http://127.0.0.1:99999/", "http://["]
)
async def test_redirect_refused(client: Client, location: str) -> None:
    with RawServer(answering(response(b"", f"Location: {location}", status="302 Found"))) as server:
        error = await error_of(client, server.url())
        assert (error.kind, error.status, error.final_url) == (ErrorKind.REDIRECT_REFUSED, 302, server.url())


async def test_redirect_loop(client: Client) -> None:
    answers = {
        "start": response(b"", "Location: /second", status="302 Found"),
        "second": response(b"", "Location: /", status="302 Found"),
    }
    with RawServer(by_path(**answers)) as server:
        error = await error_of(client, server.url())
    assert error.kind is ErrorKind.TOO_MANY_REDIRECTS
    assert "loop" in error.message
    assert len(error.redirects) == 10


@pytest.mark.parametrize("framing", ["Content-Length: 99999999999", "Transfer-Encoding: chunked", "Connection: close"])
@pytest.mark.parametrize("part", [b"1000\r\n" + bytes(4096) + b"\r\n", b"1\r\nx\r\n"])
async def test_endless_body_of_a_redirect(client: Client, framing: str, part: bytes) -> None:
    with RawServer(answering(response(b"hello"))) as target:
        head = f"HTTP/1.1 302 Found\r\nLocation: {target.url()}\r\n{framing}\r\n\r\n".encode()
        with RawServer(forever(head, part, every=0 if len(part) > 100 else 0.01)) as server:
            started = time.perf_counter()
            result = await result_of(client, server.url())
            assert time.perf_counter() - started < 60
            assert server.left.wait(60)
    assert result.preview == b"hello"
    assert result.bytes_received < 10 * MIB


async def test_silent_body_of_a_redirect(client: Client) -> None:
    with RawServer(answering(response(b"hello"))) as target:
        head = f"HTTP/1.1 302 Found\r\nLocation: {target.url()}\r\n\r\n".encode()
        with RawServer(answering(head)) as server:
            assert (await result_of(client, server.url())).preview == b"hello"


async def test_bomb_as_body_of_a_redirect(client: Client) -> None:
    with RawServer(answering(response(b"hello"))) as target:
        first = response(
            gzip.compress(bytes(10 * MIB)), "Content-Encoding: gzip", f"Location: {target.url()}", status="302 Found"
        )
        with RawServer(answering(first)) as server:
            assert (await result_of(client, server.url(), limits=Limits(max_body=100))).preview == b"hello"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_credentials_do_not_cross_ports(client: Client, status: str) -> None:
    headers = (("Cookie", "session=secret"), ("Proxy-Authorization", "Basic secret"), ("X-Own", "yes"))
    with contextlib.ExitStack() as servers:
        target = servers.enter_context(RawServer(echoing))
        first = response(b"", f"Location: {target.url('/echo')}", status=status)
        server = servers.enter_context(RawServer(answering(first)))
        url = server.url("/").replace("http://", "http://user:secret@")
        result = await result_of(client, FetchRequest(url, headers=headers))
    echoed = result.preview.lower()
    assert b"get /echo " in echoed
    assert b"x-own: yes" in echoed
    assert f"host: 127.0.0.1:{target.port}\r\n".encode() in echoed
    for secret in (b"authorization", b"cookie", b"secret", base64.b64encode(b"user:secret").lower()):
        assert secret not in echoed
    assert "secret" not in f"{result.final_url} {result.redirects}"


async def test_credentials_reach_their_own_origin(client: Client) -> None:
    def handle(connection: Connection) -> None:
        assert b"uthorization: Basic " + base64.b64encode(b"user:secret") in connection.request()
        connection.send(response(b"", "Location: /echo", status="302 Found"))
        echoing(connection)

    with RawServer(handle) as server:
        result = await result_of(client, server.url().replace("http://", "http://user:secret@"))
    assert b"uthorization: Basic " + base64.b64encode(b"user:secret") in result.preview


async def test_post_becomes_get_and_loses_its_body(client: Client) -> None:
    def handle(connection: Connection) -> None:
        assert connection.request().endswith(b"\r\n\r\na=b")
        connection.send(response(b"", "Location: /echo", status="302 Found"))
        echoing(connection)

    with RawServer(handle) as server:
        request = FetchRequest(server.url(), "POST", (("Content-Type", "text/x"),), b"a=b")
        result = await result_of(client, request)
    assert result.preview.startswith(b"GET /echo ")
    assert b"ontent-" not in result.preview
    assert b"a=b" not in result.preview


async def test_307_sends_the_body_again(client: Client) -> None:
    def handle(connection: Connection) -> None:
        if connection.number == 1:
            connection.request()
            connection.send(response(b"", "Location: /echo", status="307 Temporary"))
        echoing(connection)

    with RawServer(handle) as server:
        result = await result_of(client, FetchRequest(server.url(), "POST", body=b"a=b"))
    assert result.preview.startswith(b"POST /echo ")
    assert result.preview.endswith(b"\r\n\r\na=b")


async def test_location_in_raw_utf8(client: Client) -> None:
    first = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\xc3\xbc b\r\n\r\n"
    with RawServer(answering(first, response(b"hello"))) as server:
        assert (await result_of(client, server.url())).final_url == server.url("/%C3%BC%20b")


# Bodies


async def test_every_gzip_member_counts(client: Client) -> None:
    body = gzip.compress(b"one, ") + gzip.compress(b"") + gzip.compress(b"two") + bytes(10)
    with RawServer(answering(response(body, "Content-Encoding: gzip"))) as server:
        result = await result_of(client, server.url())
    assert (result.preview, result.body_size) == (b"one, two", 8)
    assert result.sha256 == hashlib.sha256(b"one, two").hexdigest()
    assert client.pool.idle == 1


@pytest.mark.parametrize("framing", ["length", "close"])
@pytest.mark.parametrize("cut", [1, 4, 8, 12])
async def test_truncated_gzip(client: Client, cut: int, framing: str) -> None:
    body = gzip.compress(b"hello, hello")[:-cut]
    head = response(body, "Content-Encoding: gzip")
    handler = answering(head) if framing == "length" else closing(head.replace(b"Content-Length", b"X-Length"))
    with RawServer(handler) as server:
        error = await error_of(client, server.url())
    assert (error.kind, error.message) == (ErrorKind.DECODE, "gzip body ended early")
    assert error.status == 200


async def test_truncated_on_the_wire_is_incomplete_not_decode(client: Client) -> None:
    body = gzip.compress(b"hello")
    with RawServer(closing(response(body[:-3], "Content-Encoding: gzip", length=len(body)))) as server:
        assert (await error_of(client, server.url())).kind is ErrorKind.INCOMPLETE


async def test_body_shorter_than_promised(client: Client) -> None:
    with RawServer(closing(response(b"hello", length=10))) as server:
        error = await error_of(client, server.url())
    assert (error.kind, error.body_size, error.attempts) == (ErrorKind.INCOMPLETE, 5, 1)


async def test_body_longer_than_promised_is_not_served_to_the_next(client: Client) -> None:
    smuggled = response(b"hello") + response(b"POISON!")
    with RawServer(answering(smuggled, response(b"good"))) as server:
        assert (await result_of(client, server.url())).preview == b"hello"
        outcome = await run(client, server.url("/good"))
        assert isinstance(outcome, FetchError) or outcome.preview != b"POISON!"


async def test_shorter_than_promised_is_retried(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(response(b"hello", length=5 if connection.number == 2 else 10))
        connection.close()

    with RawServer(handle) as server:
        result = await result_of(client, server.url(), retry=RetryPolicy(retries=3, delay=0))
    assert (result.attempts, result.preview, result.body_size) == (2, b"hello", 5)


def bombs() -> Iterator[tuple[str, bytes]]:
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    yield "deflate, gzip", gzip.compress(block * 10_240 + deflate.flush())
    yield "gzip", gzip.compress(bytes(64 * MIB)) * 16


@pytest.mark.parametrize(("coding", "body"), bombs(), ids=["10 GiB nested", "1 GiB in members"])
async def test_bomb(client: Client, coding: str, body: bytes) -> None:
    with RawServer(answering(response(body, f"Content-Encoding: {coding}"))) as server:
        error = await error_of(client, server.url(), limits=Limits(max_body=50 * MIB))
    assert error.kind is ErrorKind.TOO_LARGE
    assert 49 * MIB < error.body_size <= 50 * MIB


async def test_too_large_before_a_byte_of_it_is_read(client: Client) -> None:
    with RawServer(answering(response(b"", length=10**12))) as server:
        error = await error_of(client, server.url())
    assert (error.kind, error.body_size) == (ErrorKind.TOO_LARGE, 0)


async def test_endless_body_is_too_large(client: Client) -> None:
    with RawServer(forever(b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536))) as server:
        error = await error_of(client, server.url(), limits=Limits(max_body=5 * MIB))
        assert server.left.wait(60)
    assert error.kind is ErrorKind.TOO_LARGE


# Deadlines: every read brings something, so that no other timeout can end it


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 ", b"X"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
async def test_dripping_server_meets_the_total_deadline(client: Client, head: bytes, part: bytes) -> None:
    with RawServer(forever(head, part, every=0.05)) as server:
        error = await error_of(client, server.url(), timeouts=Timeouts(read=5, total=0.6))
        assert server.left.wait(60)
    assert error.kind is ErrorKind.TIMEOUT_TOTAL
    assert error.elapsed < 5


async def test_slow_redirects_meet_the_total_deadline(client: Client) -> None:
    def handle(connection: Connection) -> None:
        while connection.request():
            time.sleep(0.1)
            connection.send(response(b"", f"Location: /{time.perf_counter()}", status="302 Found"))

    with RawServer(handle) as server:
        error = await error_of(client, server.url(), timeouts=Timeouts(total=0.6), limits=Limits(max_redirects=1000))
    assert error.kind is ErrorKind.TIMEOUT_TOTAL
    assert 1 <= len(error.redirects) < 10


# Requests


async def test_header_beyond_ascii_goes_out_as_utf8(client: Client) -> None:
    with RawServer(echoing) as server:
        result = await result_of(client, FetchRequest(server.url(), headers=(("X-Own", "grün €"),)))
    assert "grün €".encode() in result.preview


async def test_host_header_may_be_given(client: Client) -> None:
    with RawServer(echoing) as server:
        result = await result_of(client, FetchRequest(server.url(), headers=(("Host", "other.example"),)))
    assert result.preview.lower().count(b"host: ") == 1
    assert b"other.example" in result.preview


async def test_default_headers_once_each(client: Client) -> None:
    with RawServer(echoing) as server:
        result = await result_of(client, server.url("/a%20b"))
    lines = result.preview.lower().split(b"\r\n")
    names = [line.partition(b":")[0] for line in lines[1:] if line]
    assert lines[0] == b"get /a%20b http/1.1"
    assert sorted(set(names)) == sorted(names)
    assert {b"host", b"user-agent", b"accept", b"accept-encoding"} <= set(names)
    assert b"accept-encoding: gzip, deflate, br, zstd" in lines


async def test_a_set_cookie_harms_nobody(client: Client) -> None:
    first = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=ü\r\n\r\n".encode()
    with RawServer(answering(first, response(b"hello"))) as server:
        await result_of(client, server.url())
        assert (await result_of(client, server.url())).preview == b"hello"


async def test_international_host_with_a_label_that_idna_refuses(open_client: Opener) -> None:
    with RawServer(echoing) as server:
        client = open_client(TransportOptions(resolve={("xn--ls8h.example", server.port): ("127.0.0.1",)}))
        result = await result_of(client, f"http://xn--ls8h.example:{server.port}/")
    assert b"xn--ls8h.example" in result.preview
