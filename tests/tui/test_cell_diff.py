"""The difference between two screens, checked by a terminal emulator against a screen drawn from nothing."""

from __future__ import annotations

import unicodedata

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.terminal.cell_diff import CellDiff, change_pen
from tui.text.plain_text import safe

WIDTH, HEIGHT = 12, 3
STYLES = [
    None,
    Style(),
    *map(
        Style.parse,
        [
            "bold",
            "red",
            "on blue",
            "bold red on blue",
            "dim reverse",
            "#102030",
            "underline #102030 on #405060",
            "color(200)",
        ],
    ),
]
texts = st.text(st.sampled_from("ab │█é日漢ｆ한e\u0301\u0300น้✓▲😀"), max_size=WIDTH).map(safe)
segments = st.tuples(texts, st.sampled_from(STYLES))
updates = st.tuples(
    st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.lists(segments, max_size=3), st.integers(0, WIDTH)
)


def strip(parts: list[tuple[str, Style | None]]) -> Strip:
    return Strip([Segment(text, style) for text, style in parts])


def put(cells: CellDiff, update: tuple[int, int, list[tuple[str, Style | None]], int]) -> None:
    x, y, parts, end = update
    cells.put(x, y, [strip(parts)], end, ColorSystem.TRUECOLOR)


def filled() -> CellDiff:
    cells = CellDiff()
    cells.resize(WIDTH, HEIGHT)
    for y in range(HEIGHT):
        put(cells, (0, y, [(" " * WIDTH, None)], WIDTH))
    return cells


def new_screen() -> tuple[pyte.Screen, pyte.Stream]:
    screen = pyte.Screen(WIDTH, HEIGHT)
    screen.reset_mode(pyte.modes.DECAWM)
    return screen, pyte.Stream(screen)


def look(screen: pyte.Screen) -> list[list[pyte.screens.Char]]:
    return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT)]


@pytest.mark.once
@settings(max_examples=300)
@given(st.lists(st.tuples(updates, st.booleans()), max_size=12))
def test_differences_lead_to_the_same_screen_as_drawing_it_whole(steps: list[tuple[object, bool]]) -> None:
    cells = filled()
    screen, stream = new_screen()
    stream.feed(cells.flush())
    for update, flush in steps:
        put(cells, update)  # type: ignore[arg-type]
        if flush:
            stream.feed(cells.flush())
            assert not cells.changed
            assert cells.flush() == ""
    stream.feed(cells.flush())
    by_differences = look(screen)

    cells.forget_shown()
    whole, stream = new_screen()
    stream.feed(cells.flush())
    assert by_differences == look(whole)


@given(st.lists(updates, max_size=8))
def test_a_row_never_holds_half_a_wide_character(steps: list[object]) -> None:
    cells = filled()
    for update in steps:
        put(cells, update)  # type: ignore[arg-type]
    screen, stream = new_screen()
    stream.feed("".join(char for char in cells.flush() if not unicodedata.combining(char)))  # pyte puts them elsewhere
    for row in look(screen):
        line = "".join(char.data for char in row)
        assert len([char for char in row if char.data == ""]) == sum(pyte.screens.wcwidth(char) == 2 for char in line)


sgr = st.sampled_from([Strip.render_ansi(style, ColorSystem.TRUECOLOR) if style else "" for style in STYLES])


@given(st.lists(sgr, min_size=1, max_size=6))
def test_the_pen_is_the_same_however_it_was_reached(pens: list[str]) -> None:
    screen, stream = new_screen()
    for old, new in zip(["", *pens], pens, strict=False):
        stream.feed(change_pen(old, new))
    stream.feed("x")
    fresh, stream = new_screen()
    stream.feed(f"\x1b[{pens[-1]}mx")
    assert screen.buffer[0][0] == fresh.buffer[0][0]


def test_one_cell_costs_a_few_bytes() -> None:
    cells = filled()
    cells.flush()
    put(cells, (5, 1, [("x", None)], WIDTH))
    assert cells.flush() == "\x1b[2;6Hx"


def test_cells_that_did_not_change_are_jumped_over_or_written_again_whichever_is_shorter() -> None:
    cells = filled()
    put(cells, (0, 0, [("abcdefghijkl", None)], WIDTH))
    cells.flush()
    put(cells, (0, 0, [("Abcdefghijkl", None)], WIDTH))
    put(cells, (3, 0, [("D", None)], WIDTH))
    put(cells, (10, 0, [("K", None)], WIDTH))
    assert cells.flush() == "\x1b[1HAbcD\x1b[6CK"


def test_after_a_character_of_debated_width_the_cursor_is_placed_anew() -> None:
    cells = filled()
    cells.flush()
    put(cells, (0, 0, [("a😀b", None)], WIDTH))
    assert cells.flush() == "\x1b[1Ha😀\x1b[1;4Hb"


@pytest.mark.parametrize("char", ["\x1b", "\x07", "\x00", "\x9b", "\x7f", "\u202e", "\u2028", "\ud800", "\u200d"])
def test_a_control_character_that_came_so_far_becomes_a_dot(char: str) -> None:
    cells = filled()
    cells.flush()
    put(cells, (0, 0, [(f"ab{char}[2Jx  ", None)], 8))
    assert "ab·[2Jx" in cells.flush()


def test_a_control_character_pushes_nothing_out_of_its_strip() -> None:
    cells = filled()
    put(cells, (6, 0, [("next", None)], WIDTH))
    cells.flush()
    put(cells, (0, 0, [("\x1b\x1b\x1babcd", None)], 6))
    screen, stream = new_screen()
    cells.forget_shown()
    stream.feed(cells.flush())
    assert screen.display[0] == "···a  next  "


def test_ascii_only() -> None:
    cells = CellDiff(ascii=True)
    cells.resize(WIDTH, 1)
    put(cells, (0, 0, [("│é漢→e\u0301n\x1b ", None)], WIDTH))
    assert cells.flush() == "\x1b[1H|e??>en."


def test_everything_is_written_again_after_a_resize() -> None:
    cells = filled()
    cells.flush()
    cells.resize(4, 2)
    assert not cells.changed
    cells.put(0, 0, [strip([("abcdef", None)])], 6, ColorSystem.TRUECOLOR)
    cells.put(0, 7, [strip([("beyond", None)])], 6, ColorSystem.TRUECOLOR)
    assert cells.flush() == "\x1b[1Habcd"
