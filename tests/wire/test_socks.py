"""Requests through a SOCKS5 proxy, and what it and the target each get to see."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.results import ErrorKind
from fetch_engine.net.proxies import Proxy

from .conftest import Opener
from .servers import PATIENCE, Connection, Handler, RawServer, echoing
from .socks_server import SocksProxy

pytestmark = [pytest.mark.anyio, pytest.mark.only_httpx(reason="Capabilities.proxies")]

LOGIN = (b"user", b"p@ss")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "byte by byte"])
async def test_a_tunnel_for_each_origin(
    open_client: Opener, server_tls: ssl.SSLContext, ca_file: str, tls: bool, bytewise: bool
) -> None:
    with RawServer(echoing, tls=server_tls if tls else None) as target:
        handler = SocksProxy(target.port, login=LOGIN, bytewise=bytewise)
        with RawServer(handler) as proxy:
            url = f"socks5h://user:p%40ss@127.0.0.1:{proxy.port}"
            client = open_client(TransportOptions(ca_file=ca_file, proxy=url))
            headers = (("Proxy-Authorization", "Basic secret"),)
            for path in ("/1", "/2"):
                fetched = await client.get(target.url(path, host="localhost"), headers=headers)
                # In origin form, and nothing of the proxy's credentials.
                assert fetched.body.startswith(f"GET {path} HTTP/1.1\r\n".encode())
                assert b"secret" not in fetched.body
                assert b"p@ss" not in fetched.body
            assert (proxy.accepted, target.accepted) == (1, 1)
            assert "dns" not in fetched.recorder.phases
            await client.transport.aclose()
    assert handler.targets == [("localhost", target.port)]
    assert handler.logins == [LOGIN]


@pytest.mark.parametrize(
    ("scheme", "asked"), [("socks5", "192.0.2.7"), ("socks5h", "shop.invalid")], ids=["looked up here", "by the proxy"]
)
async def test_who_looks_the_name_up(open_client: Opener, scheme: str, asked: str) -> None:
    with RawServer(echoing) as target:
        handler = SocksProxy(target.port)
        with RawServer(handler) as proxy:
            resolve = {("shop.invalid", 80): ["192.0.2.7"]}
            client = open_client(TransportOptions(proxy=f"{scheme}://127.0.0.1:{proxy.port}", resolve=resolve))
            fetched = await client.get("http://shop.invalid/")
            assert b"Host: shop.invalid\r\n" in fetched.body
            await client.get("http://[2001:db8::1]:81/")
            await client.transport.aclose()
    assert handler.targets == [(asked, 80), ("2001:db8::1", 81)]


async def test_a_name_looked_up_here_passes_the_filter_of_addresses(open_client: Opener) -> None:
    with RawServer(lambda connection: None) as proxy:
        options = TransportOptions(
            proxy=f"socks5://127.0.0.1:{proxy.port}",
            resolve={("shop.invalid", 80): ["192.0.2.7"]},
            address_filter=lambda ip: ip != "192.0.2.7",
        )
        error = await failure(open_client, options)
    assert error.kind is ErrorKind.BLOCKED


async def failure(open_client: Opener, options: TransportOptions) -> AttemptFailed:
    client = open_client(options)
    with pytest.raises(AttemptFailed) as caught:
        await client.get("http://shop.invalid/", timeouts=Timeouts(connect=1, read=1))
    assert caught.value.unsent
    assert client.pool.budget.used == 0
    assert "p@ss" not in caught.value.message
    return caught.value


def saying(*replies: bytes) -> Handler:
    def handle(connection: Connection) -> None:
        for reply in replies:
            connection.socket.recv(4096)
            connection.send(reply)
        with contextlib.suppress(OSError):  # the client may have gone
            connection.socket.shutdown(socket.SHUT_WR)
        connection.gone()

    return handle


@pytest.mark.parametrize(
    ("handler", "user", "words"),
    [
        (SocksProxy(1, login=LOGIN), "", "wants a user and a password"),
        (SocksProxy(1, login=LOGIN), "user:wrong-p%40ss@", "refused user and password"),
        (SocksProxy(1, status=5), "", "no connection to shop.invalid:80: connection refused"),
        (SocksProxy(1, status=2), "user:p%40ss@", "not allowed by its rules"),
        (SocksProxy(1, status=99), "", "error 99"),
        (saying(b"\x04\x00"), "", "does not speak SOCKS5"),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "", "does not speak SOCKS5"),
        (saying(b"\x05\x01"), "user:p%40ss@", "none of our ways"),
        (saying(b"\x05\x02"), "", "wants a user"),  # a login nobody offered
        (saying(b"\x05\x00", b"\x05\x00\x00\x07"), "", "not valid"),
        (saying(b"\x05\x00", b"\x04\x00\x00\x01"), "", "does not speak SOCKS5"),
        (saying(b"\x05\x00", b"\x05\x00\x00\x01\x00"), "", "closed the connection"),
        (saying(b""), "", "closed the connection"),
    ],
)
async def test_a_proxy_that_refuses(open_client: Opener, handler: Handler, user: str, words: str) -> None:
    with RawServer(handler) as proxy:
        error = await failure(open_client, TransportOptions(proxy=f"socks5h://{user}127.0.0.1:{proxy.port}"))
    assert error.kind is ErrorKind.PROXY
    assert words in error.message


async def test_a_proxy_that_resets(open_client: Opener) -> None:
    with RawServer(Connection.reset) as proxy:
        error = await failure(open_client, TransportOptions(proxy=f"socks5h://127.0.0.1:{proxy.port}"))
    assert error.kind is ErrorKind.PROXY


async def test_a_proxy_that_stalls(open_client: Opener) -> None:
    over = threading.Event()

    def handle(connection: Connection) -> None:
        over.wait(PATIENCE)

    with RawServer(handle) as proxy:
        error = await failure(open_client, TransportOptions(proxy=f"socks5h://127.0.0.1:{proxy.port}"))
        over.set()
    assert error.kind is ErrorKind.TIMEOUT_CONNECT
    assert "opening the tunnel" in error.message


async def test_what_the_proxy_sends_early_is_not_taken_for_an_answer(open_client: Opener) -> None:
    """It belongs to the tunnel, in which a server that speaks first is no HTTP server."""

    def handle(connection: Connection) -> None:
        connection.socket.recv(4096)
        connection.send(b"\x05\x00")
        connection.socket.recv(4096)
        connection.send(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50POISON")
        connection.gone()

    with RawServer(handle) as proxy:
        client = open_client(TransportOptions(proxy=f"socks5h://127.0.0.1:{proxy.port}"))
        with pytest.raises(AttemptFailed) as caught:
            await client.get("http://shop.invalid/", timeouts=Timeouts(connect=1, read=1))
    assert caught.value.kind is ErrorKind.PROTOCOL


async def test_connections_are_kept_apart_by_proxy_and_user(open_client: Opener) -> None:
    with RawServer(echoing) as target:
        handler = SocksProxy(target.port)
        with RawServer(handler) as proxy:
            client = open_client()
            for _ in range(2):
                for user in ("", "one:1@", "two:2@"):
                    for scheme in ("socks5", "socks5h"):
                        await client.get(target.url(), proxy=f"{scheme}://{user}127.0.0.1:{proxy.port}")
                await client.get(target.url())
            assert (proxy.accepted, target.accepted) == (6, 7)
            await client.transport.aclose()


def test_credentials_of_socks() -> None:
    assert Proxy.parse("socks5://h") == Proxy("socks5", "h", 1080)
    proxy = Proxy.parse("SOCKS5H://user:p%40ss@H:9")
    assert proxy == Proxy("socks5h", "h", 9, login=LOGIN)
    assert "p@ss" not in repr(proxy) + str(proxy)
    assert proxy.headers() == []
    with pytest.raises(ValueError, match="255 bytes"):
        Proxy.parse(f"socks5://u:{'x' * 256}@h")
