"""A connection whose certificate nobody checked, or through another proxy, serves only those who asked for it."""

from __future__ import annotations

import ssl

import pytest
import trustme

from fetch_engine import FetchEngine, FetchFailed, FetchRequest
from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

from .conftest import Client, Opener
from .http2_server import http2_context, speaking_http2
from .servers import Connection, Handler, RawServer, echoing
from .test_http2 import echo
from .test_proxies import TunnelProxy

pytestmark = pytest.mark.anyio


async def refused(client: Client, url: str, **changes: object) -> ErrorKind:
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url, **changes)  # type: ignore[arg-type]
    return caught.value.kind


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_an_unchecked_connection_is_for_insecure_requests_only(
    open_client: Opener, authority: trustme.CA, server_tls: ssl.SSLContext, http2: bool
) -> None:
    client = open_client(TransportOptions(http2=http2))  # trusts certifi, not `authority`
    if http2 and not client.can.http2:
        with pytest.raises(AttemptFailed, match=r"lacks HTTP/2"):
            await client.get("https://127.0.0.1:1/")
        return
    handler = speaking_http2(echo) if http2 else echoing
    with RawServer(handler, tls=http2_context(authority) if http2 else server_tls) as server:
        url = server.url()
        assert await refused(client, url) is ErrorKind.TLS
        await client.get(url, insecure=True)
        kept = int(client.can.tls_kept)
        assert client.pool.idle == kept
        assert await refused(client, url) is ErrorKind.TLS
        await client.get(url, insecure=True)
        assert client.pool.idle == kept
        assert server.accepted == 4 - kept  # two that were refused, one that served twice
        await client.transport.aclose()


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_a_checked_connection_is_not_mixed_up_with_an_unchecked_one(
    open_client: Opener, authority: trustme.CA, ca_file: str, server_tls: ssl.SSLContext, http2: bool
) -> None:
    client = open_client(TransportOptions(ca_file=ca_file, http2=http2))
    if http2 and not client.can.http2:
        with pytest.raises(AttemptFailed, match=r"lacks HTTP/2"):
            await client.get("https://127.0.0.1:1/")
        return
    handler = speaking_http2(echo) if http2 else echoing
    with RawServer(handler, tls=http2_context(authority) if http2 else server_tls) as server:
        for _ in range(2):
            for insecure in (False, True):
                await client.get(server.url(), insecure=insecure)
        assert (server.accepted, client.pool.idle) == ((2, 2) if client.can.tls_kept else (4, 0))
        await client.transport.aclose()


async def test_where_nothing_is_checked_insecure_makes_no_difference(
    open_client: Opener, server_tls: ssl.SSLContext
) -> None:
    client = open_client(TransportOptions(verify=False))
    with RawServer(echoing, tls=server_tls) as server, RawServer(echoing) as plain:
        for url in (server.url(), plain.url()):
            for insecure in (False, True):
                await client.get(url, insecure=insecure)
        assert (server.accepted, plain.accepted) == (1 if client.can.tls_kept else 2, 1)


@pytest.mark.only_httpx(reason="Capabilities.proxies")
async def test_http_goes_through_the_proxy_that_the_request_names(open_client: Opener) -> None:
    with RawServer(echoing) as target, RawServer(echoing) as one, RawServer(echoing) as two:
        client = open_client(TransportOptions(proxy=f"127.0.0.1:{one.port}"))
        second = f"http://user:p%40ss@127.0.0.1:{two.port}"
        for _ in range(2):
            for proxy, seen in ((None, b"GET http://"), (second, b"GET http://"), ("", b"GET / ")):
                fetched = await client.get(target.url(), proxy=proxy)
                assert fetched.body.startswith(seen)
                assert (b"Proxy-Authorization: Basic " in fetched.body) == (proxy == second)
        # The proxy as a server of its own is another matter than the proxy.
        assert (await client.get(one.url(), proxy="")).body.startswith(b"GET / ")
        assert (target.accepted, one.accepted, two.accepted) == (1, 2, 1)


@pytest.mark.only_httpx(reason="Capabilities.proxies")
async def test_tunnels_are_kept_apart_by_proxy_and_by_its_user(
    open_client: Opener, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    client = open_client(TransportOptions(ca_file=ca_file))
    with RawServer(echoing, tls=server_tls) as target:
        handler = TunnelProxy(target)
        with RawServer(handler) as proxy:
            for _ in range(2):
                for user in ("", "one:1@", "two:2@"):
                    await client.get(target.url(), proxy=f"http://{user}127.0.0.1:{proxy.port}")
                await client.get(target.url())
            await client.get(target.url(), proxy=f"http://127.0.0.1:{proxy.port}", insecure=True)
            assert (proxy.accepted, target.accepted) == (4, 5)
            await client.transport.aclose()
    said = [b"Proxy-Authorization" in request for request in handler.tunnels]
    assert said == [False, True, True, False]


@pytest.mark.parametrize("proxy", ["socks4://h:1", "http://", "http://h:x", "http://user:p@ss@h:x"])
async def test_a_proxy_that_is_none_fails_its_request_only(open_client: Opener, proxy: str) -> None:
    client = open_client()
    with RawServer(echoing) as server:
        assert await refused(client, server.url(), proxy=proxy) is ErrorKind.PROXY
        await client.get(server.url())


def redirecting(url: str) -> Handler:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer(status="302 Found", headers=f"Location: {url}\r\n")

    return handle


async def test_a_redirect_past_the_proxy_goes_without_its_credentials() -> None:
    """CVE-2018-18074 and CVE-2023-32681 in requests: those of the proxy, its own and a user's, are for it alone."""
    seen: list[bytes] = []

    def noting(connection: Connection) -> None:
        while request := connection.request():
            seen.append(request)
            connection.answer()

    with RawServer(noting) as target:
        away = redirecting(target.url())

        def proxy_handler(connection: Connection) -> None:
            seen.append(b"to the proxy")
            away(connection)

        with RawServer(proxy_handler) as proxy:
            options = TransportOptions(
                proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}", no_proxy=["127.0.0.1"], trust_env=False
            )
            async with FetchEngine(transport=options) as engine:
                request = FetchRequest("http://shop.invalid/", headers=(("Proxy-Authorization", "Basic own"),))
                assert (await engine.submit(request)).status == 200
    assert seen[0] == b"to the proxy"
    assert seen[1].startswith(b"GET / HTTP/1.1\r\n")
    assert b"roxy-" not in seen[1]
    assert b"own" not in seen[1]


async def test_each_proxy_of_the_environment_has_its_own_credentials(
    monkeypatch: pytest.MonkeyPatch, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    with RawServer(echoing, tls=server_tls) as target:
        tunnels = TunnelProxy(target)
        with RawServer(tunnels) as secure, RawServer(echoing) as plain:
            monkeypatch.setenv("http_proxy", f"http://one:secret@127.0.0.1:{plain.port}")
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{secure.port}")
            options = TransportOptions(ca_file=ca_file, trust_env=True)
            async with FetchEngine(transport=options) as engine:
                assert b"Proxy-Authorization" in (await engine.submit("http://shop.invalid/")).preview
                assert b"Proxy-Authorization" not in (await engine.submit(target.url(host="localhost"))).preview
        assert len(tunnels.tunnels) == 1
        assert b"Proxy-Authorization" not in tunnels.tunnels[0]


async def test_a_redirect_keeps_to_the_route(server_tls: ssl.SSLContext) -> None:
    with RawServer(echoing, tls=server_tls) as target:
        handler = TunnelProxy(target)
        with RawServer(redirecting(target.url())) as first, RawServer(handler, tls=None) as proxy:
            async with FetchEngine() as engine:
                through = f"http://127.0.0.1:{proxy.port}"
                result = await engine.submit(FetchRequest(first.url(), insecure=True, proxy=""))
                assert (result.status, len(result.redirects)) == (200, 1)
                with pytest.raises(FetchFailed) as caught:
                    await engine.submit(FetchRequest(target.url(), proxy=through))
                assert caught.value.error.kind is ErrorKind.TLS
                assert (await engine.submit(FetchRequest(target.url(), insecure=True, proxy=through))).status == 200
        assert len(handler.tunnels) == 2
