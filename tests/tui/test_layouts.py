"""The dashboard at every size: nothing overlaps, every line fills the width, the pane in focus can be used."""

from __future__ import annotations

from itertools import combinations

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from tests.tui.fake_link import busy
from tests.tui.test_keys import text_of
from tests.tui.test_untrusted_text import screen_strips
from tui.screen.app import DashboardApp
from tui.screen.panels.details import DetailsPane
from tui.screen.panels.done import DonePane
from tui.screen.panels.url_bar import UrlBar
from tui.widgets.frame import Frame
from tui.widgets.line_widget import LineWidget
from tui.widgets.table import Table

pytestmark = pytest.mark.anyio
SIZES = [(40, 10), (60, 15), (79, 19), (80, 24), (100, 30), (119, 31), (120, 32), (140, 40), (200, 50), (300, 80)]


def assert_sound(pilot: Pilot[None], size: tuple[int, int]) -> None:
    app = pilot.app
    assert app.size == size
    strips = screen_strips(app)  # type: ignore[arg-type]
    assert len(strips) == size[1]
    assert {strip.cell_length for strip in strips} == {size[0]}
    shown: list[Widget] = [
        widget
        for widget in app.screen.query(LineWidget)
        if widget.display and widget.region.area and not _in_bar(widget)
    ]
    shown += app.screen.query(UrlBar)
    for one, other in combinations(shown, 2):
        assert not one.region.overlaps(other.region), (one, other)
    assert sum(widget.region.area for widget in shown) == size[0] * size[1]


def _in_bar(widget: Widget) -> bool:
    return any(isinstance(node, UrlBar) for node in widget.ancestors)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_nothing_overlaps_and_the_pane_in_focus_has_room(size: tuple[int, int]) -> None:
    async with DashboardApp(busy()).run_test(size=size) as pilot:
        await pilot.pause()
        assert_sound(pilot, size)
        for pane in "123":
            for full in ([], ["f"]):
                await pilot.press(pane, *full)
                await pilot.pause()
                assert_sound(pilot, size)
                table = pilot.app.focused
                assert isinstance(table, Table)
                assert table.page_height >= min(3, len(table.rows))
                assert table.selected is not None
                assert f" {table.selected.id} " in text_of(table)
            await pilot.press("escape")
        for keys in (["n"], ["escape", "2", "enter"], ["escape", "o"], ["escape", "question_mark"], ["escape", "X"]):
            await pilot.press(*keys)
            await pilot.pause()
            strips = screen_strips(pilot.app)  # type: ignore[arg-type]
            assert {strip.cell_length for strip in strips} == {size[0]}
            frames = [frame for frame in pilot.app.screen.query(Frame) if frame.display and frame.has_focus]
            assert all(frame.content_height >= 3 for frame in frames if not isinstance(frame, Table))


async def test_a_terminal_that_is_resized_through_all_sizes() -> None:
    async with DashboardApp(busy()).run_test(size=(80, 24)) as pilot:
        for size in (*SIZES, *reversed(SIZES)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert_sound(pilot, size)
        assert isinstance(pilot.app.focused, DonePane)


async def test_details_stand_beside_the_rows_where_there_is_room() -> None:
    async with DashboardApp(busy()).run_test(size=(119, 40)) as pilot:
        await pilot.pause()
        details = pilot.app.screen.query_one(DetailsPane)
        assert not details.region.area
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert details.region.area
        await pilot.press("2", "f")
        assert not details.region.area
