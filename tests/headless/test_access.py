"""Credentials, cookies and routes from the command line to the wire, and what is left in outputs and files."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.headless.program import Ended, run
from tests.tui.pty_terminal import PtyTerminal
from tests.wire.servers import Connection, RawServer
from tests.wire.socks_server import SocksProxy
from tests.wire.test_credentials import Site
from tui.run.resume import store_path

pytestmark = pytest.mark.once

ME = "Basic bWU6czNjcmV0"  # me:s3cret


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def server(site: Site) -> Iterator[RawServer]:
    with RawServer(site) as server:
        yield server


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def stored() -> str:
    with contextlib.closing(sqlite3.connect(store_path())) as database:
        return "\n".join(database.iterdump())


def hidden(ended: Ended) -> Ended:
    """The run, of whose secrets nothing is to be found."""
    said = ended.out.decode() + ended.err + stored()
    for secret in ("s3cret", "bWU6czNjcmV0", "t0ken"):
        assert secret not in said
    return ended


@pytest.mark.once
def test_credentials(site: Site, server: RawServer, folders: Path) -> None:
    with RawServer(site) as other:
        assert hidden(run("-u", "me:s3cret", server.url(f"/to/{other.url()}"))).code == 0
    assert site.values("authorization") == [ME, None]
    site.seen.clear()
    assert hidden(run("--oauth2-bearer", "t0ken", server.url())).code == 0
    for args in (("-4ume:s3cret",), ("-4u", "me:s3cret"), ("--user=me:s3cret",), ("-b", "a=s3cret", "-u=me:s3cret")):
        assert hidden(run(*args, server.url())).code == 0
    assert site.values("authorization")[1:] == [ME] * 4
    site.seen[1:] = []
    (folders / "netrc").write_text("machine 127.0.0.1 login me password s3cret")
    assert hidden(run("--netrc-file", str(folders / "netrc"), server.url())).code == 0
    (folders / ".netrc").write_text("machine 127.0.0.1 login me password s3cret")
    (folders / ".netrc").chmod(0o600)
    assert hidden(run("-n", server.url())).code == 0
    assert site.values("authorization") == ["Bearer t0ken", ME, ME]


def test_credentials_in_the_environment(site: Site, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAKFETCH_USER", "me:s3cret")
    assert hidden(run(server.url())).code == 0
    assert site.values("authorization") == [ME]


def test_no_password_and_no_terminal(server: RawServer) -> None:
    ended = run("-u", "me", server.url(), start_new_session=True)
    assert ended.code == 2
    assert "no password" in ended.err
    assert server.accepted == 0


def test_the_password_is_asked_for_on_the_terminal(site: Site, server: RawServer, folders: Path) -> None:
    with PtyTerminal([sys.executable, "-m", "tui.cli", "--headless", "-u", "me", server.url()]) as terminal:
        terminal.wait_for("Password of me:")
        terminal.send("s3cret\r")
        assert terminal.wait_exit() == 0
        assert "s3cret" not in terminal.text
    assert site.values("authorization") == [ME]


@pytest.mark.once
def test_the_dashboard_asks_before_it_draws_and_writes_the_cookies_at_its_end(
    site: Site, server: RawServer, folders: Path
) -> None:
    jar = folders / "jar"
    env: dict[str, str | None] = {f"XDG_{name}_HOME": str(folders / name) for name in ("CONFIG", "CACHE", "STATE")}
    url = server.url("/set/a=1;Path=/")
    with PtyTerminal([sys.executable, "-m", "tui.cli", "-u", "me", "-c", str(jar), url], env=env) as terminal:
        terminal.wait_for("Password of me:")
        terminal.send("s3cret\r")
        terminal.wait_for(lambda: site.seen)
        terminal.wait_quiet()
        assert "s3cret" not in terminal.text
        terminal.send("q")
        assert terminal.wait_exit() == 0
    assert site.values("authorization") == [ME]
    assert "127.0.0.1\tFALSE\t/\tFALSE\t0\ta\t1\n" in jar.read_text()


def test_cookies_are_kept_and_written(site: Site, server: RawServer, folders: Path) -> None:
    jar = folders / "jar"
    first = server.url("/set/a=s3cret;Path=/|b=2;Path=/;Max-Age=600")
    assert run("-j", "1", "-c", str(jar), first, server.url("/x")).code == 0
    assert site.values("cookie") == [None, "a=s3cret; b=2"]
    assert jar.stat().st_mode & 0o777 == 0o600
    site.seen.clear()
    ended = run("-j", "1", "-b", str(jar), "-b", "own=1", server.url("/set/c=3"), server.url("/set/x"))
    assert ended.code == 0
    assert site.values("cookie") == ["own=1; a=s3cret; b=2", "own=1; c=3; a=s3cret; b=2"]
    assert "c\t3" not in jar.read_text()
    site.seen.clear()
    assert run("-j", "1", first, server.url("/x")).code == 0
    assert site.values("cookie") == [None, None]


def test_cookies_that_can_never_be_written_are_told_before_the_first_request(server: RawServer, folders: Path) -> None:
    ended = run("-c", str(folders), server.url())
    assert ended.code == 2
    assert f"cannot write {folders}, where the cookies are to be saved: Is a directory" in ended.err
    assert server.accepted == 0


def test_cookies_that_could_not_be_written_at_the_end_are_told(folders: Path) -> None:
    jar = folders / "jar"

    def handle(connection: Connection) -> None:
        connection.request()
        jar.mkdir()  # in the way only now
        connection.answer(headers="Set-Cookie: a=1\r\n")

    with RawServer(handle) as server:
        ended = run("-c", str(jar), server.url())
    assert ended.code == 1
    assert f"the cookies were not saved: {jar}: Is a directory" in ended.err


def test_routes(site: Site, server: RawServer) -> None:
    where = f"shop.example:{server.port}"
    assert run("--resolve", f"{where}:127.0.0.1", "--interface", "127.0.0.1", "-4", f"http://{where}/").code == 0
    assert run("--connect-to", f"shop.example:80:127.0.0.1:{server.port}", "http://shop.example/").code == 0
    assert site.values("host") == [where, "shop.example"]


def test_proxies_of_the_environment(site: Site, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = SocksProxy(server.port)
    with RawServer(handler) as proxy:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("all_proxy", f"socks5h://127.0.0.1:{proxy.port}")
        for args in ((), ("--noproxy", "shop.example"), ("--noproxy", "*"), ("-x", "")):
            assert run(*args, "--resolve", f"shop.example:{server.port}:127.0.0.1",
                       server.url(host="shop.example")).code == 0  # fmt: skip
    assert handler.targets == [("shop.example", server.port)]
    assert len(site.seen) == 4
