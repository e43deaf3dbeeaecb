"""Who gets to see credentials and cookies: the origin they are for, over redirects and retries, and nobody else."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fetch_engine import FetchEngine, FetchRequest, RetryPolicy
from fetch_engine.cookies.jar import CookieJar
from fetch_engine.curl.command import curl_command
from fetch_engine.fetch.netrc import Netrc, basic, bearer
from fetch_engine.http.httpx_transport import TransportOptions

from .servers import Connection, RawServer

pytestmark = pytest.mark.anyio

BASIC = basic("me", "s3cret")
BEARER = bearer("t0ken")


class Site:
    """Answers /to/URL with a redirect there, /set/COOKIES with these Set-Cookie fields (by `|`), all else with 200.

    `seen` holds the headers of each request by its path, names in lower case.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.failures = 0

    def __call__(self, connection: Connection) -> None:
        while request := connection.request():
            first, *lines = request.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
            path = first.split(" ")[1]
            self.seen.append((path, {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}))
            kind, _, rest = path[1:].partition("/")
            if self.failures:
                self.failures -= 1
                connection.answer(status="503 Busy")
            elif kind == "to":
                connection.answer(status="307 Away", headers=f"Location: {rest}\r\n")
            elif kind == "set":
                cookies = (f"Set-Cookie: {text.replace('%20', ' ')}\r\n" for text in rest.split("|"))
                connection.answer(headers="".join(cookies))
            else:
                connection.answer(b"fine")

    def values(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, headers in self.seen]


@asynccontextmanager
async def engine_knowing(*ports: int, **options: object) -> AsyncIterator[FetchEngine]:
    """An engine for which *.example is 127.0.0.1."""
    hosts = ("shop.example", "www.shop.example", "evil.example")
    resolve = {(host, port): ["127.0.0.1"] for host in hosts for port in ports}
    async with FetchEngine(transport=TransportOptions(resolve=resolve), **options) as engine:  # type: ignore[arg-type]
        yield engine


@pytest.mark.parametrize("trusted", [False, True])
async def test_secret_headers_follow_where_that_is_asked_for(transport_name: str, trusted: bool) -> None:
    headers = (("X-Api-Key", "k"), ("PRIVATE-TOKEN", "t"), ("X-Plain", "p"))
    one, two = Site(), Site()
    with RawServer(one) as first, RawServer(two) as second:
        async with FetchEngine(transport=TransportOptions(client=transport_name)) as engine:  # type: ignore[arg-type]
            url = first.url(f"/to/{second.url('/x')}")
            await engine.submit(FetchRequest(url, headers=headers, trust_redirects=trusted))
    for name, value in headers:
        follows = trusted or name == "X-Plain"
        assert (one.values(name.lower()), two.values(name.lower())) == ([value], [value if follows else None])


@pytest.mark.parametrize("header", [BASIC, BEARER], ids=["basic", "bearer"])
async def test_they_stay_with_their_origin(header: tuple[str, str]) -> None:
    one, two = Site(), Site()
    with RawServer(one) as first, RawServer(two) as second:
        async with engine_knowing(first.port, second.port) as engine:
            for url, tells in (
                (first.url("/x", host="shop.example"), True),
                (first.url("/x", host="www.shop.example"), False),
                (second.url("/x", host="shop.example"), False),  # another port
                # To another port and back: what was dropped stays dropped.
                (second.url(f"/to/{first.url('/x', host='shop.example')}", host="shop.example"), False),
            ):
                one.seen.clear()
                two.seen.clear()
                start = first.url(f"/to/{url}", host="shop.example")
                assert (await engine.submit(FetchRequest(start, headers=(header,)))).status == 200
                assert one.values("authorization")[0] == header[1]
                later = one.values("authorization")[1:] + two.values("authorization")
                assert later == [header[1] if tells else None] * len(later)


async def test_they_stay_with_their_scheme(server_tls: ssl.SSLContext, ca_file: str) -> None:
    plain, secure = Site(), Site()
    with RawServer(plain) as http, RawServer(secure, tls=server_tls) as https:
        async with FetchEngine(transport=TransportOptions(ca_file=ca_file)) as engine:
            for url in (http.url(f"/to/{https.url('/x')}"), https.url(f"/to/{http.url('/x')}")):
                await engine.submit(FetchRequest(url, headers=(BASIC, ("Cookie", "a=1"))))
    for name, value in (("authorization", BASIC[1]), ("cookie", "a=1")):
        assert plain.values(name) == [value, None]
        assert secure.values(name) == [None, value]


async def test_a_retry_has_them_again() -> None:
    site = Site()
    site.failures = 2
    with RawServer(site) as server:
        async with FetchEngine(retry=RetryPolicy(retries=3, delay=0)) as engine:
            await engine.submit(FetchRequest(server.url(), headers=(BASIC,)))
    assert site.values("authorization") == [BASIC[1]] * 3


async def test_netrc_is_for_the_url_that_was_asked_for(tmp_path: Path) -> None:
    """CVE-2024-11053, CVE-2025-0167: neither the first host's password nor the next one's own goes along a redirect."""
    path = tmp_path / "netrc"
    path.write_text("machine shop.example login me password s3cret\nmachine evil.example login e password evil\n")
    site = Site()
    with RawServer(site) as server:
        async with engine_knowing(server.port, netrc=Netrc(str(path))) as engine:
            away = server.url("/x", host="evil.example")
            await engine.submit(server.url("/to//here", host="shop.example"))
            await engine.submit(server.url(f"/to/{away}", host="shop.example"))
            await engine.submit(server.url("/x", host="www.shop.example"))
            assert site.values("authorization") == [BASIC[1], BASIC[1], BASIC[1], None, None]
            site.seen.clear()
            await engine.submit(FetchRequest(server.url(host="shop.example"), headers=(BEARER,)))
            await engine.submit(f"http://evil.example:@shop.example:{server.port}/")
            await engine.submit(f"http://shop.example:@evil.example:{server.port}/")
            assert site.values("authorization") == [
                BEARER[1],
                basic("evil.example", "")[1],
                basic("shop.example", "")[1],
            ]


async def test_nothing_shows_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    request = FetchRequest(url, headers=(BASIC, BEARER, ("Cookie", "a=s3cret")), proxy="socks5://u:s3cret@h")
    shown = repr(request) + curl_command(request)
    async with FetchEngine() as engine:
        task = engine.submit(FetchRequest(url, headers=(BASIC,)))
        await engine.join()
        shown += repr(task) + repr(task.outcome)
    for secret in ("s3cret", "t0ken", BASIC[1].split()[1]):
        assert secret not in shown


async def test_no_cookies_unless_asked_for() -> None:
    site = Site()
    with RawServer(site) as server:
        async with FetchEngine() as engine:
            await engine.submit(server.url("/set/a=1"))
            await engine.submit(server.url())
    assert site.values("cookie") == [None, None]


async def test_cookies_by_their_rules() -> None:
    site = Site()
    jar = CookieJar()
    with RawServer(site) as server:
        async with engine_knowing(server.port, cookies=jar) as engine:
            for path in (
                "/set/a=1;Path=/|b=2;Path=/;Domain=shop.example|c=3;Path=/deep|d=4;Path=/;Secure|e=5;Domain=example",
                "/x",
                "/deep/x",
            ):
                await engine.submit(server.url(path, host="www.shop.example"))
            await engine.submit(server.url("/x", host="shop.example"))
            await engine.submit(server.url("/x", host="evil.example"))
            await engine.submit(server.url("/x"))
    assert site.values("cookie") == [None, "a=1; b=2", "c=3; a=1; b=2", "b=2", None, None]
    assert len(jar) == 3


async def test_cookies_of_redirects() -> None:
    """Set by the redirect, sent to where it leads if they are for that; given ones stay with their origin."""
    site = Site()

    def setting(connection: Connection) -> None:
        host = connection.request().split()[1].decode().strip("/")
        connection.answer(
            status="302 Found",
            headers=f"Location: http://{host}:{server.port}/\r\n"
            "Set-Cookie: new=1; Path=/\r\nSet-Cookie: own=jar; Path=/\r\n",
        )

    with RawServer(site) as server, RawServer(setting) as first:
        async with engine_knowing(server.port, first.port, cookies=CookieJar()) as engine:
            for host in ("shop.example", "evil.example"):
                request = FetchRequest(first.url(f"/{host}", host="shop.example"), headers=(("Cookie", "own=given"),))
                await engine.submit(request)
    # At another port of the same host: the jar's cookies know no ports, those that were given do.
    assert site.values("cookie") == ["new=1; own=jar", None]


async def test_given_cookies_and_those_of_the_jar_are_one_header() -> None:
    site = Site()
    with RawServer(site) as server:
        async with FetchEngine(cookies=CookieJar()) as engine:
            await engine.submit(server.url("/set/a=1;Path=/|b=2;Path=/"))
            await engine.submit(FetchRequest(server.url("/x"), headers=(("cookie", "a=own"), ("Cookie", "z=0"))))
    assert site.values("cookie")[1] == "a=own; z=0; b=2"


async def test_a_cookie_beyond_ascii_does_not_shut_the_host() -> None:
    site = Site()

    def setting(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=\xc3\xbc\xff; Path=/\r\n\r\n")

    with RawServer(setting) as first, RawServer(site) as server:
        async with FetchEngine(cookies=CookieJar()) as engine:
            await engine.submit(first.url())
            await engine.submit(server.url())
    assert site.values("cookie") == ["a=\xc3\xbc\xff"]
