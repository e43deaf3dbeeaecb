"""HTML, XML and CSS on lines, pictures by their head, documents and search in them."""

from __future__ import annotations

import re
import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.screen.body.css_lines import coloured as coloured_css
from tui.screen.body.css_lines import css_lines
from tui.screen.body.document import MAX_LINE, Document, document_of
from tui.screen.body.json_lines import json_lines
from tui.screen.body.markup_lines import coloured, markup_lines
from tui.screen.body.pace import Pace, Superseded, at_once
from tui.screen.body.picture import Picture, picture_of
from tui.screen.body.search import MAX_MATCHES, find
from tui.screen.body.source import of_how_much

HTML = (
    "<!doctype html><html lang=en><head><title>Hi</title><style>a{\n  b:c}</style></head><body class='x'><!-- note -->"
    '<p>Some <b>bold</b> <a href="/?a=1">link</a><ul><li>one<li>two</ul><br><pre>  kept\n   as is</pre></body></html>'
)


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_html_is_indented_by_its_tags() -> None:
    assert list(markup_lines(HTML, html=True)) == [
        "<!doctype html>",
        "<html lang=en>",
        "  <head>",
        "    <title>Hi</title>",
        "    <style>",
        "a{",
        "  b:c}",
        "    </style>",
        "  </head>",
        "  <body class='x'>",
        "    <!-- note -->",
        "    <p>",
        "      Some",
        "      <b>bold</b>",
        '      <a href="/?a=1">link</a>',
        "      <ul>",
        "        <li>",
        "          one",
        "        <li>",
        "          two",
        "      </ul>",
        "      <br>",
        "      <pre>",
        "  kept",
        "   as is",
        "      </pre>",
        "  </body>",
        "</html>",
    ]


def test_xml_is_indented_by_its_tags() -> None:
    text = "<?xml version='1.0'?><f><e id='1'><t>A</t></e><e/><![CDATA[ <raw> ]]></f>"
    assert list(markup_lines(text, html=False)) == [
        "<?xml version='1.0'?>",
        "<f>",
        "  <e id='1'>",
        "    <t>A</t>",
        "  </e>",
        "  <e/>",
        "  <![CDATA[ <raw> ]]>",
        "</f>",
    ]


def test_css_is_put_on_lines() -> None:
    text = "@import url(a;b.css);a,b:hover{color:red;background:url('x;y')}/* n;{ */@media (x){p{q:'}';r:s}}"
    assert list(css_lines(text)) == [
        "@import url(a;b.css);",
        "a,b:hover {",
        "  color:red;",
        "  background:url('x;y')",
        "}",
        "/* n;{ */",
        "@media (x) {",
        "  p {",
        "    q:'}';",
        "    r:s",
        "  }",
        "}",
    ]


MARKUP = """< > </ /> <a <p> </p> <b = " ' <!-- --> <![CDATA[ ]]> <script> </script> text <? <! <pre> </ul> <li> é"""
STYLE = "{ } ; /* */ url( ) \\ : @x"
pieces = st.lists(st.sampled_from([*MARKUP.split(" "), *STYLE.split(" "), " ", "\n"]), max_size=30).map("".join)


@given(pieces, st.booleans())
def test_markup_keeps_all_but_its_blanks(text: str, html: bool) -> None:
    lines = list(markup_lines(text, html=html))
    assert bare("".join(lines)) == bare(text)
    for line in lines:
        assert "".join(part for part, _ in coloured(line)) == line


@given(pieces)
def test_css_keeps_all_but_its_blanks(text: str) -> None:
    lines = list(css_lines(text))
    assert bare("".join(lines)) == bare(text)
    for line in lines:
        assert "".join(part for part, _ in coloured_css(line)) == line


UNCLOSED = ('<a b="', "<!--", "<![CDATA[", "/*", '"\\', "url(", "<script>")
MANY = ("<a ", "<", "<!", "='", '="', "</", "{", "[", '"', "'", "\\", "/*/", "<p>", "</p>", "<a b='", '{"a":', "\n")


@pytest.mark.once
@pytest.mark.parametrize("token", [*UNCLOSED, *MANY])
@pytest.mark.timing
def test_hostile_text_takes_time_in_proportion(token: str) -> None:
    text = token * (200_000 // len(token))
    for content_type in ("text/html", "application/xml", "text/css", "application/json", "text/plain"):
        started = time.process_time()
        document = document_of(text.encode(), content_type, at_once())
        size = sum(map(len, document.lines))
        assert size < 100 * len(text)
        assert time.process_time() - started < 5, content_type


def test_nothing_is_coloured_that_is_not_there() -> None:
    spans = coloured('<a href="/x" id=1>text a="b"</a>')
    assert ('"/x"', "good") in spans
    assert ("href", "moved") in spans
    assert [role for part, role in spans if "text" in part or '"b"' in part] == [""]


# pictures


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\0" * 10 + b"\xff\xc4\x00\x04ab" + b"\xff\xff\xc2\x00\x11\x08" + struct.pack(
    ">HH", 480, 640
)  # fmt: skip
PICTURES = [
    (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0)), Picture("PNG", 640, 480)),
    (b"GIF89a" + struct.pack("<HH", 640, 480) + b"\0\0\0", Picture("GIF", 640, 480)),
    (JPEG + b"\0" * 12, Picture("JPEG", 640, 480)),
    (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x7f\x02\0\xdf\x01\0", Picture("WebP", 640, 480)),
    (
        b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + ((639) | (479 << 14)).to_bytes(4, "little") + b"\0" * 8,
        Picture("WebP", 640, 480),
    ),
    (
        b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480) + b"\0",
        Picture("WebP", 640, 480),
    ),
    (b"BM" + b"\0" * 12 + struct.pack("<Iii", 40, 640, -480), Picture("BMP", 640, 480)),
    (b"\0\0\1\0\2\0" + b"\x20\x20" + b"\0" * 14 + b"\0\0" + b"\0" * 14, Picture("icon", 256, 256)),
    (b'<?xml version="1.0"?><svg width="640px" height="480"/>', Picture("SVG", 640, 480)),
    (b"<svg xmlns='x' viewBox='0 0 640 480'>", Picture("SVG", 640, 480)),
    (b"<html><svg width='1' height='1'>", None),
    (b"hello", None),
]


@pytest.mark.parametrize(("head", "picture"), PICTURES)
def test_pictures_say_their_size(head: bytes, picture: Picture | None) -> None:
    assert picture_of(head) == picture


@given(st.sampled_from([head for head, _ in PICTURES]), st.integers(0, 60), st.binary(max_size=12))
def test_no_head_is_an_error(head: bytes, cut: int, rest: bytes) -> None:
    found = picture_of(head[:cut] + rest, "image/svg+xml")
    assert found is None or str(found)


# documents


def made(data: bytes, content_type: str = "text/plain") -> Document:
    return document_of(data, content_type, at_once())


@pytest.mark.parametrize(
    ("data", "content_type", "kind"),
    [
        (b'{"a":1}', "application/problem+json; charset=utf-8", "JSON"),
        (b'{"a":1}', "text/plain", "JSON"),
        (b"<!DOCTYPE html><p>", "", "HTML"),
        (b"<p>", "application/xhtml+xml", "HTML"),
        (b"<?xml?>", "", "XML"),
        (b"<rss/>", "application/rss+xml", "XML"),
        (b"a{}", "text/css", "CSS"),
        (b"hello", "text/plain", "text"),
        (b"\0\1\2", "application/octet-stream", "binary"),
        (PICTURES[0][0], "image/png", "PNG picture, 640 x 480 pixels"),
        (PICTURES[8][0], "image/svg+xml", "SVG picture, 640 x 480 pixels"),
    ],
)
def test_a_body_is_known_by_type_or_beginning(data: bytes, content_type: str, kind: str) -> None:
    assert made(data, content_type).kind == kind


def test_long_lines_are_cut_and_numbered_once() -> None:
    document = made(b"a\r\n" + b"x" * (2 * MAX_LINE + 1) + b"\rb\n")
    assert list(document.numbers) == [1, 2, 0, 0, 3]
    assert [len(line) for line in document.lines] == [1, MAX_LINE, MAX_LINE, 1, 1]
    assert document.last_number == 3


def test_text_is_in_its_charset() -> None:
    assert made("grüße".encode("latin-1"), "text/plain; charset=iso-8859-1").lines == ["grüße"]


def test_a_document_that_was_superseded_ends() -> None:
    pace = Pace()
    pace.stopped = True
    with pytest.raises(Superseded):
        document_of(b"[]", "application/json", pace)


@pytest.mark.timing
def test_json_keeps_up_with_a_string_of_a_megabyte() -> None:
    text = '["' + "x" * (1 << 20) + '", "' + '\\"' * (1 << 19) + '"]'
    started = time.process_time()
    assert len(list(json_lines(text))) == 4
    assert time.process_time() - started < 1


# search


def test_matches_are_counted_in_order_and_capitals_count_only_where_asked() -> None:
    lines = ["Alpha alpha", "beta", "ALPHA (x)"]
    found = find("alpha", 3, lines.__getitem__, at_once())
    assert list(found.lines) == [0, 0, 2]
    assert found.first_from(1) == 2
    assert found.first_from(3) == 0
    assert list(find("Alpha", 3, lines.__getitem__, at_once()).lines) == [0]
    assert list(find("(x)", 3, lines.__getitem__, at_once()).lines) == [2]


def test_there_is_an_end_to_counting() -> None:
    found = find("a", 2, lambda _: "a" * MAX_MATCHES, at_once())
    assert (len(found), found.more) == (MAX_MATCHES, True)


@pytest.mark.parametrize(
    ("part", "whole", "says"),
    [
        (1 << 20, 5 << 20, "first 1.0 of 5.0 MB"),
        (1 << 16, 5 << 20, "first 0.1 of 5.0 MB"),
        (5, 5 << 20, "first 5 bytes of 5.0 MB"),
        (1024, 2048, "first 1.0 of 2.0 KB"),
        (5, 600, "first 5 of 600 bytes"),
    ],
)
def test_a_part_is_said_in_the_unit_of_the_whole(part: int, whole: int, says: str) -> None:
    assert of_how_much(part, whole) == says
