"""Which transport carries a request, and what comes of asking one for what it lacks."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import pytest

from fetch_engine import FetchEngine, FetchFailed, FetchRequest, FetchResult, Limits
from fetch_engine.libcurl import choice
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.open_transport import http_opener
from tui.options.table import parse
from tui.run.engine_options import engine_for

from .conftest import until
from .servers import Connection, RawServer, echoing

pytestmark = pytest.mark.anyio


def runs_fast(anyio_backend_name: str) -> bool:
    return anyio_backend_name == "asyncio"


async def test_auto_takes_fast_for_what_it_can(
    anyio_backend_name: str, server_tls: ssl.SSLContext, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(echoing) as plain, RawServer(echoing, tls=server_tls) as secure, RawServer(echoing) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        options = TransportOptions(client="auto", ca_file=ca_file, trust_env=True)
        async with FetchEngine(transport=options) as engine:
            asked: Mapping[str, FetchRequest] = {
                "plain": FetchRequest(plain.url()),
                "tls": FetchRequest(secure.url()),
                "proxy of the environment": FetchRequest("http://shop.invalid/"),
                "proxy of its own": FetchRequest(plain.url(), proxy=f"http://127.0.0.1:{proxy.port}"),
                "no proxy": FetchRequest(plain.url(), proxy=""),
                "body with HEAD": FetchRequest(plain.url("/gone"), "HEAD", body=b"x"),
            }
            tasks = {name: engine.submit(request) for name, request in asked.items()}
            carried = {name: (await task).transport for name, task in tasks.items() if name != "body with HEAD"}
            tasks["body with HEAD"].cancel()
            # All over one generation, whose sockets are counted together.
            assert engine.session.generation == 1
            (facts,) = engine.session.generations()
            assert facts.connections is not None
            assert facts.connections >= 3
    fast = "fast" if runs_fast(anyio_backend_name) else "httpx"
    assert carried == {
        "plain": fast,
        "tls": "httpx",
        "proxy of the environment": "httpx",
        "proxy of its own": "httpx",
        "no proxy": fast,
    }


@pytest.mark.parametrize("options", [TransportOptions(http2=True), TransportOptions(ca_native=True)])
async def test_auto_is_httpx_where_nothing_could_be_fast(options: TransportOptions) -> None:
    assert choice.never_fast(options)
    with RawServer(echoing) as server:
        async with FetchEngine(transport=TransportOptions(client="auto", http2=True)) as engine:
            assert (await engine.submit(server.url())).transport == "httpx"


async def test_auto_is_httpx_where_fast_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "FAST_MODULE", "nothing_of_this_name")
    with RawServer(echoing) as server:
        async with FetchEngine(transport=TransportOptions(client="auto")) as engine:
            assert (await engine.submit(server.url())).transport == "httpx"


async def test_fast_refuses_what_it_lacks(anyio_backend_name: str) -> None:
    async with FetchEngine(transport=TransportOptions(client="fast")) as engine:
        with pytest.raises(FetchFailed) as caught:
            await engine.submit(FetchRequest("http://127.0.0.1:1/", proxy="http://127.0.0.1:2"))
    expected = ErrorKind.PROXY if runs_fast(anyio_backend_name) else ErrorKind.CONNECT
    assert caught.value.error.kind is expected
    assert ("lacks proxies" if runs_fast(anyio_backend_name) else "asyncio") in caught.value.error.message


async def test_a_redirect_may_change_the_transport(
    anyio_backend_name: str, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    with RawServer(echoing, tls=server_tls) as secure:

        def away(connection: Connection) -> None:
            connection.request()
            connection.answer(status="302 Found", headers=f"Location: {secure.url('/there')}\r\n")
            connection.gone()

        with RawServer(away) as plain:
            async with FetchEngine(transport=TransportOptions(client="auto", ca_file=ca_file)) as engine:
                result = await engine.submit(plain.url())
    assert isinstance(result, FetchResult)
    assert (result.transport, result.final_url) == ("httpx", secure.url("/there"))
    # What fast cannot see is not there; it is never 0.
    assert (result.redirects[0].timings.send is None) is runs_fast(anyio_backend_name)
    assert result.redirects[0].timings.wait is not None
    assert result.timings.send is not None


async def test_closing_gives_back_the_sockets_of_both(server_tls: ssl.SSLContext, ca_file: str) -> None:
    opener = http_opener(TransportOptions(client="auto", ca_file=ca_file), Limits())
    with RawServer(echoing) as plain, RawServer(echoing, tls=server_tls) as secure:
        async with FetchEngine(open_transport=opener, grace=0.0) as engine:
            for url in (plain.url(), secure.url()):
                assert (await engine.submit(url)).status == 200
            await until(lambda: not engine.session.is_open)
        assert [facts.connections for facts in engine.session.generations()] == [0]


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--transport", "fast", "--http2"], "HTTP/2"),
        (["--transport", "fast", "-x", "http://h:1"], "proxies"),
        (["--transport", "fast", "--ca-native"], "certificates"),
    ],
)
def test_usage(arguments: list[str], words: str) -> None:
    options = parse([*arguments, "http://h/"], stdout_is_terminal=False, environ={})
    with pytest.raises(ValueError, match=f"--transport: fast has no .*{words}"):
        engine_for(options)


@pytest.mark.once
def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"not installed: pip install 'weakfetch-tui\[fast\]'"):
        engine_for(parse(["--transport", "fast", "http://h/"], stdout_is_terminal=False, environ={}))


@pytest.mark.once
def test_a_client_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"invalid client: 'httpx2' \(choose from auto, httpx, fast\)"):
        TransportOptions(client="httpx2")  # type: ignore[arg-type]


@pytest.mark.once
def test_the_default_is_auto() -> None:
    assert parse(["http://h/"], stdout_is_terminal=False, environ={}).transport == "auto"
