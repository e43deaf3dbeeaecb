"""The bytes of a URL as they leave, the same on each transport, and hosts that two readers would take differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine import FetchEngine, FetchFailed
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.model.urls import parse_url, resolve
from fetch_engine.net.proxies import Proxy

from .conftest import Client
from .servers import RawServer, answering, echoing


def _options(name: str) -> TransportOptions:
    return TransportOptions(client=name)  # type: ignore[arg-type]


PATHS = [
    "/a%2fb",
    "/a%2Fb%2f%7euser",
    "/%zz%4",
    "/x?q=%c3%a9&r[]=a%2fb",
    "/%2e%2e/x",
    "/a//b",
    "/a|b;c,d='e'",
    "/plain",
]


@pytest.mark.anyio
async def test_path_and_query_leave_as_given(client: Client) -> None:
    with RawServer(echoing) as server:
        for path in [*PATHS, *reversed(PATHS)]:  # one handle of libcurl keeps what it was told
            fetched = await client.get(parse_url(server.url(path)).url)
            assert fetched.body.split(b"\r\n")[0] == b"GET %s HTTP/1.1" % path.encode()


@pytest.mark.anyio
async def test_the_final_url_shows_what_left(transport_name: str) -> None:
    async with FetchEngine(transport=_options(transport_name)) as engine:
        with RawServer(echoing) as server:
            result = await engine.submit(server.url("/a%2fb"))
            assert result.final_url == server.url("/a%2fb")


AUTHORITIES = [
    "127.0.0.1:1\\@evil.test",
    "127.0.0.1\\@evil.test",
    "evil.test\\",
    "\\evil.test",
    "user:p\\w@evil.test",
    "a\\b",
]


@pytest.mark.parametrize("scheme", ["http://", "https://", ""])
@pytest.mark.parametrize("authority", AUTHORITIES)
def test_a_backslash_in_the_authority_is_refused(scheme: str, authority: str) -> None:
    for text in (f"{scheme}{authority}/", f"{scheme}{authority}", f"{scheme}{authority}?q", f"{scheme}{authority}#f"):
        with pytest.raises(AttemptFailed) as caught:
            parse_url(text)
        # Without a scheme, what stands before a colon may be one.
        assert caught.value.kind in (ErrorKind.INVALID_URL, ErrorKind.UNSUPPORTED_SCHEME)


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_a_backslash_in_the_authority_of_a_reference_is_refused(authority: str) -> None:
    for location in (f"//{authority}/", f"http://{authority}/"):
        with pytest.raises(AttemptFailed):
            resolve(parse_url("http://127.0.0.1/"), location)


@given(st.text(alphabet="ab.:@\\/?#[]", max_size=20))
def test_what_is_read_as_a_host_no_other_reading_contradicts(rest: str) -> None:
    """The host is what WHATWG makes of it, which takes a backslash for a slash, or nothing."""
    try:
        target = parse_url(f"http://{rest}")
    except AttemptFailed:
        return
    as_browsers = rest.replace("\\", "/").partition("/")[0].partition("?")[0].partition("#")[0]
    host = as_browsers.rpartition("@")[2].removeprefix("[").partition("]")[0]
    assert target.host in (host.partition(":")[0], host)


def test_a_backslash_in_the_address_of_a_proxy_is_refused() -> None:
    with pytest.raises(ValueError, match="backslash"):
        Proxy.parse("http://127.0.0.1:1\\@evil.test:3128")


@pytest.mark.anyio
async def test_nothing_leaves_for_a_host_behind_a_backslash(transport_name: str) -> None:
    location = "http://127.0.0.1\\@127.0.0.1:{}/"
    with RawServer(echoing) as other:
        target = location.format(other.port)
        answer = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
        with RawServer(answering(answer)) as server:
            async with FetchEngine(transport=_options(transport_name)) as engine:
                with pytest.raises(FetchFailed) as direct:
                    await engine.submit(target)
                with pytest.raises(FetchFailed) as redirected:
                    await engine.submit(server.url())
        assert direct.value.error.kind is ErrorKind.INVALID_URL
        assert redirected.value.error.kind is ErrorKind.REDIRECT_REFUSED
        assert other.accepted == 0
