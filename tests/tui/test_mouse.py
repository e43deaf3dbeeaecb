"""What the mouse does where it is wanted."""

from __future__ import annotations

import pytest
from textual.events import MouseEvent, MouseScrollDown, MouseScrollUp

from tests.tui.fake_link import busy
from tests.tui.test_keys import text_of
from tui.keys.choices import Choices
from tui.screen.app import DashboardApp
from tui.screen.panels.active import ActivePane
from tui.screen.panels.done import DonePane
from tui.screen.panels.refs import RefsPane
from tui.widgets.table import Table

pytestmark = pytest.mark.anyio


async def test_a_click_selects_and_the_wheel_scrolls() -> None:
    async with DashboardApp(busy()).run_test(size=(100, 30)) as pilot:
        done = pilot.app.screen.query_one(DonePane)
        await pilot.click(DonePane, offset=(20, 4))
        assert done.cursor.place == 2
        for _ in range(2):
            done.post_message(_wheel(MouseScrollDown, done))
        await pilot.pause()
        assert done.cursor.place == 8
        done.post_message(_wheel(MouseScrollUp, done))
        await pilot.pause()
        assert done.cursor.place == 5


def _wheel(kind: type[MouseEvent], pane: DonePane) -> MouseEvent:
    return kind(pane, x=5, y=5, delta_x=0, delta_y=0, button=0, shift=False, meta=False, ctrl=False)


async def test_a_click_on_a_title_focuses_the_pane() -> None:
    async with DashboardApp(busy()).run_test(size=(60, 15)) as pilot:  # two panes are folded to their titles
        for kind in (ActivePane, RefsPane, DonePane):
            await pilot.click(kind, offset=(6, 0))
            await pilot.pause()
            assert isinstance(pilot.app.focused, kind)
            assert pilot.app.focused.size.height > 3


async def test_a_click_on_the_name_of_a_column_sorts_by_it() -> None:
    app = DashboardApp(busy())
    async with app.run_test(size=(100, 30)) as pilot:
        done = app.screen.query_one(DonePane)
        before = done.cursor.place
        x = text_of(done).splitlines()[1].index("SIZE")
        for order in ("-size", "+size"):
            await pilot.click(DonePane, offset=(x, 1))
            await pilot.pause(0.1)
            assert done.rows.order == order
        await pilot.click(DonePane, offset=(text_of(done).splitlines()[1].index("PREVIEW"), 1))
        await pilot.pause(0.1)
        assert done.rows.order == "+preview"
        assert done.cursor.place == before or done.selected is not None


async def test_the_order_of_rows_is_kept() -> None:
    choices = Choices()
    async with DashboardApp(busy(), choices=choices).run_test() as pilot:
        await pilot.press("2", "greater_than_sign", "greater_than_sign", "i", "1", "i")
        await pilot.pause(0.1)
        orders = {table.id: table.rows.order for table in pilot.app.screen.query(Table)}
    async with DashboardApp(busy(), choices=choices).run_test() as pilot:
        await pilot.pause(0.1)
        assert {table.id: table.rows.order for table in pilot.app.screen.query(Table)} == orders
    assert orders["done"] != "-end"
    assert (orders["active"], orders["refs"]) == ("-#", "+#")
