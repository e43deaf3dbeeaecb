"""Scrolling by row through lines that wrap, against a page with every row laid out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from tui.text.spans import Line
from tui.widgets.pages import Scroll


class Heights:
    """A page whose logical line n has so many rows."""

    def __init__(self, heights: list[int]) -> None:
        self.heights = heights
        self.asked = 0

    def count(self, width: int) -> int:
        return len(self.heights)

    def rows(self, at: int, width: int) -> Sequence[Line]:
        self.asked += 1
        return [[(f"{at}.{row}", "")] for row in range(self.heights[at])]

    def all(self) -> list[Line]:
        return [row for at in range(len(self.heights)) for row in self.rows(at, 1)]


steps = st.lists(
    st.tuples(st.sampled_from(["move", "first", "last", "show", "resize"]), st.integers(-30, 30)), max_size=12
)


@given(st.lists(st.integers(1, 5), max_size=15), st.integers(1, 12), steps)
def test_the_window_is_where_a_laid_out_page_would_have_it(
    heights: list[int], height: int, moves: list[tuple[str, int]]
) -> None:
    page = Heights(heights)
    rows = page.all()
    scroll = Scroll(page)
    scroll.resize(1, height)
    top = 0
    for verb, by in moves:
        if verb == "move":
            scroll.move(by)
            top += by
        elif verb == "first":
            scroll.first()
            top = 0
        elif verb == "last":
            scroll.last()
            top = len(rows)
        elif verb == "resize":
            height = abs(by) + 1
            scroll.resize(1, height)
        elif heights:
            line = abs(by) % len(heights)
            scroll.show(line)
            assert [(f"{line}.0", "")] in scroll.visible()
            top = rows.index(scroll.visible()[0])
        top = max(0, min(top, len(rows) - height))
        assert scroll.visible() == rows[top : top + height]
        first, count, total = scroll.shown
        assert (0 <= first <= max(0, total - 1), total) == (True, len(heights))
        assert count <= height


def test_a_step_costs_what_is_on_screen() -> None:
    page = Heights([3] * 1_000_000)
    scroll = Scroll(page)
    scroll.resize(1, 40)
    for step in (partial(scroll.move, 1), scroll.last, partial(scroll.move, -40), partial(scroll.show, 500_000)):
        page.asked = 0
        step()
        scroll.visible()
        assert page.asked < 300
