"""Options of the command line about trust and routes, and what the engine makes of them."""

from __future__ import annotations

import pytest

from tui.access_options import Access
from tui.engine_options import engine_for
from tui.options import Options, parse


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
        ("-x", "socks4://h"),
        ("-x", "http://user:s3cret"),
    ],
)
def test_what_no_fetch_could_use(args: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        engine_for(options(*args))
    assert "s3cret" not in str(caught.value)


def test_an_invalid_proxy_of_the_environment_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://h")
    with pytest.raises(ValueError, match="not gopher"):
        engine_for(options())
    engine_for(options("-x", ""))


def test_versions_and_versions() -> None:
    given = access("--tlsv1.3", "--ca-native", "-6", "--noproxy", "a.example, 10.0.0.0/8", "--interface", "lo")
    assert (given.min_tls, given.max_tls, given.ca_native, given.ip_version) == ("1.3", "1.3", True, 6)
    assert given.no_proxy == ("a.example", "10.0.0.0/8")
    assert given.interface == "lo"
    assert access("--tls-max", "1.2").max_tls == "1.2"
    assert access("--noproxy", "").no_proxy == ()
