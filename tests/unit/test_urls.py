"""URL rules: one normal form, nothing but AttemptFailed, no password where it does not belong."""

from __future__ import annotations

import base64
import string
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.urls import MAX_URL_LENGTH, Target, host_of, parse_url, read_any, resolve, safe_url

# Pieces that parsers disagree about.
_PIECES = st.sampled_from(
    ["http", "https", "HTTP", "ftp", "file", "data", "://", ":", "/", "//", "\\", "@", "?", "#", "[", "]", "[::1]",
     "%", "%2F", "%25", "%00", "%40", "..", ".", "example.com", "localhost", "127.0.0.1", "0x7f", "1", "80", ":99999",
     ":-1", ":0", "user", "pass", "bücher", "☃", "xn--", "xn--a", "℀", "／", "＠", "：", "。", "\u200d", "\u00ad",
     "\u0000", "\n", "\r", "\t", " ", "\u2028", "\x85", "\ud800", "\U0001f4a9", "{", "}", "|", "^", "<", ">", '"']
)  # fmt: skip
_TEXTS = st.one_of(st.text(), st.lists(_PIECES | st.text(max_size=3), max_size=12).map("".join))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM:443/a/../b", "https://example.com/b"),
        ("http://example.com/..", "http://example.com/"),
        ("http://example.com:81/a/../..?q", "http://example.com:81/?q"),
        ("http://[::1]/.", "http://[::1]/"),
        ("http://example.com:80?q", "http://example.com/?q"),
        ("http://example.com:/x", "http://example.com/x"),
        ("http://example.com:00081/", "http://example.com:81/"),
        ("http://example.com./x", "http://example.com./x"),
        ("http://a_b.example/", "http://a_b.example/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
        ("http://[::1]", "http://[::1]/"),
        ("http://127.0.0.1/ü?ü=%zz", "http://127.0.0.1/%C3%BC?%C3%BC=%zz"),
        ("http://Bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://ＥＸＡＭＰＬＥ。com/", "http://example.com/"),
        ("http://xn--ls8h.example/", "http://xn--ls8h.example/"),
        ("http://example.com//a//b", "http://example.com//a//b"),
        ("http://example.com/a?b@c:d", "http://example.com/a?b@c:d"),
        ("http://@example.com/", "http://example.com/"),
        ("example.com", "https://example.com/"),
        ("example.com/x?y:z", "https://example.com/x?y:z"),
        ("EXAMPLE.com:8080#f", "https://example.com:8080/"),
        ("1.2.3.example/", "https://1.2.3.example/"),
        ("localhost.example", "https://localhost.example/"),
        ("api.localhost.:81/", "http://api.localhost.:81/"),
        ("localhost:8080", "http://localhost:8080/"),
        ("localhost:8080/a:b", "http://localhost:8080/a:b"),
        ("[::1]:8080/x", "http://[::1]:8080/x"),
        ("127.0.0.1", "http://127.0.0.1/"),
    ],
)
def test_normal_form(text: str, url: str) -> None:
    target = parse_url(text)
    assert target.url == url
    assert target.authorization is None


@pytest.mark.parametrize(
    "text",
    [
        "", "/path", "?q", "#f", "//example.com/", "http://", "http:///x", "http://?x", "http://:80/",
        "http:example.com",         "http:/example.com", "http:\\\\example.com\\x", "http://exam\nple.com/",
        "http://example.com/\r\nX: y",
        "http://example.com/\x00", "http://example.com/\x7f", "http://example.com/\tx", " http://example.com",
        "http://example.com/a b", "http://exam ple.com/", "http://example.com/\u2028",
        "http://example.com:99999/", "http://example.com:-80/", "http://example.com:0/", "http://example.com:8o/",
        "http://example.com:80:80/", "http://example.com:+80/", "http://example.com:０８/",
        "http://example.com:" + "9" * 9999, "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[::1/",
        "http://[::1]x/", "http://[]/",
        "http://[v1.a]/", "http://::1/", "http://[::1]]/", "http://[1.2.3.4]/",
        "http://example.com%2F.evil.example/", "http://example.com%00.evil.example/", "http://exampl%65.com/",
        "http://example.com\\.evil.example/", "http://user\\@example.com@evil.example/", "http://a@b@c/",
        "http://..example.com/", "http://a..b/", "http://./", "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 200, "http://ex<ample/", "http://a;b/", "http://*/", "http://a,b/", "http://xn--\u00fc/",
        "http://ex℀mple.com/",
        "http://\u200d/", "http://☃\ud800.example/", "http://example.com/\ud800", "http://" + "ü" * 60_000,
        "http://127.1/", "http://2130706433/", "http://0x7f.0.0.1/", "http://127.0.0.1.1/", "http://1.2.3.256/",
        "http://127.0.0.01/", "http://１２７.1/", "http://user:%0d%0a@example.com/", "http://%00@example.com/", "http://\ud800@example.com/",
        "http://" + "x" * MAX_URL_LENGTH, "x" * 1_000_000,
    ],
)  # fmt: skip
def test_invalid(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(AttemptFailed) as caught:
        parse_url(text)
    assert caught.value.kind is ErrorKind.INVALID_URL
    assert caught.value.message.isprintable()
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize(
    "text",
    ["ftp://example.com/", "file:///etc/passwd", "data:text/plain,x", "javascript:alert(1)", "mailto:a@example.com", "ws://a/",
     "user:password@example.com", "localhost:x", "view-source:http://example.com/", "httpx://a/"],
)  # fmt: skip
def test_unsupported_scheme(text: str) -> None:
    with pytest.raises(AttemptFailed) as caught:
        parse_url(text)
    assert caught.value.kind is ErrorKind.UNSUPPORTED_SCHEME
    assert "user" not in caught.value.message


def test_userinfo_becomes_basic_credentials() -> None:
    target = parse_url("http://us%65r:p%40ss:w%C3%B6rd@example.com:8080/x#f")
    assert target.url == "http://example.com:8080/x"
    assert target.shown == "http://example.com:8080/x#f"
    assert target.authorization is not None
    kind, value = target.authorization.split()
    assert (kind, base64.b64decode(value).decode()) == ("Basic", "user:p@ss:wörd")
    assert value not in repr(target)
    assert parse_url("http://user@example.com/").authorization == "Basic " + base64.b64encode(b"user:").decode()


def test_origin_is_scheme_host_and_port() -> None:
    assert parse_url("http://A.example/x").origin == parse_url("http://a.example:80/y").origin
    assert len({parse_url(f"{url}/").origin for url in ("http://a", "https://a", "http://a:81", "http://b")}) == 4


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/c", "http://example.com/c#f"),
        ("c?d", "http://example.com/a/c?d#f"),
        ("../../../c", "http://example.com/c#f"),
        ("..", "http://example.com/#f"),
        ("?q", "http://example.com/a/b?q#f"),
        ("#g", "http://example.com/a/b?x#g"),
        ("//other.example/c", "http://other.example/c#f"),
        ("https://other.example:8443", "https://other.example:8443/#f"),
        (" /a b\t", "http://example.com/a%20b#f"),
        ("/ü", "http://example.com/%C3%BC#f"),
        ("\\\\evil.example/", "http://example.com/a/%5C%5Cevil.example/#f"),
    ],
)
def test_resolve(location: str, expected: str) -> None:
    shown = resolve(parse_url("http://user:secret@example.com/a/b?x#f"), location).shown
    assert shown.replace("\\", "%5C") == expected


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://example.com/", "data:,x", "javascript:x", "localhost:8080/x", "http://a:99999/",
     "http://a b/", "http://[::1", "/x\r\nSet-Cookie: a=b", "https:x", "/\ud800", "http://" + "a" * 70_000],
)  # fmt: skip
def test_resolve_refuses(location: str) -> None:
    with pytest.raises(AttemptFailed):
        resolve(parse_url("http://example.com/"), location)


def _check_normal(target: Target) -> None:
    printable = set(string.printable) - set(string.whitespace)
    assert set(target.shown) <= printable
    assert target.scheme in ("http", "https")
    assert target.host
    assert 0 < target.port < 65_536
    authority = target.url.split("/")[2]
    assert not set("@\\%") & set(authority)
    again = parse_url(target.shown)
    assert (again.url, again.fragment, again.authorization) == (target.url, target.fragment, None)


@settings(deadline=None)
@given(_TEXTS)
def test_never_raises_anything_else(text: str) -> None:
    try:
        target = parse_url(text)
    except AttemptFailed as caught:
        failure = caught
    else:
        _check_normal(target)
        return
    assert failure.kind in (ErrorKind.INVALID_URL, ErrorKind.UNSUPPORTED_SCHEME)
    assert failure.message.isprintable()


# Of what is nearly in normal form, so that both ways of reading are taken.
_HOSTS = st.one_of(
    st.sampled_from(["127.0.0.1", "example.com", "example.com.", "[::1]", "localhost", "1.2.3.256", "1.2.3", "a.0x1"]),
    st.from_regex(r"[0-9a-zA-Z._-]{1,12}", fullmatch=True),
    st.lists(st.sampled_from(["a", "b-c", "1", "a" * 63, "a" * 64, ""]), max_size=6).map(".".join),
)
_NEARLY_NORMAL = st.builds(
    "{}://{}{}/{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    st.just("example.com") | _HOSTS,
    st.just("") | st.sampled_from([":80", ":443", ":8080", ":0", ":08", ":59999", ":64999", ":65000", ":65536", ":"]),
    st.lists(
        st.sampled_from(["/", "/./", "/..", "..", ".", "?", "#", "%41", "ü"])
        | st.sampled_from([chr(code) for code in range(0x20, 0x80)]),
        max_size=6,
    ).map("".join),
)


def _read(read: Callable[[str], Target], text: str) -> Target | tuple[ErrorKind, str]:
    try:
        return read(text)
    except AttemptFailed as failure:
        return failure.kind, failure.message


def _check_read_alike(text: str) -> None:
    target = _read(read_any, text)
    assert _read(parse_url, text) == target
    assert host_of(text) == (target.host if isinstance(target, Target) else "")


@settings(deadline=None)
@given(st.one_of(_NEARLY_NORMAL, _TEXTS))
def test_urls_in_normal_form_are_read_as_all_others(text: str) -> None:
    _check_read_alike(text)


@pytest.mark.parametrize("place", ["http://{}/", "http://a.{}/", "http://a{}b/", "http://a/{}", "http://a/?{}"])
def test_so_is_every_character_in_every_place(place: str) -> None:
    for code in range(0x100):
        _check_read_alike(place.format(chr(code)))


def test_so_is_every_port_and_length() -> None:
    for port in (*range(0, 65_540, 497), 79, 80, 443, 9999, 10_000, *range(65_530, 65_540), 100_000):
        _check_read_alike(f"http://a:{port}/")
    for length in (*range(250, 258), *range(4094, 4099)):
        _check_read_alike(f"http://{'a.' * (length // 2)}{'b' * (length % 2)}/")
        _check_read_alike(f"http://a/{'b' * length}")


def test_a_long_url_is_read_in_time() -> None:
    started = time.perf_counter()
    for text in ("http://" + "a-" * 30_000 + "/", "http://" + "a." * 30_000, "http://a/" + "?" * 60_000 + "#"):
        _read(parse_url, text)
    assert time.perf_counter() - started < 20


@settings(deadline=None)
@given(_TEXTS)
def test_resolve_never_raises_anything_else(location: str) -> None:
    try:
        target = resolve(parse_url("https://example.com/a/b?c#d"), location)
    except AttemptFailed:
        return
    _check_normal(target)


@settings(deadline=None)
@given(
    scheme=st.sampled_from(["http://", "https://", "HTTP://", "", "ftp://", "http:", "//", "\\\\", "x:"]),
    password=st.text(st.sampled_from("ab12%/\\?#:@[] \n\ud800ü"), max_size=8),
    rest=_TEXTS.filter(lambda text: "@" not in text),
)
def test_safe_url_hides_user_and_password(scheme: str, password: str, rest: str) -> None:
    given_url = f"{scheme}USERSECRET:{password}PASSSECRET@{rest}"
    safe = safe_url(given_url)
    assert safe.endswith(rest)
    try:
        parse_url(given_url)
    except AttemptFailed:
        assert "SECRET" not in safe
        return
    # In the valid `http://user:/word@example.com` the user is the host: nobody can tell that a password was meant.
    assert set("/?#@") & set(password) or "SECRET" not in safe


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("http://user:secret@example.com/x", "http://example.com/x"),
        ("user@example.com/x@y", "example.com/x@y"),
        ("user@http://example.com/", "https://http://example.com/"),
        ("example.com:8080/@", "example.com:8080/@"),
        ("http://example.com/@x", "http://example.com/@x"),
        ("http://user:secret@example.com:99999/", "http://***@example.com:99999/"),
        ("http://user:se/cret@example.com/", "http://***@example.com/"),
        ("ftp://user:secret@example.com/", "***@example.com/"),
        ("http://a:secret@b:secret@c/", "http://***@c/"),
        ("nonsense", "nonsense"),
    ],
)
def test_safe_url(text: str, safe: str) -> None:
    assert safe_url(text) == safe


@pytest.mark.parametrize(
    ("host", "ascii_host"),
    [
        ("☕🦊✈.ws", "xn--53hy7af013i.ws"),
        ("faß.de", "xn--fa-hia.de"),
        ("my_x.bücher.de", "my_x.xn--bcher-kva.de"),
        ("bü_x.de", "xn--b_x-hoa.de"),
        ("xn--ls8h.ü.de", "xn--ls8h.xn--tda.de"),
        ("-ü-.de", "xn-----xka.de"),
        ("الأردن.jo", "xn--igbhzh7gpa.jo"),
        ("\u10a0\u10a1.ge", "xn--rkjc.ge"),  # Georgian capitals: refused before Unicode 16
        ("क्‍ष.in", "xn--11b2ezcw70k.in"),
        ("１２７。0.0.1", "127.0.0.1"),
    ],
)
def test_international_names_are_read_as_browsers_do(host: str, ascii_host: str) -> None:
    assert parse_url(f"http://{host}/").host == ascii_host


@pytest.mark.parametrize(
    "host",
    [
        "a／b.ü",
        "xn--a.ü",
        "xn--ü.de",
        "a\u200db.ü",
        "abcא.com",
        "\u0301ü.de",
        "ü..de",
        "ü%00.de",
    ],
)
def test_names_that_stand_for_others_are_refused(host: str) -> None:
    with pytest.raises(AttemptFailed) as caught:
        parse_url(f"http://{host}/")
    assert caught.value.kind is ErrorKind.INVALID_URL


@given(st.text(st.sampled_from("aüß☕א١ب\u200d\u200c\u0301_-。．ＡxnZ9\u00ad:/@例℀①%"), max_size=12))
def test_an_international_name_has_one_form(host: str) -> None:
    try:
        target = parse_url(f"http://{host}/")
    except AttemptFailed:
        return
    assert target.host.isascii()
    assert parse_url(f"http://{target.host}/" if ":" not in target.host else target.url).host == target.host
