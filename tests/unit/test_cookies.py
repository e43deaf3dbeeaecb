"""Which cookies are taken, and which requests they go with (RFC 6265bis)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.cookies.dates import parse_cookie_date
from fetch_engine.cookies.jar import MAX_AGE, MAX_COOKIES, MAX_HEADER, MAX_PER_DOMAIN, CookieJar, read_set_cookie
from fetch_engine.model.urls import Target, parse_url

HOME = "https://www.shop.example/a/b?q=/x"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def jar_with(*set_cookies: str, url: str = HOME, clock: Clock | None = None) -> CookieJar:
    jar = CookieJar(clock or Clock())
    take(jar, url, *set_cookies)
    return jar


def take(jar: CookieJar, url: str, *set_cookies: str) -> None:
    jar.take(parse_url(url), tuple(("Set-Cookie", text) for text in set_cookies))


def sent(jar: CookieJar, url: str, given: str = "") -> str:
    return jar.header(parse_url(url), given)


def test_a_cookie_goes_back_to_where_it_came_from() -> None:
    jar = jar_with("a=1; HttpOnly; SameSite=Strict")
    assert sent(jar, HOME) == "a=1"
    assert len(jar) == 1
    assert "1" not in repr(next(iter(jar))).replace("order", "").split("domain")[0]


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("https://www.shop.example/a/b", True),
        ("https://www.shop.example/a", True),
        ("https://WWW.shop.example:8443/a/x/y", True),  # cookies know no ports
        ("http://www.shop.example/a/b", True),
        ("https://www.shop.example/ab", False),
        ("https://www.shop.example/", False),
        ("https://shop.example/a/b", False),
        ("https://sub.www.shop.example/a/b", False),
        ("https://evilwww.shop.example/a/b", False),
        ("https://www.shop.example.evil.example/a/b", False),
        ("https://www.shop.example./a/b", False),
    ],
)
def test_host_only_and_default_path(url: str, goes: bool) -> None:
    assert bool(sent(jar_with("a=1"), url)) is goes


@pytest.mark.parametrize(
    ("attribute", "url", "goes"),
    [
        ("Domain=shop.example", "https://shop.example/a/", True),
        ("Domain=.SHOP.example", "https://other.shop.example/a/", True),
        ("Domain=www.shop.example", "https://x.www.shop.example/a/", True),
        ("Domain=shop.example", "https://notshop.example/a/", False),
        ("Domain=", "https://x.www.shop.example/a/", False),
        ("Domain=other.example; Domain=shop.example", "https://shop.example/a/", True),
        ("Path=/a/b", "https://www.shop.example/a/b/c", True),
        ("Path=/a/b", "https://www.shop.example/a/bc", False),
        ("Path=/a/b/", "https://www.shop.example/a/b", False),
        ("Path=/", "https://www.shop.example/", True),
        ("Path=nonsense", "https://www.shop.example/a/", True),
        ("Path=/x; Path=", "https://www.shop.example/a/", True),
        ("Secure", "https://www.shop.example/a/", True),
        ("Secure", "http://www.shop.example/a/", False),
    ],
)
def test_domain_path_and_secure(attribute: str, url: str, goes: bool) -> None:
    assert bool(sent(jar_with(f"a=1; {attribute}"), url)) is goes


@pytest.mark.parametrize(
    ("url", "text"),
    [
        # Super cookies (CVE-2014-3620, CVE-2023-46218).
        (HOME, "a=1; Domain=example"),
        (HOME, "a=1; Domain=.EXAMPLE"),
        ("https://www.shop.example./", "a=1; Domain=example."),
        ("https://shop.co.uk/", "a=1; Domain=co.uk"),
        ("https://shop.co.uk/", "a=1; Domain=cO.UK"),
        ("https://shop.com.br/", "a=1; Domain=com.br"),
        ("https://me.github.io/", "a=1; Domain=github.io"),
        ("https://shop.kawasaki.jp/", "a=1; Domain=shop.kawasaki.jp; Domain=kawasaki.jp"),
        ("https://xn--bcher-kva.xn--55qx5d.cn/", "a=1; Domain=xn--55qx5d.cn"),
        # Another site.
        (HOME, "a=1; Domain=other.example"),
        (HOME, "a=1; Domain=sub.www.shop.example"),
        (HOME, "a=1; Domain=hop.example"),
        (HOME, "a=1; Domain=shop.example."),
        # Tail match of addresses (CVE-2014-3613).
        ("http://127.0.0.1/", "a=1; Domain=0.0.1"),
        ("http://127.0.0.1/", "a=1; Domain=1"),
        # Control characters (CVE-2022-35252).
        (HOME, "a=1\x01"),
        (HOME, "a\x7f=1"),
        (HOME, "a=1\t2"),
        (HOME, "a=1; Path=/\x00"),
        (HOME, "a=1\nb=2"),
        # What a plain connection cannot set, and what prefixes promise.
        ("http://www.shop.example/", "a=1; Secure"),
        (HOME, "__Secure-a=1"),
        (HOME, "__SECURE-a=1"),
        (HOME, "__Host-a=1; Path=/"),
        (HOME, "__Host-a=1; Secure"),
        (HOME, "__Host-a=1; Secure; Path=/a"),
        (HOME, "__host-a=1; Secure; Path=/; Domain=www.shop.example"),
        ("http://www.shop.example/", "__Host-a=1; Path=/"),
        (HOME, "=__Secure-a=1"),
        (HOME, "__Host-a"),
        # Nothing, and too much.
        (HOME, ""),
        (HOME, "="),
        (HOME, ";Path=/"),
        (HOME, "a=" + "x" * 4096),
        # Gone before it came.
        (HOME, "a=1; Max-Age=0"),
        (HOME, "a=1; Max-Age=-5"),
        (HOME, "a=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT"),
    ],
)
def test_what_is_refused(url: str, text: str) -> None:
    jar = jar_with(text, url=url)
    assert (len(jar), sent(jar, url)) == (0, "")


def test_prefixes_kept() -> None:
    jar = jar_with("__Secure-a=1; Secure", "__Host-b=2; Secure; Path=/")
    assert sent(jar, HOME) == "__Secure-a=1; __Host-b=2"


def test_a_name_that_is_a_public_suffix_may_have_its_own() -> None:
    for url, domain in (("http://localhost/", "localhost"), ("https://co.uk/", "co.uk"), ("http://[::1]/", "::1")):
        jar = jar_with(f"a=1; Domain={domain}", url=url)
        assert sent(jar, url) == "a=1"
        assert [cookie.host_only for cookie in jar] == [True]
    assert sent(jar_with("a=1; Domain=localhost", url="http://localhost/"), "http://sub.localhost/") == ""


def test_a_plain_connection_does_not_replace_a_secure_cookie() -> None:
    jar = jar_with("a=1; Secure; Path=/; Domain=shop.example")
    for text in ("a=evil; Path=/", "a=evil; Path=/; Domain=shop.example", "a=evil; Path=/a; Domain=www.shop.example"):
        take(jar, "http://www.shop.example/a/", text)
    take(jar, "http://shop.example/", "a=evil; Path=/")
    assert [cookie.value for cookie in jar] == ["1"]
    take(jar, "http://www.shop.example/", "b=2; Path=/")
    take(jar, "https://www.shop.example/", "a=new; Secure; Path=/; Domain=shop.example")
    assert sent(jar, HOME) == "a=new; b=2"


def test_order_and_replacement() -> None:
    jar = jar_with("a=1; Path=/", "b=2; Path=/a", "c=3; Path=/", "a=4; Path=/", "a=5; Path=/a")
    assert sent(jar, HOME) == "b=2; a=5; a=4; c=3"
    take(jar, HOME, "a=; Path=/; Max-Age=0", "d")
    assert sent(jar, HOME) == "b=2; a=5; d; c=3"


def test_values_as_they_came() -> None:
    jar = jar_with('a="x y, z=1" ; Path=/', "b=\xfc\xff; Path=/")
    assert sent(jar, HOME) == 'a="x y, z=1"; b=\xfc\xff'


def test_given_cookies_come_first_and_win() -> None:
    jar = jar_with("a=1; Path=/", "b=2; Path=/")
    assert sent(jar, HOME, "z=0; a=own;") == "z=0; a=own; b=2"
    assert sent(jar, "https://other.example/", "z=0") == "z=0"


def test_expiry() -> None:
    clock = Clock()
    jar = jar_with("a=1; Max-Age=10; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "b=2; Max-Age=99999999999999", clock=clock)
    take(jar, HOME, "c=3; Max-Age=1x; Expires=Thu, 01-Jan-99 00:00:00 GMT", "d=4; Expires=never", "e=5; Max-Age=9")
    clock.now += 9.5
    assert sent(jar, HOME) == "a=1; b=2; d=4"
    clock.now += 1
    assert sent(jar, HOME) == "b=2; d=4"
    clock.now += MAX_AGE
    assert sent(jar, HOME) == "d=4"
    assert [cookie.name for cookie in jar] == ["d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("06 November 1994, 8:49:37", 784111777.0),
        ("1994 nov 6th 08:49:37", 784111777.0),
        ("Sun, 06 Nov 2069 08:49:37 GMT", 3150953377.0),
        ("Sun, 31 Feb 2030 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("06 Nov 1600 08:49:37", None),
        ("06 Nov 1994", None),
        ("", None),
    ],
)
def test_dates(text: str, expected: float | None) -> None:
    assert parse_cookie_date(text) == expected


def test_number_and_size_are_bound() -> None:
    jar = jar_with()
    for number in range(3 * MAX_PER_DOMAIN):
        take(jar, HOME, f"n{number}=1")
    assert MAX_PER_DOMAIN * 0.8 <= len(jar) <= MAX_PER_DOMAIN
    for number in range(2 * MAX_COOKIES):
        take(jar, f"https://h{number}.example/", "a=1")
    assert MAX_COOKIES * 0.8 <= len(jar) <= MAX_COOKIES
    take(jar, "https://b.example/", *(f"n{number}=1" for number in range(100)))
    assert sent(jar, "https://b.example/").count("=") == 50  # of one response


def test_a_header_stays_within_what_servers_take() -> None:
    """CVE-2022-32205: whoever shares the domain must not be able to have every request refused."""
    jar = jar_with(*(f"n{number}={'x' * 4000}; Domain=shop.example" for number in range(10)))
    assert 4000 < len(sent(jar, HOME)) <= MAX_HEADER
    jar = jar_with()
    for number in range(4):
        take(jar, HOME, *(f"m{number}-{each}=1" for each in range(45)))
    assert (len(jar), sent(jar, HOME).count("=")) == (180, 150)


def test_plain_text_does_not_push_out_secure_cookies() -> None:
    jar = jar_with("a=1; Secure; Path=/; Domain=shop.example")
    for number in range(3 * MAX_PER_DOMAIN):
        take(jar, "http://shop.example/", f"n{number}=1; Domain=shop.example")
    assert "a=1" in sent(jar, HOME).split("; ")


HOSTS = ("shop.example", "www.shop.example", "example", "evil.example", "127.0.0.1", "shop.co.uk")
_words = st.text(st.characters(max_codepoint=255), max_size=8)
_attributes = st.one_of(
    st.sampled_from(
        ["Secure", "HttpOnly", "Path=/", "Path=/a", "Max-Age=9", "Expires=x", *(f"Domain={h}" for h in HOSTS)]
    ),
    _words,
)
_set_cookies = st.builds(
    lambda name, value, attributes: ";".join([f"{name}={value}", *attributes]),
    st.sampled_from(["a", "__Host-a", "__secure-a", ""]) | _words,
    _words,
    st.lists(_attributes, max_size=4),
)
_targets = st.builds(
    lambda scheme, host, path: parse_url(f"{scheme}://{host}{path}"),
    st.sampled_from(["http", "https"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["/", "/a", "/a/b"]),
)


@settings(deadline=None)
@given(_set_cookies, _targets, _targets)
def test_no_cookie_goes_where_it_must_not(text: str, source: Target, target: Target) -> None:
    jar = CookieJar()
    jar.take(source, (("set-cookie", text),))
    value = jar.header(target)
    if not value:
        return
    assert source.host == target.host or (
        "domain=" in text.lower() and source.host.endswith("shop.example") and target.host.endswith("shop.example")
    )
    assert value.isprintable() or all(char >= "\x80" for char in value if not char.isprintable())
    value.encode("latin-1")
    for cookie in jar:
        assert not cookie.secure or (source.scheme == target.scheme == "https")
        if cookie.name.lower().startswith("__host-"):
            assert (cookie.secure, cookie.host_only, cookie.path) == (True, True, "/")
            assert source.host == target.host


@settings(deadline=None)
@given(st.lists(st.tuples(_targets, _set_cookies), max_size=30))
def test_the_count_is_right(steps: list[tuple[Target, str]]) -> None:
    jar = CookieJar(Clock())
    for target, text in steps:
        jar.take(target, (("Set-Cookie", text),))
        assert len(jar) == len(list(jar))
        assert len({cookie.key for cookie in jar}) == len(jar)


@given(st.text())
def test_any_date_is_read_or_refused(text: str) -> None:
    parse_cookie_date(text)


def test_a_cookie_of_its_own_origin_only_where_nothing_else_is_said() -> None:
    cookie = read_set_cookie("a=1", parse_url(HOME), 0.0)
    assert cookie is not None
    assert (cookie.domain, cookie.host_only, cookie.path, cookie.expires) == ("www.shop.example", True, "/a", None)
