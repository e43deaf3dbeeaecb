"""Cookies in a file and back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fetch_engine.cookies.file import load_cookies, save_cookies
from fetch_engine.cookies.jar import CookieJar
from fetch_engine.model.urls import parse_url

FILE = """\
# Netscape HTTP Cookie File

.shop.example\tTRUE\t/\tFALSE\t0\ta\t1
www.shop.example\tFALSE\t/x\tTRUE\t4102444800\tb\t2 3
#HttpOnly_shop.example\tFALSE\t/\tFALSE\t4102444800.5\tc\t\xfc
shop.example\tFALSE\t/\tFALSE\t0\td
"""


def load(path: Path, text: str) -> tuple[CookieJar, int]:
    path.write_bytes(text.encode("latin-1"))
    jar = CookieJar()
    return jar, load_cookies(jar, str(path))


def test_a_file_as_curl_writes_it(tmp_path: Path) -> None:
    jar, skipped = load(tmp_path / "jar", FILE.replace("\n", "\r\n"))
    assert skipped == 0
    assert jar.header(parse_url("https://www.shop.example/x")) == "b=2 3; a=1"
    assert jar.header(parse_url("http://www.shop.example/x")) == "a=1"
    assert jar.header(parse_url("http://shop.example/")) == "a=1; c=\xfc; d="
    assert [cookie.http_only for cookie in jar] == [False, False, True, False]


@pytest.mark.parametrize(
    "line",
    [
        "com\tTRUE\t/\tFALSE\t0\ta\t1",
        ".co.uk\tTRUE\t/\tFALSE\t0\ta\t1",
        "127.0.0.1\tTRUE\t/\tFALSE\t0\ta\t1",
        "\tTRUE\t/\tFALSE\t0\ta\t1",
        "a.example\tTRUE\t/\tFALSE\t0\ta\t1\x01",
        "a.example\tTRUE\t/\tFALSE\t0\ta;b\t1",
        "a.example\tTRUE\t/\tFALSE\t0\ta=b\t1",
        "a.example\tTRUE\t/\tFALSE\t0\t\t",
        "a.example\tTRUE\tx\tFALSE\t0\ta\t1",
        "a.example\tTRUE\t/\tFALSE\t0\t__Secure-a\t1",
        "a.example\tTRUE\t/\tTRUE\t0\t__Host-a\t1",
        "a.example\tTRUE\t/\tperhaps\t0\ta\t1",
        "a.example\tTRUE\t/\tFALSE\t-1\ta\t1",
        "a.example\tTRUE\t/\tFALSE\tsoon\ta\t1",
        "a.example\tTRUE\t/\tFALSE\t0\ta\t1\tmore",
        "a.example\tTRUE\t/\tFALSE\t0\ta\t" + "x" * 5000,
        "Set-Cookie: a=1",
    ],
)
def test_lines_that_are_no_cookies(tmp_path: Path, line: str) -> None:
    jar, skipped = load(tmp_path / "jar", line + "\n")
    assert (len(jar), skipped) == (0, 1)


def test_an_expired_cookie_is_none(tmp_path: Path) -> None:
    jar, skipped = load(tmp_path / "jar", "a.example\tTRUE\t/\tFALSE\t1\ta\t1\n")
    assert (len(jar), skipped) == (0, 0)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "jar"
    path.write_text("old")
    path.chmod(0o666)
    jar, _ = load(tmp_path / "other", FILE)
    save_cookies(jar, str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ".shop.example\tTRUE\t/\tFALSE\t0\ta\t1\n" in path.read_text("latin-1")
    assert sorted(os.listdir(tmp_path)) == ["jar", "other"]


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o644)
    link.symlink_to(target)
    save_cookies(CookieJar(), str(link))
    assert link.is_symlink()
    assert target.read_text().startswith("# Netscape")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_what_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jar"
    path.write_text("old")

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save_cookies(CookieJar(), str(path))
    assert os.listdir(tmp_path) == ["jar"]
    assert path.read_text() == "old"
    with pytest.raises(OSError, match="Is a directory"):
        save_cookies(CookieJar(), str(tmp_path))
    save_cookies(CookieJar(), os.devnull)
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)


_words = st.text(st.characters(max_codepoint=255), max_size=10)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(_words, _words, st.sampled_from(["", "Domain=shop.example", "Secure", "Max-Age=99", "Path=/a"])))
)
def test_what_is_written_is_read_again(tmp_path: Path, cookies: list[tuple[str, str, str]]) -> None:
    jar = CookieJar(lambda: 5e9)
    target = parse_url("https://www.shop.example/")
    jar.take(target, tuple(("Set-Cookie", f"{name}={value}; {attribute}") for name, value, attribute in cookies))
    path = str(tmp_path / "jar")
    save_cookies(jar, path)
    again = CookieJar(lambda: 5e9)
    assert load_cookies(again, path) == 0
    assert again.header(target) == jar.header(target)
    assert [cookie.key for cookie in again] == [cookie.key for cookie in jar]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_file_is_read_or_skipped(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "jar"
    path.write_bytes(data)
    load_cookies(CookieJar(), str(path))


@pytest.mark.parametrize("words", [("true", "false"), ("True", "False"), ("TRUE", "fAlSe")])
def test_words_in_any_case(tmp_path: Path, words: tuple[str, str]) -> None:
    yes, no = words
    jar, skipped = load(tmp_path / "jar", f".a.example\t{yes}\t/\t{no}\t0\ta\t1\nb.example\t{no}\t/\t{yes}\t0\tb\t2\n")
    assert not skipped
    assert [(each.host_only, each.secure) for each in jar] == [(False, False), (True, True)]
