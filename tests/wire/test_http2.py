"""HTTP/2: many exchanges on one connection, none at the expense of another."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import anyio
import h2.events
import h2.settings
import hyperframe.frame
import pytest
import trustme
from h2.errors import ErrorCodes

from fetch_engine.http.http2_frames import FrameSplitter, GoAway
from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest

from .conftest import TIMEOUTS, Client, Opener, until
from .http2_server import Http2Side, http2_context, speaking_http2
from .servers import PATIENCE, Connection, RawServer, echoing

pytestmark = [pytest.mark.anyio, pytest.mark.only_httpx(reason="Capabilities.http2")]


@pytest.fixture(scope="session")
def http2_tls(authority: trustme.CA) -> ssl.SSLContext:
    return http2_context(authority)


@pytest.fixture
def http2_client(open_client: Opener, ca_file: str) -> Client:
    return open_client(TransportOptions(ca_file=ca_file, http2=True))


def echo(side: Http2Side, stream: int) -> None:
    fields, body = side.requests[stream]
    side.respond(stream, fields[b":path"] + b" " + body, fields=((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")))


def path_of(side: Http2Side, stream: int) -> bytes:
    return side.requests[stream][0][b":path"]


async def test_many_requests_share_one_connection(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    with RawServer(speaking_http2(echo), tls=http2_tls) as server:
        bodies: dict[int, bytes] = {}

        async def fetch(number: int) -> None:
            bodies[number] = (await http2_client.get(server.url(f"/{number}"))).body

        async with anyio.create_task_group() as fetches:
            for number in range(100):
                fetches.start_soon(fetch, number)
        assert bodies == {number: f"/{number} ".encode() for number in range(100)}
        fetched = await http2_client.get(server.url("/x"))
        assert server.accepted == 1
    assert fetched.http_version == "HTTP/2"
    assert fetched.headers == (("set-cookie", "a=1"), ("set-cookie", "b=2"))
    assert fetched.recorder.bytes_received > 0
    assert list(fetched.recorder.phases) == ["send", "wait", "receive"]


async def test_without_the_option_http1_is_spoken(tls_client: Client, authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with RawServer(echoing, tls=context) as server:
        assert (await tls_client.get(server.url())).http_version == "HTTP/1.1"


async def test_a_server_without_http2_gets_as_many_connections_as_needed(
    http2_client: Client, server_tls: ssl.SSLContext
) -> None:
    with RawServer(echoing, tls=server_tls) as server:
        async with anyio.create_task_group() as fetches:
            for _ in range(10):
                fetches.start_soon(http2_client.get, server.url())
        assert 1 <= server.accepted <= 10
        assert (await http2_client.get(server.url())).http_version == "HTTP/1.1"


async def test_large_bodies_both_ways(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    """Several times every window, ours and the server's."""
    with RawServer(speaking_http2(echo), tls=http2_tls) as server:
        body = bytes(range(256)) * 12_000
        bodies: list[bytes] = []

        async def fetch() -> None:
            bodies.append((await http2_client.get(server.url("/"), method="PUT", body=body)).body)

        async with anyio.create_task_group() as fetches:
            for _ in range(3):
                fetches.start_soon(fetch)
        assert bodies == [b"/ " + body] * 3
        assert server.accepted == 1


async def test_a_slow_reader_does_not_hold_up_others(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    def respond(side: Http2Side, stream: int) -> None:
        side.respond(stream, b"x" * (4_000_000 if path_of(side, stream) == b"/big" else 10))

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        request = WireRequest("GET", server.url("/big"))
        async with http2_client.transport.stream(request, TIMEOUTS, Recorder()) as response:
            size = len(await anext(aiter(response.chunks())))
            for _ in range(20):
                assert (await http2_client.get(server.url("/small"))).body == b"x" * 10
            async for chunk in response.chunks():
                size += len(chunk)
        assert size == 4_000_000
        assert server.accepted == 1


async def test_responses_left_early_do_not_use_up_the_connection(
    http2_client: Client, http2_tls: ssl.SSLContext
) -> None:
    """What was sent for them counts against the window of the whole connection, shut after 16 of these."""
    fetched = 0

    def respond(side: Http2Side, stream: int) -> None:
        path = path_of(side, stream)
        if path != b"/held":
            side.respond(stream, b"x" * (1_500_000 if path == b"/big" else 10))

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        async with anyio.create_task_group() as held:
            # Somebody has to read while the others do not.
            held.start_soon(http2_client.get, server.url("/held"))
            for _ in range(40):
                recorder = Recorder()
                request = WireRequest("GET", server.url("/big"))
                async with http2_client.transport.stream(request, TIMEOUTS, recorder):
                    await until(lambda: recorder.bytes_received > 1_000_000)  # noqa: B023
                fetched += 1
            assert (await http2_client.get(server.url("/small"))).body == b"x" * 10
            held.cancel_scope.cancel()
        assert server.accepted == 1
    assert fetched == 40


async def test_a_cancelled_request_resets_its_stream_only(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    sides: list[Http2Side] = []

    def respond(side: Http2Side, stream: int) -> None:
        sides.append(side)
        if path_of(side, stream) == b"/slow":
            return
        side.respond(stream, b"good")

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        done: list[bytes] = []

        async def slow(recorder: Recorder) -> None:
            done.append((await http2_client.get(server.url("/slow"), recorder=recorder)).body)

        async with anyio.create_task_group() as fetches:
            for _ in range(5):
                fetches.start_soon(slow, Recorder())
            await until(lambda: sides and len(sides[0].requests) == 5)
            # Whoever reads for all is among them.
            assert (await http2_client.get(server.url("/fast"))).body == b"good"
            fetches.cancel_scope.cancel()
        await until(lambda: len(sides[0].resets) == 5)
        assert (await http2_client.get(server.url("/fast"))).body == b"good"
        assert server.accepted == 1
        assert not done


async def test_the_one_that_reads_for_all_may_go(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    """Cancelled or timed out in any order, it hands over."""

    def respond(side: Http2Side, stream: int) -> None:
        if path_of(side, stream) == b"/go":
            for waiting in list(side.requests):
                if waiting not in side.resets and path_of(side, waiting) == b"/wait":
                    side.respond(waiting, b"good")
            side.respond(stream, b"went")
        elif path_of(side, stream) == b"/first":
            side.respond(stream)

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        await http2_client.get(server.url("/first"))
        bodies: list[bytes] = []
        scopes = [anyio.CancelScope() for _ in range(10)]

        async def fetch(number: int) -> None:
            with scopes[number]:
                patience = Timeouts(read=0.1) if number in (1, 4) else TIMEOUTS
                try:
                    bodies.append((await http2_client.get(server.url("/wait"), timeouts=patience)).body)
                except AttemptFailed as error:
                    bodies.append(error.kind.encode())

        async with anyio.create_task_group() as fetches:
            for number in range(10):
                fetches.start_soon(fetch, number)
            await anyio.sleep(0.05)
            for number in (0, 2, 7):
                scopes[number].cancel()
                await anyio.sleep(0.01)
            await until(lambda: len(bodies) == 2)
            assert (await http2_client.get(server.url("/go"))).body == b"went"
        assert sorted(bodies) == [b"good"] * 5 + [b"timeout-read"] * 2
        assert server.accepted == 1


async def test_two_that_go_at_once_leave_the_third_a_reader(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    """The one that reads hands over to one that is being cancelled as well."""
    both_gone = threading.Event()
    arrived: list[bytes] = []

    def respond(side: Http2Side, stream: int) -> None:
        arrived.append(path_of(side, stream))
        if path_of(side, stream) == b"/2":
            both_gone.wait(PATIENCE)
            side.respond(stream, b"good")
        elif path_of(side, stream) == b"/first":
            side.respond(stream)

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        await http2_client.get(server.url("/first"))
        bodies: list[bytes] = []
        scopes = [anyio.CancelScope() for _ in range(3)]
        ended: set[int] = set()

        async def fetch(number: int) -> None:
            with scopes[number]:
                bodies.append((await http2_client.get(server.url(f"/{number}"), timeouts=Timeouts(read=3))).body)
            ended.add(number)

        async with anyio.create_task_group() as fetches:
            for number in range(3):
                fetches.start_soon(fetch, number)
                await until(lambda count=number + 2: len(arrived) == count)  # type: ignore[misc]
            scopes[0].cancel()
            scopes[1].cancel()
            await until(lambda: ended == {0, 1})
            both_gone.set()
    assert bodies == [b"good"]


async def test_no_more_streams_than_the_server_allows(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 3}
    most = 0

    def respond(side: Http2Side, stream: int) -> None:
        nonlocal most
        most = max(most, side.h2.open_inbound_streams)
        echo(side, stream)

    with RawServer(speaking_http2(respond, settings), tls=http2_tls) as server:
        await http2_client.get(server.url("/first"))
        async with anyio.create_task_group() as fetches:
            for number in range(12):
                fetches.start_soon(http2_client.get, server.url(f"/{number}"))
        assert server.accepted >= 2
    assert most <= 3


async def test_goaway_finishes_what_was_promised(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    """The first two streams are answered after GOAWAY, the third goes to a new connection, unseen."""
    held: list[int] = []

    def respond(side: Http2Side, stream: int) -> None:
        if side.connection.number > 1:
            side.respond(stream, b"second connection")
            return
        held.append(stream)
        if len(held) < 3:
            return
        goaway = hyperframe.frame.GoAwayFrame(0)
        goaway.last_stream_id = held[1]
        side.connection.send(goaway.serialize())
        for number in held[:2]:
            side.respond(number, b"first connection")

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        bodies: list[bytes] = []

        async def fetch() -> None:
            bodies.append((await http2_client.get(server.url(), method="POST", body=b"x")).body)

        async with anyio.create_task_group() as fetches:
            for turn in range(3):
                fetches.start_soon(fetch)
                await until(lambda: len(held) == turn + 1)  # noqa: B023  (awaited in this turn)
        assert sorted(bodies) == [b"first connection"] * 2 + [b"second connection"]
        assert (await http2_client.get(server.url())).body == b"second connection"
        assert server.accepted == 2
    assert http2_client.pool.budget.used == 1


async def test_goaway_on_an_idle_connection(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    gone = threading.Event()

    def handle(connection: Connection) -> None:
        side = Http2Side(connection)
        side.flush()
        while events := side.receive():
            if any(isinstance(event, h2.events.StreamEnded) for event in events):
                stream = max(side.requests)
                side.respond(stream, b"ok")
                if connection.number == 1:
                    goaway = hyperframe.frame.GoAwayFrame(0)
                    goaway.last_stream_id = stream
                    connection.send(goaway.serialize())
                    gone.set()

    with RawServer(handle, tls=http2_tls) as server:
        await http2_client.get(server.url())
        assert await anyio.to_thread.run_sync(gone.wait, PATIENCE)
        assert (await http2_client.get(server.url())).body == b"ok"
        assert server.accepted == 2


@pytest.mark.parametrize("when", ["idle", "under the request"])
async def test_a_kept_connection_that_closes_is_replaced(
    http2_client: Client, http2_tls: ssl.SSLContext, when: str
) -> None:
    closed = threading.Event()

    def respond(side: Http2Side, stream: int) -> None:
        if side.connection.number > 1 or stream == 1:
            side.respond(stream, b"ok")
        if side.connection.number == 1 and (when == "idle" or stream > 1):
            side.connection.close()
            closed.set()

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        await http2_client.get(server.url())
        if when == "idle":
            assert await anyio.to_thread.run_sync(closed.wait, PATIENCE)
        assert (await http2_client.get(server.url())).body == b"ok"
        assert server.accepted == 2


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("reset", ErrorKind.RESET),
        ("reset in the body", ErrorKind.RESET),
        ("close", ErrorKind.RESET),
        ("close in the body", ErrorKind.RESET),
        ("garbage", ErrorKind.PROTOCOL),
        ("short", ErrorKind.INCOMPLETE),
        ("long", ErrorKind.PROTOCOL),
        ("stall", ErrorKind.TIMEOUT_READ),
        ("stall in the body", ErrorKind.TIMEOUT_READ),
        ("interim", ErrorKind.PROTOCOL),
        ("headers", ErrorKind.PROTOCOL),
        ("no status", ErrorKind.PROTOCOL),
    ],
)
async def test_what_servers_do_wrong(
    open_client: Opener, ca_file: str, http2_tls: ssl.SSLContext, behaviour: str, kind: ErrorKind
) -> None:
    client = open_client(TransportOptions(ca_file=ca_file, http2=True), Limits(max_headers=100))

    def respond(side: Http2Side, stream: int) -> None:
        fine = [(b":status", b"200")]
        if behaviour.endswith("in the body"):
            side.respond(stream, b"hello", end=False)
        if behaviour.startswith("reset"):
            side.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
        elif behaviour.startswith("close"):
            side.connection.close()
        elif behaviour == "garbage":
            side.connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 1000)
        elif behaviour in ("short", "long"):
            length = b"10" if behaviour == "short" else b"3"
            side.respond(stream, b"hello", fields=((b"content-length", length),))
        elif behaviour == "interim":
            for _ in range(100):
                side.h2.send_headers(stream, [(b":status", b"103")])
        elif behaviour == "headers":
            side.h2.send_headers(stream, fine + [(b"x-%d" % number, b"y") for number in range(200)])
        elif behaviour == "no status":
            side.h2.config.validate_outbound_headers = False
            side.h2.send_headers(stream, [(b"x", b"y")])
        if not behaviour.startswith("close"):
            side.flush()

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        with pytest.raises(AttemptFailed) as caught:
            await client.get(server.url(), timeouts=Timeouts(connect=5, read=0.5))
        assert caught.value.kind is kind
        await client.transport.aclose()


async def test_a_refused_stream_was_not_acted_upon(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    refused: list[int] = []

    def respond(side: Http2Side, stream: int) -> None:
        if path_of(side, stream) == b"/order" and not refused:
            refused.append(stream)
            side.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            side.flush()
        else:
            side.respond(stream, b"ok")

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        await http2_client.get(server.url("/"))
        assert (await http2_client.get(server.url("/order"), method="POST", body=b"x")).body == b"ok"
    assert len(refused) == 1


async def test_the_request_as_it_goes_out(http2_client: Client, http2_tls: ssl.SSLContext) -> None:
    seen: list[dict[bytes, bytes]] = []

    def respond(side: Http2Side, stream: int) -> None:
        seen.append(side.requests[stream][0])
        side.respond(stream)

    with RawServer(speaking_http2(respond), tls=http2_tls) as server:
        headers = (("Accept", "*/*"), ("Connection", "close"), ("Host", "shop.example"))
        await http2_client.get(server.url("/p?q"), headers=headers)
    assert seen == [
        {
            b":method": b"GET",
            b":scheme": b"https",
            b":authority": b"shop.example",
            b":path": b"/p?q",
            b"accept": b"*/*",
        }
    ]


@pytest.fixture(scope="module")
def hypercorn_port(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory = tmp_path_factory.mktemp("hypercorn")
    pem = directory / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    (directory / "app.py").write_text(
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http': return\n"
        "    body = scope['http_version'].encode() + scope['path'].encode() * 50_000\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': body})\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "--log-file", "/dev/null"]
    command += ["--workers", "0", "--certfile", str(pem), "--keyfile", str(pem), "app:app"]  # in one process
    with subprocess.Popen(command, cwd=directory, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while not accepts(port):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


async def test_hypercorn(http2_client: Client, hypercorn_port: int) -> None:
    """A server that is not ours."""
    sizes: list[int] = []

    async def fetch(number: int) -> None:
        fetched = await http2_client.get(f"https://127.0.0.1:{hypercorn_port}/{number % 10}")
        assert fetched.body == b"2" + f"/{number % 10}".encode() * 50_000
        sizes.append(len(fetched.body))

    async with anyio.create_task_group() as fetches:
        for number in range(30):
            fetches.start_soon(fetch, number)
    assert sizes == [100_001] * 30
    assert http2_client.pool.budget.used == 1


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.parametrize("most", [1, 2, 50])
@pytest.mark.parametrize("step", [1, 2, 5, 9, 100])
def test_frames_are_split_wherever_the_bytes_are(step: int, most: int) -> None:
    goaway = hyperframe.frame.GoAwayFrame(0)
    goaway.last_stream_id, goaway.error_code, goaway.additional_data = 7, 2, b"because"
    data = [hyperframe.frame.DataFrame(1, b"x" * size).serialize() for size in (0, 1, 50)]
    wire = data[0] + goaway.serialize() + data[1] + data[2] + goaway.serialize()
    splitter = FrameSplitter()
    parts: list[bytes | GoAway] = []
    for start in range(0, len(wire), step):
        splitter.feed(wire[start : start + step])
        while (part := splitter.take(most)) is not None:
            assert splitter.taken <= most
            if isinstance(part, bytes) and parts and isinstance(parts[-1], bytes):
                parts[-1] += part
            else:
                parts.append(part)
    assert parts == [data[0], GoAway(7, 2), data[1] + data[2], GoAway(7, 2)]
