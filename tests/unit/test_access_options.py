"""Options of the command line about trust and routes, and what the engine makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.options.access import Access
from tui.options.table import Options, parse
from tui.run.engine_options import engine_for


def options(*args: str) -> Options:
    return parse([*args, "http://a.example/"], stdout_is_terminal=False)


def access(*args: str) -> Access:
    return options(*args).access


def refusal(capfd: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as ended:
        options(*args)
    assert ended.value.code == 2
    return capfd.readouterr().err


def test_nothing_is_asked_for_by_default() -> None:
    assert access() == Access()


def test_resolve() -> None:
    args = ("--resolve", "Shop.Example:443:127.0.0.1,[::1]", "--resolve", "*:80:::1", "--resolve", "[::0]:1:127.0.0.2")
    assert access(*args).resolve == {
        ("shop.example", 443): ("127.0.0.1", "::1"),
        ("*", 80): ("::1",),
        ("::", 1): ("127.0.0.2",),
    }
    assert access("--resolve", "+a:1:127.0.0.1", "--resolve", "a:1:127.0.0.2").resolve == {("a", 1): ("127.0.0.1",)}


def test_connect_to() -> None:
    assert access("--connect-to", "A:443:b:8443", "--connect-to", "::[::1]:").connect_to == {
        ("a", 443): ("b", 8443),
        ("", 0): ("::1", 0),
    }


@pytest.mark.parametrize(
    "args",
    [
        ("--resolve", "a:1"),
        ("--resolve", "a:1:nohost"),
        ("--resolve", "a:x:127.0.0.1"),
        ("--resolve", ":1:127.0.0.1"),
        ("--resolve", "-a:1:127.0.0.1"),
        ("--resolve", "[::g]:1:127.0.0.1"),
        ("--connect-to", "a:1:b"),
        ("--connect-to", "a:1:b:c"),
        ("--tls-max", "1.1"),
        ("--tlsv1.3", "--tls-max", "1.2"),
        ("--tlsv1.3", "--tlsv1.2"),
        ("-4", "-6"),
    ],
)
def test_what_is_refused(args: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert args[0].lstrip("-")[:3] in refusal(capfd, *args)


@pytest.mark.parametrize(
    "args",
    [
        ("--interface", "nosuchdevice0"),
        ("--interface", "127.0.0.1", "-6"),
    ],
)
def test_what_no_fetch_could_use(args: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        engine_for(options(*args))


@pytest.mark.parametrize("proxy", ["socks4://h", "http://user:s3cret"])
def test_a_proxy_that_no_fetch_could_use(capfd: pytest.CaptureFixture[str], proxy: str) -> None:
    said = refusal(capfd, "-x", proxy)
    assert "--proxy" in said
    assert "s3cret" not in said


def test_an_invalid_proxy_of_the_environment_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://h")
    with pytest.raises(ValueError, match="not gopher"):
        engine_for(options())
    engine_for(options("-x", ""))


def headers(*args: str, **environ: str) -> dict[str, str]:
    return dict(parse([*args, "http://a.example/"], stdout_is_terminal=False, environ=environ).headers)


ME, TOKEN = "Basic bWU6czNjcmV0", "Bearer t0ken"  # me:s3cret


def test_credentials_from_options_and_environment() -> None:
    assert headers("-u", "me:s3cret") == {"Authorization": ME}
    assert headers("--oauth2-bearer", "t0ken") == {"Authorization": TOKEN}
    assert headers(WEAKFETCH_USER="me:s3cret") == {"Authorization": ME}
    assert headers(WEAKFETCH_BEARER="t0ken") == {"Authorization": TOKEN}
    assert headers("-u", "me:s3cret", WEAKFETCH_BEARER="t0ken") == {"Authorization": ME}
    assert headers("--oauth2-bearer", "t0ken", WEAKFETCH_USER="x:y") == {"Authorization": TOKEN}
    assert headers("-H", "authorization: own", "-u", "me:s3cret") == {"authorization": "own"}
    assert headers(WEAKFETCH_USER="") == {}


def test_cookies_from_options() -> None:
    assert headers("-b", "a=1", "-b", "b=2; c=3") == {"Cookie": "a=1; b=2; c=3"}
    assert headers("-b", "a=1", "-H", "cookie: own=1") == {"cookie": "own=1"}
    assert access("-b", "a=1").cookie_files is None
    assert access("-b", "").cookie_files == ()
    assert access("-b", "file", "-b", "a=1", "-b", "more").cookie_files == ("file", "more")
    assert access("-c", "jar").cookie_files == ()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("-u", "me:s3cret\x07"), "control character"),
        (("-u", "me:s3cret", "--oauth2-bearer", "t0ken"), "exclude each other"),
        (("--oauth2-bearer", "t0ken t0ken"), "printable ASCII"),
        (("-b", "a=s3cret\r\nX: y"), "control character"),
    ],
)
def test_secrets_are_not_repeated(args: tuple[str, ...], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = refusal(capfd, *args)
    assert words in said
    assert "s3cret" not in said
    assert "t0ken" not in said


def test_files_that_no_run_could_use(tmp_path: Path) -> None:
    none = tmp_path / "none"
    none.write_text("no cookies, but text")
    for args, words in (
        (("-b", str(none)), "holds no cookies"),
        (("-b", str(tmp_path)), "Is a directory"),
        (("-c", str(tmp_path / "no" / "jar")), "cannot write into"),
        (("--netrc-file", str(none)), "line 1 is not valid"),
        (("--netrc-file", str(tmp_path / "no")), "No such file"),
    ):
        with pytest.raises(ValueError, match=words):
            engine_for(options(*args))


def test_versions_and_versions() -> None:
    given = access("--tlsv1.3", "--ca-native", "-6", "--noproxy", "a.example, 10.0.0.0/8", "--interface", "lo")
    assert (given.min_tls, given.max_tls, given.ca_native, given.ip_version) == ("1.3", "1.3", True, 6)
    assert given.no_proxy == ("a.example", "10.0.0.0/8")
    assert given.interface == "lo"
    assert access("--tls-max", "1.2").max_tls == "1.2"
    assert access("--noproxy", "").no_proxy == ()
