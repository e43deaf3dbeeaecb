"""The parsers that are ours, and what must hold for each of them whatever it reads."""

# ruff: noqa: PT017  (these are no tests of pytest)

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from fetch_engine import Limits
from fetch_engine.cookies.dates import parse_cookie_date
from fetch_engine.cookies.file import load_cookies, save_cookies
from fetch_engine.cookies.jar import CookieJar, is_public_suffix, read_set_cookie
from fetch_engine.curl.command import curl_command, parse_curl
from fetch_engine.curl.globbing import GlobError, escape_glob, parse_glob
from fetch_engine.fetch.hop import first_hop
from fetch_engine.fetch.host_backoff import LONGEST_COUNTED, HostBackoff, SlowDown
from fetch_engine.fetch.netrc_file import NetrcError, parse_netrc
from fetch_engine.fetch.retry import parse_retry_after
from fetch_engine.files.file_names import disposition_name, file_name, numbered, safe_name
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.urls import parse_url, resolve, safe_url
from tui.entry.read import one_line, read_entry
from tui.inputs.list_formats import ListReader, open_reader
from tui.inputs.requests import AskedUrl
from tui.options import table
from tui.rows.row_filter import parse as parse_filter
from tui.text.plain_text import safe

_NOW = "Sun, 22 Nov 2026 12:00:00 GMT"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Target:
    """check: raises where the parser does not keep its promises."""

    name: str
    check: Callable[[bytes], None]
    seeds: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Facts:
    text: str = "https://h.example/a b\nnot found"
    code: str = "404"
    state: str = "DONE"
    host: str = "h.example"
    type: str = "text/html"
    size: float = 1234.0
    time: float = 0.5
    error: str = ""
    warnings: Sequence[str] = ("slow",)


_ROWS = (_Facts(), _Facts(code="err", error="dns: no such host", state="ERR"), _Facts(code="", state="QUE"))


def globbing(data: bytes) -> None:
    """GlobError with a place, or as many URLs as there are said to be."""
    text = _text(data)
    assert list(parse_glob(escape_glob(text))) == [text] or "\\" in text
    try:
        glob = parse_glob(text)
    except GlobError as error:
        assert 0 <= error.position < len(text)
        return
    assert glob.count >= 1
    few = [glob[place] for place in range(min(glob.count, 20))]
    assert few == [url for url, _ in zip(glob, range(20), strict=False)]
    assert isinstance(glob[glob.count - 1], str)
    if not re.search(r"[0-9A-Za-z]-|\{.+\}|\\", text, re.DOTALL):
        assert few == [text]


def curl(data: bytes) -> None:
    """No exception, and a request that is written as a command is read as the same request."""
    text = "curl " + _text(data)
    command = parse_curl(text)
    assert bool(command.requests) != bool(command.missing)
    for request in command.requests:
        again = parse_curl(curl_command(request, secrets=True, globs=command.globs))
        if b"\0" not in request.body:
            assert list(map(_sent, again.requests)) == [_sent(request)], again
        hidden = curl_command(request)
        assert hidden.isprintable()
    entry = read_entry(text)
    assert _CONTROL.search(safe(entry.complaint)) is None
    assert _CONTROL.search(one_line(text)) is None


def _sent(request: FetchRequest) -> tuple[object, ...]:
    """Compared as bytes: where two words meet, those that were no UTF-8 may become some."""
    texts = (
        request.url,
        request.method,
        request.proxy or "",
        *(part.strip() for pair in request.headers for part in pair),
    )
    coded = [text.encode("utf-8", "surrogateescape") for text in texts]
    return coded, request.body, request.timeouts, request.follow_redirects, request.insecure


def retry_after(data: bytes) -> None:
    """Seconds from 0 up, or nothing; and a rest that a clock can take, whatever was asked for."""
    text = data.decode("latin-1")
    wanted = parse_retry_after(text, _NOW)
    assert wanted is None or 0 <= wanted < math.inf
    backoff = HostBackoff(Limits())
    rest = backoff.rest_for(SlowDown("h", 429, wanted))
    assert rest is None or 0 <= rest <= 60
    backoff.heed(SlowDown("h", 429, wanted))
    now = backoff.get("h")
    assert now is None or 0 <= now.left <= LONGEST_COUNTED
    at_once = parse_retry_after(text)
    assert (at_once is None) == (wanted is None)


def names(data: bytes) -> None:
    """One visible part of a path that every file system takes."""
    header, _, url = data.partition(b"\xff")
    value = header.decode("latin-1")
    disposition_name(value)
    for name in (
        file_name("https://h/" + _text(url), [("Content-Disposition", value)], by_header=True),
        file_name(_text(url)),
        safe_name(_text(data)),
    ):
        assert name
        assert name not in (".", "..")
        assert not name.startswith((".", "-", "~", " "))
        assert not name.endswith((".", " "))
        assert not set(name) & set('/\\:*?"<>|')
        assert name.isprintable()
        assert len(numbered(name, 99_999).encode()) <= 255
        assert not re.match(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", name, re.IGNORECASE)
        assert safe_name(name) == name


def filters(data: bytes) -> None:
    """ValueError with a plain message, or a test that answers for every row; a term turned round is its opposite."""
    text = _text(data)
    try:
        found = parse_filter(text)
    except ValueError as error:
        assert _CONTROL.search(str(error)) is None
        return
    for row in _ROWS:
        assert found.accepts(row) in (True, False)
    if len(found.tests) == 1:
        with contextlib.suppress(ValueError):
            opposite = parse_filter("!" + text.strip())
            assert [found.accepts(row) for row in _ROWS] == [not opposite.accepts(row) for row in _ROWS]


def config(data: bytes) -> None:
    """Options, or exit code 2 after a plain message that names the file or the variable."""
    with contextlib.ExitStack() as stack:
        said: list[str] = []
        stack.enter_context(mock.patch("tui.text.stderr.write_stderr", said.append))
        name, equals, value = _text(data).replace("\0", "").partition("=")
        if equals and name.startswith("WEAKFETCH_"):
            path, environ, place = os.devnull, {name: value}, name
        else:
            path = place = str(stack.enter_context(_file(data)))
            environ = {}
        try:
            table.parse(["h", "--config", path], stdout_is_terminal=True, environ=environ)
        except SystemExit as end:
            assert end.code == 2
            assert place in "\n".join(said), said
        assert not any(_CONTROL.search(line) for line in said), said


def cookies(data: bytes) -> None:
    """A cookie for the host or a domain above it that is no public suffix, or none."""
    text = data.decode("latin-1")
    date = parse_cookie_date(text)
    assert date is None or -1.2e10 < date < 2.6e11
    for url in ("https://www.shop.example.co.uk/a/b", "http://127.0.0.1/", "http://h/"):
        target = parse_url(url)
        cookie = read_set_cookie(text, target, 1e9)
        if cookie is None:
            continue
        assert target.host == cookie.domain or target.host.endswith(f".{cookie.domain}")
        assert cookie.host_only or not is_public_suffix(cookie.domain)
        jar = CookieJar(lambda: 1e9)
        jar.take(target, (("Set-Cookie", text),))
        sent = jar.header(target)
        assert not set(sent) & set("\r\n\0")
        assert not jar.header(parse_url("https://elsewhere.example/"))


def cookie_file(data: bytes) -> None:
    """What is read and written again is the same."""
    first, second = CookieJar(lambda: 1e9), CookieJar(lambda: 1e9)
    with _file(data) as path:
        load_cookies(first, str(path))
        save_cookies(first, str(path))
        skipped = load_cookies(second, str(path))
    assert not skipped
    plain = [[replace(each, order=0, used=0.0) for each in jar] for jar in (first, second)]
    assert plain[0] == plain[1]


def netrc(data: bytes) -> None:
    """Entries, or an error that names a line and none of its words."""
    try:
        entries = parse_netrc(_text(data))
    except NetrcError as error:
        assert re.fullmatch(r"line [0-9]+ is not valid", str(error))
        return
    assert all(each.machine is None or each.machine or b'""' in data for each in entries)


def lists(form: str) -> Callable[[bytes], None]:
    """No exception, and the same URLs wherever the stream is cut; a request of a line is one, or says why not."""

    def check(data: bytes) -> None:
        cut = data[0] if data else 0
        data = data[1:]
        whole, halves = open_reader(form), open_reader(form)
        urls = _read(whole, [data])
        cut_up = _read(halves, [data[:cut], data[cut : cut + 1], b"", data[cut + 1 :]])
        assert urls == cut_up
        assert (whole.error is None) == (halves.error is None)
        assert list(whole.nested) == list(halves.nested)
        for url in urls:
            assert "\n" not in url or form != "lines"
            if isinstance(url, AskedUrl) and url.invalid is None:
                request = FetchRequest(str(url), url.method or "GET", url.headers, url.body or b"")
                with contextlib.suppress(AttemptFailed):
                    first_hop(request, parse_url(request.url))

    return check


def urls(data: bytes) -> None:
    """One normal form, that is its own normal form and shows no password; or AttemptFailed."""
    text, _, location = _text(data).partition("\n")
    shown = safe_url(text)
    try:
        target = parse_url(text)
    except AttemptFailed:
        return
    assert parse_url(target.url).url == target.url
    assert "@" not in re.split("[/?#]", target.url.partition("://")[2])[0]
    assert parse_url(shown) == target.with_authorization(None)
    assert target.url.isascii()
    assert target.url.isprintable()
    assert " " not in target.url
    with contextlib.suppress(AttemptFailed):
        found = resolve(target, location)
        assert parse_url(found.url).url == found.url


def _read(reader: ListReader, chunks: Sequence[bytes]) -> list[str]:
    return [url for chunk in chunks for url in reader.feed(chunk)] + reader.finish()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _file(data: bytes) -> Iterator[Path]:
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name, "file")
        path.write_bytes(data)
        yield path


TARGETS = {
    target.name: target
    for target in (
        Target(
            "globbing",
            globbing,
            [b"https://h/[001-100:7]/{a,b\\,c}", b"http://[::1]:80/[a-z]", b"{one,two}[0-9]\\[x\\]"],
        ),
        Target(
            "curl",
            curl,
            [
                b"'https://h/[1-3]' -X POST -H 'A: b' --data-raw $'\\u0041\\'x\\x41' --compressed -k",
                b"-sSL -u user:pass -x socks5h://u:p@h:1 --url h -m 1.5 --next -G -d a=b --json '{}' h2",
                b"-b 'a=b' --data-urlencode 'a=b c' --url-query +x -e r --oauth2-bearer t h \"$HOME\" | less",
            ],
        ),
        Target(
            "retry-after",
            retry_after,
            [b"120", b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"],
        ),
        Target(
            "names",
            names,
            [
                b'attachment; filename="a\\"b.txt"; filename*=UTF-8\'\'%e2%82%ac.txt\xff../%2e%2e/x',
                b"inline; filename=..\\..\\CON.tar.gz\xffa/b.c?d#e",
                "attachment; filename=ä\u202e.exe".encode(),
            ],
        ),
        Target(
            "filter",
            filters,
            [
                b'code:5xx !"two words" size:>1.5M time:<=50ms',
                b"state:rec host:h type:json error:dns warn:",
                b"code:>=400",
            ],
        ),
        Target(
            "config",
            config,
            [
                b'theme = "dark"\nmax-time = 1.5\nheader = ["A: b"]\nhttp2 = true\n[keys]\nrow.cancel = ["x", "y"]\n',
                b"rate = '10/s'\nlimit-rate = \"5K\"\nproxy = 'http://h:1'\nnoproxy=''\n",
                b"WEAKFETCH_MAX_TIME=1",
            ],
        ),
        Target(
            "cookies",
            cookies,
            [
                b"a=b; Domain=.example.co.uk; Path=/a; Secure; HttpOnly; Max-Age=10; SameSite=Lax",
                b"__Host-a=b; Path=/; Secure; Expires=Wed, 09 Jun 2027 10:18:14 GMT",
                b"a=b; Domain=co.uk; Expires=Wed, 09-Jun-27 10:18:14 GMT",
            ],
        ),
        Target(
            "cookie-file",
            cookie_file,
            [b"#HttpOnly_.example.org\tTRUE\t/\tTRUE\t1893456000\tname\tvalue\nh\tFALSE\t/a\tFALSE\t0\ta\t\n# x\n"],
        ),
        Target(
            "netrc",
            netrc,
            [b'machine h login a password "b\\"c" # d\nmacdef m\nx\n\ndefault user e account f password g\\h'],
        ),
        Target(
            "ndjson",
            lists("ndjson"),
            [b'\x09{"url": "http://h/", "method": "POST", "headers": {"A": ["b", "c"]}, "body_base64": "AAE="}\n{}\n'],
        ),
        Target(
            "sitemap",
            lists("sitemap"),
            [
                b"\x20<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
                b"<url><loc>http://h/&amp;</loc></url></urlset>",
                b"\x02<sitemapindex><sitemap><loc>http://h/<![CDATA[a]]></loc></sitemap></sitemapindex>",
            ],
        ),
        Target(
            "lists",
            lists("auto"),
            [b"\x05http://h/\r\n# no\n\xef\xbb\xbfh2\n", b'\x00{"url": "h"}\n', b"\x01\xef\xbb\xbf <urlset></urlset>"],
        ),
        Target(
            "urls",
            urls,
            [
                b"https://user:p%40ss@h.example:8443/a/../b?c#d\n../x?y",
                b"HTTP://[::FFFF:1.2.3.4]:80\n//h2/",
                "b\u00fccher.example/\u00e4".encode() + b"\nhttps:x",
            ],
        ),
    )
}
