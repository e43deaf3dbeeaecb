"""Lists as lines, requests and sitemaps: whatever the bytes and however they are cut, and nothing that expands."""

from __future__ import annotations

import base64
import codecs
import itertools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine import ErrorKind, FetchError, FetchRequest
from fetch_engine.outputs.accounts import Account
from fetch_engine.outputs.har import HarFormat
from fetch_engine.outputs.ndjson import NdjsonFormat
from fetch_engine.outputs.secrets import Secrets
from tui.inputs import sitemap
from tui.inputs.lines import LineSplitter
from tui.inputs.list_formats import ListReader, open_reader
from tui.inputs.requests import MAX_REQUEST, AskedUrl
from tui.inputs.sitemap import index_of
from tui.run.engine_options import with_line

NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def read(data: bytes, form: str = "auto", cuts: list[int] | None = None) -> tuple[list[str], ListReader]:
    reader = open_reader(form)
    edges = sorted({0, len(data), *(cut for cut in cuts or [] if cut <= len(data))})
    urls = [url for start, end in itertools.pairwise(edges) for url in reader.feed(data[start:end])]
    return urls + reader.finish(), reader


def urlset(*urls: str, more: str = "") -> bytes:
    pages = "".join(f"<url><loc> {url}\n</loc><lastmod>2026</lastmod>{more}</url>" for url in urls)
    return f'<?xml version="1.0"?>\n<urlset {NS}>{pages}</urlset>'.encode()


MARKS = {
    codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be",
}  # fmt: skip
WIDE = [("http://ä/\r\n# no\r\nhttp://b/", ["http://ä/", "http://b/"]), ('{"url": "http://ä/"}\n', ["http://ä/"])]


@pytest.mark.parametrize(
    ("data", "urls"),
    [
        (b"http://a/\nhttp://b/", ["http://a/", "http://b/"]),
        (b"\n\n# {\nhttp://a/", ["http://a/"]),
        (b'\xef\xbb\xbf\n{"url": "http://a/"}\n', ["http://a/"]),
        (b"{}", [""]),
        (b"{\n}", ["{", "}"]),
        (b" " * 511 + b'{"url": "http://a/"}', ['{"url": "http://a/"}']),
        (b"{a,b}.example\n", ["{a,b}.example"]),
        (b"<x>\n", ["<x>"]),
        *((mark + text.encode(name), urls) for mark, name in MARKS.items() for text, urls in WIDE),
        (b" \n" + urlset("http://a/?x=1&amp;y=2"), ["http://a/?x=1&y=2"]),
        (b"<urlset><url><loc>http://a/</loc></url></urlset>", ["http://a/"]),
        (b"<s:urlset xmlns:s='x'><s:url><s:loc>http://a/</s:loc></s:url></s:urlset>", ["http://a/"]),
        (b"", []),
        (b"\n" * 2000 + b"http://a/\n", ["http://a/"]),
    ],
)
@given(cuts=st.lists(st.integers(0, 600), max_size=4))
@settings(max_examples=15)
def test_the_form_is_told_by_the_beginning(data: bytes, urls: list[str], cuts: list[int]) -> None:
    assert read(data, cuts=cuts)[0] == urls


def test_a_line_is_given_as_soon_as_it_is_whole() -> None:
    for line in (b"http://a/\n", b'{"url": "http://a/"}\n', b"<x>\n"):
        assert len(open_reader("auto").feed(line)) == 1


TEXT = st.text('<>{}"urlset/ loc#\n\x1f\x8b', max_size=60)


@given(st.binary(max_size=60) | TEXT.map(str.encode), st.sampled_from(["auto", "ndjson", "sitemap"]))
def test_no_bytes_break_a_reader(data: bytes, form: str) -> None:
    urls, reader = read(data, form)
    if form == "ndjson":
        lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r\x0b\x0c")]
        assert len(urls) == len(lines)
        assert all(isinstance(url, AskedUrl) for url in urls)
        assert reader.error is None


def request(line: Any) -> AskedUrl:
    ((url,), _) = read((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n", "ndjson")
    assert isinstance(url, AskedUrl)
    return url


def test_a_request_line_says_all_of_a_request() -> None:
    asked = request({"url": "http://a/", "method": "PUT", "headers": {"A": "1", "B": ["2", "3"]}, "body": "ä"})
    assert (asked, asked.method, asked.invalid) == ("http://a/", "PUT", None)
    assert (asked.headers, asked.body) == ((("A", "1"), ("B", "2"), ("B", "3")), "ä".encode())
    asked = request(
        {"url": "x", "headers": [["A", "1"], ["A", "2"]], "body_base64": base64.b64encode(b"\xff").decode()}
    )
    assert (asked.headers, asked.body) == ((("A", "1"), ("A", "2")), b"\xff")


def test_a_request_line_goes_before_the_command_line() -> None:
    base = FetchRequest("http://a/", headers=(("A", "0"), ("B", "0")))
    made = with_line(base, request({"url": "http://a/", "headers": {"a": "1"}, "body": ""}))
    assert made == FetchRequest("http://a/", "POST", (("B", "0"), ("a", "1")))
    assert with_line(base, request({"url": "http://a/"})) == base
    assert with_line(base, "http://a/") is base


@pytest.mark.parametrize(
    ("line", "url", "why"),
    [
        (b"{", "", "line 1: invalid JSON: Expecting property name enclosed in double quotes"),
        (b"[" * 100_000, "", "line 1: invalid JSON: it cannot be read"),
        (b"\xff", "", "line 1: invalid JSON: Expecting value"),
        (["http://a/"], "", "line 1: not a JSON object"),
        ({"url": "http://a/", "heders": {}, "x": 1}, "http://a/", "line 1: unknown key 'heders', 'x'; known are url"),
        ({"method": "GET"}, "", "line 1: 'url' is missing or not a string"),
        ({"url": 1}, "", "line 1: 'url' is missing or not a string"),
        ({"url": "http://a/", "method": 1}, "http://a/", "line 1: 'method' must be a string"),
        ({"url": "http://a/", "headers": {"A": 1}}, "http://a/", "line 1: 'headers' must be an object"),
        ({"url": "http://a/", "headers": "A: b"}, "http://a/", "line 1: 'headers' must be an object"),
        ({"url": "http://a/", "headers": [["A"]]}, "http://a/", "line 1: 'headers' must be an object"),
        ({"url": "http://a/", "body": {}}, "http://a/", "line 1: 'body' must be a string"),
        ({"url": "http://a/", "body": "\ud800"}, "http://a/", "line 1: invalid Unicode in 'body'"),
        ({"url": "http://a/", "body": "", "body_base64": ""}, "http://a/", "line 1: both 'body' and 'body_base64'"),
        ({"url": "http://a/", "body_base64": "?"}, "http://a/", "line 1: invalid base64 in 'body_base64'"),
        (b'{"url": "' + b"x" * MAX_REQUEST, "", f"line 1: longer than {MAX_REQUEST} bytes"),
    ],
    ids=str,
)  # fmt: skip
def test_a_line_that_is_no_request_says_why(line: Any, url: str, why: str) -> None:
    asked = request(line)
    assert asked == url
    assert (asked.invalid or "").startswith(why)


def test_lines_are_counted_with_blank_ones() -> None:
    urls, _ = read(b'{"url": "a"}\n\n  \n# no comment\n{}', "ndjson")
    assert [getattr(url, "invalid", "")[:7] if getattr(url, "invalid", "") else None for url in urls] == [
        None,
        "line 4:",
        "line 5:",
    ]


def test_a_sitemap_gives_its_pages_and_no_pictures() -> None:
    picture = "<i:loc>http://picture/</i:loc>"
    more = f'<i:image xmlns:i="i">{picture}</i:image><x xmlns:i="i">{picture}</x>' + picture.replace(
        "<i:loc>", '<i:loc xmlns:i="i">'
    )
    urls, reader = read(urlset("http://a/", "http://b/", more=more))
    assert (urls, list(reader.nested), reader.error) == (["http://a/", "http://b/"], [], None)


def test_a_sitemap_index_names_lists() -> None:
    urls, reader = read(index_of("http://a/?x=1&y=<2>"))
    assert (urls, list(reader.nested), reader.error) == ([], ["http://a/?x=1&y=<2>"], None)


ENTITIES = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in itertools.pairwise("abcdefghij"))
BOMB = f'<!DOCTYPE urlset [<!ENTITY a "ha">{ENTITIES}]><urlset><url><loc>&j;</loc></url></urlset>'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (BOMB.encode(), "refused: it has a document type declaration"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><urlset/>', "refused: it has a document type declaration"),
        (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><urlset/>', "document type"),
        (b"<urlset><url><loc>&e;</loc></url></urlset>", "invalid sitemap: undefined entity"),
        (b"<html><body/></html>", "its root is <html>"),
        (b"<urlset><url>", "invalid sitemap: no element found"),
        (b"<urlset>" + b"<a>" * 200, "more than 100 elements within each other"),
        (b"\xff\xfe", "invalid sitemap"),
    ],
    ids=range(8),
)
def test_what_is_no_harmless_sitemap_is_refused(data: bytes, why: str) -> None:
    tracemalloc.start()
    try:
        urls, reader = read(data, "sitemap", cuts=list(range(0, min(len(data), 2_000_000), 65536)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert urls in ([], ["http://a/"])
    assert why in (reader.error or "")
    assert peak < 5_000_000 + len(data)


def test_urls_before_an_error_are_given() -> None:
    urls, reader = read(urlset("http://a/").replace(b"</urlset>", b"<oops"), "sitemap")
    assert urls == ["http://a/"]
    assert reader.error


def test_a_sitemap_in_utf_16() -> None:
    data = urlset("http://ä/").decode().replace('"1.0"?', '"1.0" encoding="UTF-16"?').encode("utf-16")
    for cut in (0, 1, 2, 3, 5, 40):
        assert read(data, cuts=[cut])[0] == ["http://ä/"]


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html>\n<p>", b" <HTML lang=de>\nhttp://a/", "\ufeff<html>".encode("utf-16-le")]
)
def test_a_web_page_is_no_list(page: bytes) -> None:
    for cut in range(len(page)):
        urls, reader = read(page, cuts=[cut])
        assert (urls, reader.error) == ([], "it is a web page, not a list of URLs")


@given(st.sampled_from(list(MARKS)), st.binary(max_size=40), st.lists(st.integers(0, 44), max_size=3))
def test_wide_text_that_is_none_never_becomes_a_url(mark: bytes, data: bytes, cuts: list[int]) -> None:
    whole, _ = read(mark + data, "lines")
    assert read(mark + data, "lines", cuts=cuts)[0] == whole
    valid = data.decode(MARKS[mark], "replace")
    if "\ufffd" not in valid:
        assert "".join(whole) == "".join(read(valid.encode(), "lines")[0])


def test_a_location_without_end_is_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MAX_URL", 100)
    urls, _ = read(urlset("http://a/" + "x" * 200, "http://b/"))
    assert (len(urls[0]) <= 102, urls[0].endswith(" …"), urls[1]) == (True, True, "http://b/")


def test_lines_have_no_error_and_name_no_list() -> None:
    assert (LineSplitter().error, list(LineSplitter().nested)) == (None, [])


def as_request(data: bytes) -> bytes:
    return b'{"url": "' + data + b'", "id": "' + data + b'"}'


@given(st.binary(max_size=60) | st.binary(max_size=30).map(as_request))
def test_whatever_a_list_holds_its_results_are_strict_json(data: bytes) -> None:
    for url in read(data, "auto")[0]:
        request = with_line(FetchRequest(str(url), headers=(("A", str(url)),)), url)
        account = Account(request, FetchError(ErrorKind.INVALID_URL, f"{request.invalid}: {url}"))
        for made in (NdjsonFormat(Secrets()), HarFormat(Secrets())):
            text = b"".join([made.begin(), made.add(account), *made.end()]).decode("ascii")
            value = json.loads(text, parse_constant=pytest.fail)
            assert json.dumps(value, ensure_ascii=False).encode()
