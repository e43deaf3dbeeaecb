"""Credentials as headers, and those of a netrc file."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.credentials import Netrc, basic, bearer
from fetch_engine.urls import parse_url

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
        ("https://upper.example/", value("other", 'se"cret')),
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
