"""How a request goes out: default headers, and what is refused before anything is sent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.fetch.hop import first_hop, user_agent
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest
from fetch_engine.model.urls import parse_url


def wire(url: str = "http://a.example/", method: str = "GET", headers: tuple[tuple[str, str], ...] = ()) -> WireRequest:
    return first_hop(FetchRequest(url, method, headers), parse_url(url)).to_wire()


def test_default_headers() -> None:
    assert wire().headers == (
        ("User-Agent", user_agent()),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
    )
    assert user_agent().startswith("weakfetch-tui/")


def test_given_headers_replace_defaults_and_may_repeat() -> None:
    given_headers = (("user-agent", "x"), ("X-A", "1"), ("X-A", " 2\t"), ("Accept-Encoding", "br"))
    assert wire(headers=given_headers).headers == (
        ("Accept", "*/*"),
        ("user-agent", "x"),
        ("X-A", "1"),
        ("X-A", "2"),
        ("Accept-Encoding", "br"),
    )


def test_a_part_is_asked_for_uncoded() -> None:
    assert ("Accept-Encoding", "identity") in wire(headers=(("Range", "bytes=0-9"),)).headers


def test_credentials_of_the_url_give_way_to_a_header() -> None:
    assert dict(wire("http://u:p@a.example/").headers)["Authorization"] == "Basic dTpw"
    given_headers = (("authorization", "Bearer x"),)
    sent = wire("http://u:p@a.example/", headers=given_headers).headers
    assert [value for name, value in sent if name.lower() == "authorization"] == ["Bearer x"]


def test_text_beyond_ascii_goes_out_as_utf8() -> None:
    value = dict(wire(headers=(("X-A", "ü€"),)).headers)["X-A"]
    assert value.encode("latin-1").decode() == "ü€"


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "GET /x HTTP/1.1\r\n", "GÉT", "\x00", "(GET)"])
def test_method_must_be_a_token(method: str) -> None:
    with pytest.raises(AttemptFailed) as caught:
        wire(method=method)
    assert caught.value.kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize(
    "header",
    [
        ("", "x"),
        ("X A", "x"),
        ("X:", "x"),
        ("X-Ä", "x"),
        ("X\r\nY", "x"),
        ("X", "a\r\nY: b"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\x00b"),
        ("X", "a\x7fb"),
        ("X", "\ud800"),
        ("Content-Length", "5"),
        ("transfer-encoding", "chunked"),
        ("Connection", "close"),
        ("TE", "trailers"),
    ],
)
def test_header_refused(header: tuple[str, str]) -> None:
    with pytest.raises(AttemptFailed) as caught:
        wire(headers=(header,))
    assert caught.value.kind is ErrorKind.PROTOCOL
    assert caught.value.message.isprintable()


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_what_is_not_refused_cannot_break_a_line(name: str, value: str) -> None:
    try:
        request = wire(headers=((name, value),))
    except AttemptFailed:
        return
    for line in request.headers:
        text = ": ".join(line)
        assert not set(map(chr, [*range(9), *range(10, 32), 127])) & set(text)
        assert text == text.strip(" \t") or not line[1]
        text.encode("latin-1")
