"""Bodies as text, as hex, and JSON on lines."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.screen.body.json_lines import coloured, json_lines
from tui.text.body_text import decode_body, hex_lines


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("café".encode(), "text/plain; charset=utf-8", "café"),
        ("café".encode("latin-1"), "text/plain; charset=ISO-8859-1", "café"),
        ("café".encode(), "text/plain", "café"),
        ("café".encode("utf-16"), "text/plain; charset=latin-1", "café"),
        ("café".encode("utf-16-le"), 'text/plain; charset="utf-16-le"', "café"),
        ("café".encode()[:-1], "text/plain", "caf"),
        (b"\xef\xbb\xbfx", "", "x"),
        (b"caf\xe9!", "text/plain", "caf\ufffd!"),
        (b"abc", "text/plain; charset=no-such", "abc"),
        (b"abc", "text/plain; charset=hex", "abc"),
        (b"abc", "text/plain; charset=punycode", "abc"),
        (rb"\x41\u0041", "text/plain; charset=unicode_escape", r"\x41\u0041"),
        (rb"\x41\u0041", "text/plain; charset=raw-unicode-escape", r"\x41\u0041"),
        (b"<svg/>", "image/svg+xml", "<svg/>"),
        (b"{}", "application/problem+json", "{}"),
        (b"plain", "application/x-odd", "plain"),
        (b"plain", "image/png", None),
        (b"a\x00b", "text/plain", None),
        (bytes(range(128, 256)), "application/x-odd", None),
    ],
)
def test_bodies_become_text_or_are_binary(body: bytes, content_type: str, text: str | None) -> None:
    assert decode_body(body, content_type) == text


NAMES = [
    "utf-8",
    "latin-1",
    "utf-7",
    "utf-16",
    "utf-32",
    "idna",
    "unicode_escape",
    "rot13",
    "base64",
    "shift_jis",
    "big5",
    "hz",
    "iso2022_jp",
    "undefined",
    "cp437",
    "utf-16-be",
    "../x",
    "\x00",
    "gb18030",
]


@given(
    st.binary(max_size=200),
    st.sampled_from(NAMES),
    st.sampled_from(["text/plain", "application/json", "", "image/png", ";;"]),
)
def test_no_body_and_no_charset_is_an_error(body: bytes, charset: str, media_type: str) -> None:
    text = decode_body(body, f"{media_type}; charset={charset}")
    assert text is None or isinstance(text, str)


@given(st.binary(max_size=100), st.integers(10, 100))
def test_hex_lines_hold_every_byte_once_and_fit(data: bytes, width: int) -> None:
    lines = hex_lines(data, width)
    assert all(len(line) <= max(width, 18) for line in lines)
    shown = "".join(
        re.sub(r"\s", "", line[8:].rsplit(" ", 1)[0]) for line in hex_lines(data.replace(b" ", b"_"), width)
    )
    assert shown == data.replace(b" ", b"_").hex()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values, st.booleans())
def test_json_on_lines_means_the_same(value: object, spread: bool) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=3 if spread else None)
    lines = json_lines(text)
    assert "\n".join(lines) == json.dumps(value, ensure_ascii=False, indent=2) or "\u2028" in text
    for line in lines:
        assert "".join(part for part, _ in coloured(line)) == line


@given(st.text(st.sampled_from('{}[]",:\\ \n0a-')))
def test_anything_called_json_keeps_all_but_its_blanks(text: str) -> None:
    assert re.sub(r"\s", "", "".join(json_lines(text))) == re.sub(r"\s", "", text)


def test_hostile_nesting_does_not_square_the_size() -> None:
    assert sum(map(len, json_lines("[" * 5000))) < 5000 * 100
