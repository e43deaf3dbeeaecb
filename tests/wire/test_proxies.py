"""Requests through a proxy, and what the proxy and the target each get to see."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading

import pytest
import trustme

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.results import ErrorKind
from fetch_engine.net.no_proxy import DirectHosts
from fetch_engine.net.proxies import Proxy, ProxyRules

from .conftest import Opener
from .http2_server import http2_context, speaking_http2
from .servers import PATIENCE, Connection, RawServer, closing, echoing
from .test_http2 import echo

pytestmark = [pytest.mark.anyio, pytest.mark.only_httpx(reason="Capabilities.proxies")]

SECRET = "Basic " + base64.b64encode(b"user:p@ss").decode()


class TunnelProxy:
    """Connects whatever is asked for to `target`; `tunnels` holds the requests it got."""

    def __init__(self, target: RawServer) -> None:
        self.target = target
        self.tunnels: list[bytes] = []

    def __call__(self, connection: Connection) -> None:
        while request := connection.request():
            self.tunnels.append(request)
            if not request.startswith(b"CONNECT "):
                connection.answer(request)
                continue
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.target.port)) as onward:
                pipe(connection.socket, onward)
            return


def pipe(one: socket.socket, two: socket.socket) -> None:
    other = {one: two, two: one}
    while True:
        pending = [one] if isinstance(one, ssl.SSLSocket) and one.pending() else []
        for ready in pending or select.select([one, two], [], [], 5)[0]:
            try:
                data = ready.recv(65536)
            except ssl.SSLWantReadError:
                continue
            except OSError:
                return
            if not data:
                return
            other[ready].sendall(data)


async def failure(client_options: TransportOptions, open_client: Opener, url: str) -> AttemptFailed:
    client = open_client(client_options)
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url, timeouts=Timeouts(connect=2, read=2))
    assert client.pool.budget.used == 0
    assert "p@ss" not in caught.value.message
    return caught.value


async def test_http_goes_through_in_absolute_form(open_client: Opener) -> None:
    with RawServer(echoing) as proxy:
        client = open_client(TransportOptions(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}"))
        for host in ("shop.invalid", "other.invalid:8080"):
            seen = (await client.get(f"http://{host}/p?q=1", headers=(("X-Own", "yes"),))).body.decode()
            assert seen.startswith(f"GET http://{host}/p?q=1 HTTP/1.1\r\n")
            assert f"Host: {host}\r\n" in seen
            assert f"Proxy-Authorization: {SECRET}\r\n" in seen
            assert "X-Own: yes\r\n" in seen
        # One connection to the proxy serves every http origin.
        assert proxy.accepted == 1


@pytest.mark.parametrize("proxy_tls", [False, True], ids=["http proxy", "https proxy"])
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_https_goes_through_a_tunnel(
    open_client: Opener, server_tls: ssl.SSLContext, authority: trustme.CA, ca_file: str, proxy_tls: bool, http2: bool
) -> None:
    target_tls = http2_context(authority) if http2 else server_tls
    with RawServer(speaking_http2(echo) if http2 else echoing, tls=target_tls) as target:
        handler = TunnelProxy(target)
        with RawServer(handler, tls=server_tls if proxy_tls else None) as proxy:
            scheme = "https" if proxy_tls else "http"
            url = f"{scheme}://user:p%40ss@127.0.0.1:{proxy.port}"
            client = open_client(TransportOptions(ca_file=ca_file, proxy=url, http2=http2))
            for path in ("/1", "/2"):
                fetched = await client.get(f"https://localhost:{target.port}{path}")
                assert path.encode() in fetched.body
                # Never to the target.
                assert b"Proxy-Authorization" not in fetched.body
            assert (proxy.accepted, target.accepted) == (1, 1)
            await client.transport.aclose()
    assert len(handler.tunnels) == 1
    assert handler.tunnels[0].startswith(f"CONNECT localhost:{target.port} HTTP/1.1\r\n".encode())
    assert f"Proxy-Authorization: {SECRET}".encode() in handler.tunnels[0]


async def test_the_target_must_still_prove_who_it_is(open_client: Opener, authority: trustme.CA, ca_file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    with RawServer(echoing, tls=context) as target, RawServer(TunnelProxy(target)) as proxy:
        options = TransportOptions(ca_file=ca_file, proxy=f"127.0.0.1:{proxy.port}")
        error = await failure(options, open_client, f"https://localhost:{target.port}/")
    assert error.kind is ErrorKind.TLS
    assert "another host" in error.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407 Proxy Authentication"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad", "502 Bad Gateway"),
        (b"", "without an answer"),
        (b"garbage\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON", "before the tunnel was used"),
    ],
)
async def test_a_proxy_that_refuses(open_client: Opener, answer: bytes, words: str) -> None:
    with RawServer(closing(answer)) as proxy:
        options = TransportOptions(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        error = await failure(options, open_client, "https://shop.invalid/")
    assert error.kind is ErrorKind.PROXY
    assert error.unsent
    assert words in error.message


async def test_no_proxy_there(open_client: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in ("http://shop.invalid/", "https://shop.invalid/"):
        error = await failure(TransportOptions(proxy=f"http://127.0.0.1:{port}"), open_client, url)
        assert error.kind is ErrorKind.PROXY
        assert error.message == f"proxy 127.0.0.1:{port}: connection refused by 127.0.0.1:{port}"


async def test_an_untrusted_https_proxy(open_client: Opener, server_tls: ssl.SSLContext) -> None:
    with RawServer(echoing, tls=server_tls) as proxy:
        error = await failure(
            TransportOptions(proxy=f"https://127.0.0.1:{proxy.port}"), open_client, "http://a.invalid/"
        )
    assert error.kind is ErrorKind.PROXY


async def test_a_proxy_that_stalls(open_client: Opener) -> None:
    over = threading.Event()

    def handle(connection: Connection) -> None:
        over.wait(PATIENCE)

    with RawServer(handle) as proxy:
        options = TransportOptions(proxy=f"127.0.0.1:{proxy.port}")
        error = await failure(options, open_client, "https://shop.invalid/")
        over.set()
    assert error.kind is ErrorKind.TIMEOUT_CONNECT
    assert "tunnel" in error.message


async def test_a_users_proxy_authorization_does_not_reach_a_target(open_client: Opener) -> None:
    with RawServer(echoing) as server:
        headers = (("proxy-authorization", "Basic secret"), ("X-Own", "yes"))
        seen = (await open_client().get(server.url(), headers=headers)).body
    assert b"secret" not in seen
    assert b"X-Own: yes" in seen


@pytest.mark.parametrize("url", ["socks4://127.0.0.1:1", "ftp://h", "http://", "http://h:99999", "http://h:x"])
def test_proxies_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Proxy.parse(url)
    assert isinstance(caught.value, ValueError)


def rules(environ: dict[str, str], proxy: str | None = None, no_proxy: list[str] | None = None) -> ProxyRules:
    return ProxyRules(proxy, trust_env=True, no_proxy=no_proxy, environ=environ)


def test_the_environment_counts_only_if_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://one.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ProxyRules(None, trust_env=False).find("http", "a.example") is None
    assert ProxyRules(None, trust_env=True).find("http", "a.example") == Proxy("http", "one.example", 3128)


def test_the_environment_as_curl_reads_it() -> None:
    one, three = Proxy("http", "one.example", 3128), Proxy("socks5h", "three.example", 1080)
    given = {"http_proxy": "http://one.example:3128", "no_proxy": "internal.example, 127.0.0.1"}
    assert rules(given).find("http", "a.example") == one
    assert rules(given).find("https", "a.example") is None
    assert rules(given).find("http", "www.internal.example") is None
    assert rules(given).find("http", "127.0.0.1") is None
    assert rules(given | {"all_proxy": "socks5h://three.example"}).find("https", "a.example") == three
    assert rules({"HTTPS_PROXY": "one.example:3128"}).find("https", "a.example") == one
    assert rules({"HTTPS_PROXY": "two.example", "https_proxy": "one.example:3128"}).find("https", "a.example") == one
    assert rules({"ALL_PROXY": "one.example:3128"}).find("http", "a.example") == one


def test_a_header_of_a_request_to_a_cgi_program_is_no_proxy() -> None:
    assert rules({"HTTP_PROXY": "http://evil.example"}).find("http", "a.example") is None


def test_what_is_given_goes_before_the_environment() -> None:
    given = {"https_proxy": "http://one.example", "NO_PROXY": "a.example"}
    two = Proxy("http", "two.example", 1)
    assert rules(given, "two.example:1").find("https", "b.example") == two
    assert rules(given, "two.example:1").find("https", "a.example") is None
    assert rules(given, "two.example:1", []).find("https", "a.example") == two
    assert rules(given, "").find("https", "b.example") is None
    assert rules(given).find("https", "b.example", "two.example:1") == two
    assert rules(given).find("https", "b.example", "") is None


@pytest.mark.parametrize(
    ("entry", "host", "direct"),
    [
        ("*", "a.example", True),
        ("a.example", "a.example", True),
        ("A.Example", "a.example", True),
        ("a.example.", "a.example", True),
        ("a.example", "a.example.", True),
        (".a.example", "a.example", True),
        ("a.example", "www.a.example", True),
        ("a.example", "nota.example", False),
        ("a.example", "a.example.evil.example", False),
        ("www.a.example", "a.example", False),
        ("example", "a.example", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.10", False),
        ("0.0.1", "10.0.0.1", False),
        ("10.0.0.0/8", "10.9.8.7", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("[::1]", "::1", True),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.0.0.1", False),
        ("10.0.0.0/99", "10.0.0.1", False),
        (".", "a.example", False),
        ("", "a.example", False),
    ],
)
def test_hosts_reached_directly(entry: str, host: str, direct: bool) -> None:
    assert (host in DirectHosts([entry])) is direct


@pytest.mark.parametrize("url", ["http://user:s3cret", "http://user:s3cret@h:s3cret", "socks5://u:s3cret@"])
def test_what_is_wrong_with_a_proxy_is_said_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Proxy.parse(url)
    assert "s3cret" not in str(caught.value)


def test_the_password_is_not_shown() -> None:
    proxy = Proxy.parse("http://user:p%40ss@h:1")
    assert "ss" not in repr(proxy) + str(proxy)
    assert "ss" not in repr(TransportOptions(proxy="http://user:pass@h:1")).replace("address", "")
