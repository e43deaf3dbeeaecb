"""Text from outside, cut to cells, and the number formats: properties that hold whatever comes in."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len, get_character_cell_size

from tui.text.glyphs import ASCII, UNICODE, ascii_form, glyphs_for
from tui.text.plain_text import MAX_MARKS, duration, fit, rate, safe, size

HOSTILE = [
    "\x1b[2J",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://h/\x1b\\x\x1b]8;;\x1b\\",
    "\x9b2J",
    "\x9d0;title\x9c",
    "\u202ecod.exe",
    "\u2066a\u2069",
    "a\u200bb\u200db\ufeff",
    "\x00\x07\x08\x0e\x0f\x7f",
    "\ud800",
    "\ue000\U000f0000\U0010ffff",
    "e" + "\u0301" * 50,
    "\u0300start",
    "❤\ufe0f",
    "👩\u200d🔧",
    "👍🏽",
    "日本語",
    "\u1112\u1161\u11ab",
    "a\u00a0b\u3000c",
    "line\r\nline\u2028line\x85line",
]
anything = st.one_of(
    st.text(st.characters(), max_size=80),
    st.text(
        st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Mc", "Me", "Lo", "Sk", "Zs", "So"]), max_size=80
    ),
    st.lists(st.sampled_from(HOSTILE), max_size=6).map("".join),
)


def harmless(text: str) -> bool:
    return all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for char in text)


@given(anything)
def test_no_control_or_format_character_comes_through(text: str) -> None:
    out = safe(text)
    assert harmless(out)
    assert out.isprintable()
    assert unicodedata.is_normalized("NFC", out)


@given(anything, st.integers(0, 40))
def test_never_longer_than_the_limit(text: str, limit: int) -> None:
    out = safe(text, limit)
    assert len(out) <= limit
    if len(text) > limit > 0:
        assert out.endswith("…")


@given(anything)
def test_safe_text_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@given(anything)
def test_marks_never_pile_up_nor_start_a_text(text: str) -> None:
    run = MAX_MARKS
    for char in safe(text):
        run = run + 1 if unicodedata.category(char)[0] == "M" else 0
        assert run <= MAX_MARKS


@given(anything)
def test_every_character_but_a_mark_has_a_cell(text: str) -> None:
    assert all(get_character_cell_size(char) or unicodedata.category(char)[0] == "M" for char in safe(text))


@pytest.mark.once
def test_every_character_of_unicode_is_made_harmless() -> None:
    for code in range(sys.maxunicode + 1):
        out = safe("a" + chr(code))
        assert out.isprintable(), hex(code)


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[2J", "␛[2J"),
        ("\x9b2J", "·2J"),
        ("a\tb\nc", "a b c"),
        ("\u202egnp", "·gnp"),
        ("e\u0301", "é"),
        ("\x7f", "␡"),
        ("\ud800", "·"),
        ("❤\ufe0f", "❤"),
        ("[bold]x[/nope]", "[bold]x[/nope]"),
        ("日本語", "日本語"),
    ],
)
def test_what_is_shown(given_text: str, shown: str) -> None:
    assert safe(given_text) == shown


@given(st.one_of(anything, anything.map(safe)), st.integers(0, 60), st.booleans(), st.booleans())
def test_fit_has_exactly_the_width_asked_for(text: str, width: int, ascii: bool, right: bool) -> None:
    out = fit(text, width, ascii=ascii, right=right)
    assert cell_len(out) == width
    if ascii:
        assert out.isascii()


@pytest.mark.parametrize(
    ("text", "width", "options", "shown"),
    [
        ("abc", 5, {}, "abc  "),
        ("abc", 5, {"right": True}, "  abc"),
        ("abcdef", 4, {}, "abc…"),
        ("abcdef", 5, {"ascii": True}, "ab..."),
        ("abcdef", 2, {"ascii": True}, "a."),
        ("日本語", 4, {}, "日 …"),
        ("日本語", 6, {"ascii": True}, "??????"),
        ("é→│", 3, {"ascii": True}, "e>|"),
    ],
)
def test_how_text_is_cut_and_padded(text: str, width: int, options: dict[str, bool], shown: str) -> None:
    assert fit(text, width, **options) == shown


@given(anything.map(safe))
def test_the_ascii_form_is_ascii_of_the_same_width(text: str) -> None:
    out = ascii_form(text)
    assert out.isascii()
    assert out.isprintable()
    assert len(out) == cell_len(text)


def test_every_glyph_has_an_ascii_form_of_its_width() -> None:
    assert glyphs_for(ascii=True) is ASCII
    assert glyphs_for(ascii=False) is UNICODE
    for field in fields(UNICODE):
        shown, plain = getattr(UNICODE, field.name), getattr(ASCII, field.name)
        assert plain.isascii()
        assert all(cell_len(char) == 1 for char in shown)
        assert ascii_form(shown).isascii()
        if field.name not in {"ellipsis", "graph"}:
            assert len(shown) == len(plain) == 1


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (0, "0"),
        (-1, "0"),
        (210, "210"),
        (999, "999"),
        (999.5, "1K"),
        (1000, "1K"),
        (1024, "1K"),
        (4200, "4.1K"),
        (12_600, "12.3K"),
        (102_349, "100K"),
        (412 * 1024, "412K"),
        (1_023_999, "1M"),
        (1_258_291, "1.2M"),
        (2**80, "1Y"),
        (1e30, "999Y"),
    ],
)
def test_sizes(n: float, shown: str) -> None:
    assert size(n) == shown
    assert rate(n) == f"{shown}/s"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.00s"),
        (-3, "0.00s"),
        (0.12, "0.12s"),
        (0.996, "1.0s"),
        (3.4, "3.4s"),
        (9.96, "10s"),
        (41, "41s"),
        (59.6, "1m00"),
        (125, "2m05"),
        (3599.7, "1h00"),
        (3725, "1h02"),
        (86399.9, "1d00"),
        (273600, "3d04"),
        (1e12, "999d23"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@given(st.floats(0, 1e40))
def test_numbers_never_outgrow_their_column(value: float) -> None:
    assert len(size(value)) <= 5
    assert sum(char.isdigit() for char in size(value)) <= 3
    assert len(rate(value)) <= 7
    assert len(duration(value)) <= 6


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_longer_time_never_reads_shorter(one: float, other: float) -> None:
    def seconds(text: str) -> float:
        units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
        for mark, unit in units.items():
            if mark in text:
                number, _, rest = text.partition(mark)
                return float(number) * unit + (float(rest) * {60: 1, 3600: 60, 86400: 3600}[unit] if rest else 0)
        raise AssertionError(text)

    low, high = sorted([one, other])
    assert seconds(duration(low)) <= seconds(duration(high))
