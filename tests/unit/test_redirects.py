"""Where redirects lead, what goes with them, and which are refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.fetch.hop import TRANSPORT_HEADERS, HopRequest, first_hop
from fetch_engine.fetch.redirects import RedirectTrail, next_hop
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.redaction import MASK, masked_headers
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.urls import parse_url

URL = "http://user:secret@a.example/x?y#f"
GIVEN = (
    ("Cookie", "a=b"),
    ("Proxy-Authorization", "Basic cA=="),
    ("Host", "a.example"),
    ("Content-Type", "text/plain"),
    ("Content-Encoding", "gzip"),
    ("X-Own", "1"),
)


def hop(
    url: str = URL, method: str = "GET", headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
) -> HopRequest:
    return first_hop(FetchRequest(url, method, headers, body), parse_url(url))


def follow(first: HopRequest, status: int, *locations: str) -> HopRequest:
    following = next_hop(first, status, tuple(("location", value) for value in locations))
    assert following is not None
    return following


def names(following: HopRequest) -> set[str]:
    return {name.lower() for name, _ in following.to_wire().headers} - {"user-agent", "accept", "accept-encoding"}


@pytest.mark.parametrize(
    ("status", "method", "next_method", "keeps_body"),
    [
        (301, "GET", "GET", True),
        (301, "POST", "GET", False),
        (301, "PUT", "PUT", True),
        (302, "HEAD", "HEAD", True),
        (302, "POST", "GET", False),
        (302, "DELETE", "DELETE", True),
        (303, "GET", "GET", True),
        (303, "HEAD", "HEAD", True),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (307, "POST", "POST", True),
        (307, "GET", "GET", True),
        (308, "POST", "POST", True),
        (308, "PATCH", "PATCH", True),
    ],
)
def test_method_and_body(status: int, method: str, next_method: str, keeps_body: bool) -> None:
    following = follow(hop(method=method, headers=GIVEN, body=b"text"), status, "/y")
    assert following.method == next_method
    assert following.body == (b"text" if keeps_body else b"")
    assert ("content-type" in names(following)) is keeps_body
    assert ("content-encoding" in names(following)) is keeps_body


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 399, 404])
def test_other_statuses_are_not_followed(status: int) -> None:
    assert next_hop(hop(), status, (("Location", "/y"),)) is None


@pytest.mark.parametrize("headers", [(), (("Location", ""),), (("Location", " \t"), ("X", "y"))])
def test_redirect_without_location_is_the_result(headers: tuple[tuple[str, str], ...]) -> None:
    assert next_hop(hop(), 302, headers) is None


def test_credentials_stay_with_their_origin() -> None:
    following = follow(hop(headers=GIVEN), 307, "/y")
    assert following.target.shown == "http://a.example/y#f"
    assert names(following) == {name.lower() for name, _ in GIVEN} | {"authorization"}
    assert dict(following.to_wire().headers)["Authorization"] == dict(hop().to_wire().headers)["Authorization"]


@pytest.mark.parametrize(
    "location",
    ["http://b.example/", "http://a.example:81/", "https://a.example/", "http://sub.a.example/", "//a.example./"],
)
def test_credentials_are_dropped_across_origins_for_good(location: str) -> None:
    away = follow(hop(headers=GIVEN), 307, location)
    assert names(away) == {"content-type", "content-encoding", "x-own"}
    back = follow(away, 307, "http://a.example/")
    assert names(back) == {"content-type", "content-encoding", "x-own"}


SECRETS = (
    "Authorization",
    "Cookie",
    "Proxy-Authorization",
    "X-Api-Key",
    "X-Auth-Token",
    "X-Session-Token",
    "PRIVATE-TOKEN",
)


@pytest.mark.parametrize("name", [name for each in SECRETS for name in (each, each.lower(), each.upper())])
def test_what_is_masked_as_a_secret_stays_with_its_origin(name: str) -> None:
    first = hop("http://a.example/", headers=((name, "s3cret"), ("X-Plain", "1")))
    assert masked_headers(first.headers)[-2:] == ((name, MASK), ("X-Plain", "1"))
    assert names(follow(first, 302, "/y")) == {name.lower(), "x-plain"}
    assert names(follow(first, 302, "http://b.example/")) == {"x-plain"}
    assert names(follow(first, 302, "https://a.example/")) == {"x-plain"}


@given(st.text(string.ascii_letters + "-", min_size=1, max_size=20))
def test_no_header_that_is_masked_crosses_origins(name: str) -> None:
    if name.lower() in TRANSPORT_HEADERS | {"user-agent", "accept", "accept-encoding", "host"}:
        return
    first = hop("http://a.example/", headers=((name, "value"),))
    is_masked = masked_headers(((name, "value"),)) != ((name, "value"),)
    is_set_cookie = name.lower() == "set-cookie"  # of an answer; a request has none
    assert (names(follow(first, 302, "http://b.example/")) == set()) is (is_masked or is_set_cookie)


def test_where_all_are_trusted_secrets_follow_and_host_does_not() -> None:
    first = hop("http://me:pw@a.example/", headers=((*GIVEN, ("X-Api-Key", "k"))))
    following = next_hop(first, 302, (("Location", "http://b.example/"),), trusted=True)
    assert following is not None
    assert names(following) == {name.lower() for name, _ in GIVEN} - {"host"} | {"x-api-key", "authorization"}


def test_authorization_header_is_dropped_across_ports() -> None:
    first = hop("http://a.example/", headers=(("authorization", "Bearer x"),))
    assert names(first) == {"authorization"}
    assert names(follow(first, 302, "http://a.example:8080/")) == set()
    assert names(follow(first, 302, "http://a.example:80/")) == {"authorization"}


def test_credentials_in_a_location_are_for_that_hop() -> None:
    away = follow(hop(), 302, "http://other:word@b.example/")
    assert away.target.shown == "http://b.example/#f"
    assert names(away) == {"authorization"}
    assert names(follow(away, 302, "http://c.example/")) == set()


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/\xc3\xbc", "http://a.example/%C3%BC#f"),  # UTF-8, as headers arrive
        ("/\xfc", "http://a.example/%FC#f"),  # anything else keeps its bytes
        ("/a b", "http://a.example/a%20b#f"),
        ("#g", "http://a.example/x?y#g"),
        ("//b.example", "http://b.example/#f"),
    ],
)
def test_location_as_servers_send_it(location: str, expected: str) -> None:
    assert follow(hop(), 302, location).target.shown == expected


def test_same_location_twice_is_one() -> None:
    assert follow(hop(), 302, "/y", "/y ").target.url == "http://a.example/y"


@pytest.mark.parametrize(
    "locations",
    [
        ("file:///etc/passwd",),
        ("FILE:/etc/passwd",),
        ("ftp://a.example/",),
        ("data:text/plain,x",),
        ("javascript:alert(1)",),
        ("http://a.example:99999/",),
        ("http://",),
        ("http://\xfc\xfd/",),
        ("/x\r\nX-Injected: 1",),
        ("/x\x1b]0;title\x07",),
        ("/y", "/z"),
    ],
)
def test_refused(locations: tuple[str, ...]) -> None:
    with pytest.raises(AttemptFailed) as caught:
        follow(hop(), 302, *locations)
    assert caught.value.kind is ErrorKind.REDIRECT_REFUSED
    assert caught.value.message.isprintable()


def walk(trail: RedirectTrail, first: HopRequest, locations: list[str]) -> HopRequest:
    for location in locations:
        following = trail.follow(first, 302, (("Location", location),))
        assert following is not None
        first = following
    return first


def test_limit() -> None:
    at_limit = walk(RedirectTrail(3), hop(), ["/1", "/2", "/3"])
    assert at_limit.target.url == "http://a.example/3"
    with pytest.raises(AttemptFailed, match=r"more than 3 redirects$") as caught:
        walk(RedirectTrail(3), hop(), ["/1", "/2", "/3", "/4"])
    assert caught.value.kind is ErrorKind.TOO_MANY_REDIRECTS
    with pytest.raises(AttemptFailed, match=r"more than 0 redirects$"):
        walk(RedirectTrail(0), hop(), ["/1"])


def test_all_of_it_may_have_to_stay_with_one_host() -> None:
    trail = RedirectTrail(9, same_host=True)
    near = walk(trail, hop(), ["/1", "https://a.example/2", "http://a.example:8080/3"])
    with pytest.raises(AttemptFailed, match=r"to another host, www\.a\.example") as caught:
        walk(trail, near, ["http://www.a.example/"])
    assert caught.value.kind is ErrorKind.REDIRECT_REFUSED


def test_loop_is_named_at_the_limit() -> None:
    with pytest.raises(AttemptFailed, match=r"more than 3 redirects, they form a loop") as caught:
        walk(RedirectTrail(3), hop(), ["/1", "/2", "/1", "/2"])
    assert caught.value.kind is ErrorKind.TOO_MANY_REDIRECTS


def test_post_that_comes_back_as_get_is_no_loop() -> None:
    with pytest.raises(AttemptFailed, match=r"more than 1 redirects$"):
        walk(RedirectTrail(1), hop("http://a.example/x", "POST"), ["/x", "/y"])


def test_last_response_at_the_limit_may_be_no_redirect() -> None:
    trail = RedirectTrail(1)
    last = walk(trail, hop(), ["/1"])
    assert trail.follow(last, 200, ()) is None
