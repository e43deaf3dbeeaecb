"""Credentials as headers, and those of a netrc file."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.fetch.netrc import Netrc, basic, bearer
from fetch_engine.fetch.netrc_file import NetrcError, parse_netrc
from fetch_engine.model.urls import parse_url

FILE = """\
# a comment
machine good.example login me password "p w"
machine UPPER.example
  login other
  account ignored
  password se\\"cret
machine nologin.example password x
macdef init
cd /tmp

machine 127.0.0.1 login local password l
"""


def value(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "netrc"
    path.write_text(FILE)
    return path


def found(path: Path, url: str) -> str | None:
    return Netrc(str(path)).complete(parse_url(url)).authorization


def test_headers() -> None:
    assert basic("Aladdin", "open sesame") == ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    assert basic("tést", ":£") == ("Authorization", value("tést", ":£"))
    assert bearer("mF_9.B5f-4.1JqM") == ("Authorization", "Bearer mF_9.B5f-4.1JqM")


@pytest.mark.parametrize(("user", "password"), [("a:b", "s3cret"), ("a", "s3cret\n"), ("a\0", "s3cret")])
def test_basic_refused(user: str, password: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        basic(user, password)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "s3cret x", "s3cret\r\nX: y", "s3crét"])
def test_bearer_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        bearer(token)
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://good.example/", value("me", "p w")),
        ("https://GOOD.example/", value("me", "p w")),
        ("http://good.example:8080/", value("me", "p w")),
        ("https://upper.example/", value("other", r"se\"cret")),
        ("http://127.0.0.1:1/", value("local", "l")),
        # CVE-2024-47081: what only looks like the listed host.
        ("http://good.example:@evil.example/", value("good.example", "")),
        ("http://evil.example:@good.example/", value("evil.example", "")),
        ("http://good.example@evil.example/", value("good.example", "")),
        ("http://user:word@good.example/", value("user", "word")),
        ("https://www.good.example/", None),
        ("https://example/", None),
        ("https://notgood.example/", None),
        ("https://good.example.evil.example/", None),
        ("https://good.example./", None),
        ("https://evil.example/good.example", None),
        ("https://evil.example/#@good.example", None),
        ("https://nologin.example/", None),
    ],
)
def test_only_for_the_host_that_is_listed(file: Path, url: str, expected: str | None) -> None:
    assert found(file, url) == expected


def test_the_default_is_for_all_others(file: Path) -> None:
    file.write_text(FILE + "default login anonymous password me@\n")
    assert found(file, "https://other.example/") == value("anonymous", "me@")
    assert found(file, "https://good.example/") == value("me", "p w")


@pytest.mark.parametrize(
    "text", ["machine good.example s3cret", "s3cret", "machine x login a password s3cret oops s3cret"]
)
def test_what_is_wrong_is_said_without_a_password(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match="line 1 is not valid") as caught:
        Netrc(str(file))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("machine h login me password a\\b", value("me", "a\\b")),
        ('machine h login me password "a\\\\b \\"c\\t"', value("me", 'a\\b "c\t')),
        ("machine h login one password 1\nmachine h login two password 2", value("one", "1")),
        ("machine h login one password 1 login two password 2", value("one", "1")),
        ("machine h login one\nmachine h login two password 2", value("two", "2")),
        ("machine h login one", value("one", "")),
        ("machine h\nlogin\n  me\npassword #1 # the rest", value("me", "#1")),
        ("MACHINE h LOGIN me PASSWORD login", value("me", "login")),
        ("\ufeffmachine h user me password x\r\n", value("me", "x")),
        ("macdef m\nmachine h login no password no\n\nmachine h login me password x", value("me", "x")),
        ("machine h login me macdef m\npassword no\n\npassword x", value("me", "x")),
        ("default login me password x\nmachine h login host password y", value("host", "y")),
    ],
)
def test_a_netrc_is_read_as_curl_reads_it(file: Path, text: str, expected: str) -> None:
    file.write_text(text)
    assert found(file, "http://h/") == expected


def test_bytes_of_a_password_leave_as_they_are(file: Path) -> None:
    file.write_bytes(b"machine h login me password \xff\xfe")
    assert found(file, "http://h/") == "Basic " + base64.b64encode(b"me:\xff\xfe").decode()


_WORDS = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters='"#'), min_size=1, max_size=8)


@given(st.lists(st.tuples(st.sampled_from("abc"), _WORDS, _WORDS), min_size=1, max_size=5), st.sampled_from(" \n\t"))
def test_of_several_entries_the_first_counts(entries: list[tuple[str, str, str]], gap: str) -> None:
    text = gap.join(f"machine{gap}{host} login {user} password{gap}{word}" for host, user, word in entries)
    read = parse_netrc(text)
    assert [(each.machine, each.login, each.password) for each in read] == entries


@given(st.text() | st.text(st.sampled_from('machine login password default macdef "\\#\n x')))
def test_any_text_is_a_netrc_or_an_error_without_its_words(text: str) -> None:
    said = ""
    try:
        assert len(parse_netrc(text)) <= len(text.split())
    except NetrcError as error:
        said = str(error)
    assert re.fullmatch(r"(line [0-9]+ is not valid)?", said)


def test_the_users_own_file_must_be_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".netrc"
    path.write_text(FILE)
    path.chmod(0o644)
    with pytest.raises(ValueError, match="permissions"):
        Netrc()
    path.chmod(0o600)
    assert Netrc().complete(parse_url("https://good.example/")).authorization == value("me", "p w")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        Netrc()


def test_the_file_is_not_shown(file: Path) -> None:
    assert repr(Netrc(str(file))) == "<Netrc with 3 hosts>"


@given(st.text(), st.text())
def test_a_header_is_one_line(user: str, password: str) -> None:
    try:
        name, text = basic(user, password)
    except ValueError:
        return
    assert (name, text.isascii(), text.isprintable()) == ("Authorization", True, True)
