"""Sorting and filtering from the keyboard."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from fetch_engine import FetchRequest
from tests.tui.fake_link import FakeLink, active, busy, result, snapshot
from tui.bridge.snapshot import FinishedRecord
from tui.screen.app import DashboardApp
from tui.screen.panels.active import ActivePane
from tui.screen.panels.done import DonePane
from tui.screen.panels.footer import Footer
from tui.screen.panels.refs import RefsPane
from tui.text.glyphs import ASCII
from tui.widgets.filter_field import FilterField
from tui.widgets.table import Table

pytestmark = pytest.mark.anyio


def lines(pane: Table[FinishedRecord] | ActivePane | RefsPane) -> list[str]:
    return [pane.render_line(y).text for y in range(pane.size.height)]


async def settled(pilot: Pilot[None]) -> None:
    done = pilot.app.screen.query_one(DonePane)
    for _ in range(200):
        await pilot.pause(0.01)
        if not done.rows.busy:
            return
    raise AssertionError("still arranging")


async def typed(pilot: Pilot[None], text: str) -> None:
    for char in text:
        await pilot.press(char)
    await settled(pilot)


async def test_the_sorted_column_is_marked_and_named() -> None:
    app = DashboardApp(busy(), fps=1)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("1")
        pane = app.screen.query_one(ActivePane)
        assert "by # ▲" in lines(pane)[0]
        for _ in range(7):
            await pilot.press(">")
        assert "by age ▼" in lines(pane)[0]
        assert "▼AGE" in lines(pane)[1]
        assert [pane.rows.row(place).id for place in range(3)] == [47, 45, 44]
        await pilot.press("i")
        assert "by age ▲" in lines(pane)[0]
        assert "▲AGE" in lines(pane)[1]
        assert pane.rows.row(4).id == 47
        await pilot.press("<")
        assert "by rate ▼" in lines(pane)[0]
        assert pane.selected is not None
        assert pane.selected.id == 44


async def test_the_marks_have_an_ascii_form() -> None:
    app = DashboardApp(busy(), fps=1, glyphs=ASCII)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(">", ">", ">", "i")
        await settled(pilot)
        pane = app.screen.query_one(DonePane)
        assert "by time ^" in lines(pane)[0]
        assert "^TIME" in lines(pane)[1]


async def test_a_filter_is_applied_as_typed_kept_and_cleared() -> None:
    link = busy()
    app = DashboardApp(link, fps=1)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = app.screen.query_one(DonePane)
        count = len(pane.rows)
        await typed(pilot, "/!code:200")
        assert type(app.focused).__name__ == "FilterField"
        assert f"Done 4 of {count}" in lines(pane)[0]
        assert "/!code:200" in lines(pane)[0]
        assert ("esc", "clear") in app.screen.query_one(Footer).hints
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.focused is pane
        assert not pane.query(FilterField)
        link.finished = [result(90, status=404), result(91)]
        app.pull()
        assert f"Done 5 of {count + 2}" in lines(pane)[0]
        await pilot.press("1")  # each pane has its own
        assert " of " not in lines(app.screen.query_one(ActivePane))[0]
        await pilot.press("2", "escape")
        assert f"Done {count + 2} " in lines(pane)[0]


async def test_escape_in_the_field_clears_the_filter() -> None:
    app = DashboardApp(busy(), fps=1)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = app.screen.query_one(DonePane)
        await typed(pilot, "/code:5xx")
        assert len(pane.rows) == 1
        await pilot.press("escape")
        await pilot.pause()
        assert len(pane.rows) == pane.rows.considered
        assert app.focused is pane


async def test_a_word_that_is_no_filter_is_named_and_leaves_the_rows() -> None:
    app = DashboardApp(busy(), fps=1)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = app.screen.query_one(ActivePane)
        await pilot.press("1")
        await typed(pilot, "/state:recv")
        assert len(pane.rows) == 2
        before = len(pane.rows)
        app.screen.query_one(FilterField).value = "state:recv size:>x"
        await pilot.pause()
        assert "size:>x: want a size as >1M" in lines(pane)[0]
        assert len(pane.rows) == before == 2


async def test_nothing_passes() -> None:
    app = DashboardApp(busy(), fps=1)
    async with app.run_test(size=(120, 40)) as pilot:
        await typed(pilot, "/nowhere")
        pane = app.screen.query_one(DonePane)
        assert any("no row passes the filter" in line for line in lines(pane))
        assert pane.selected is None
        await pilot.press("enter", "enter", "x", "r")  # nothing is selected


async def test_the_held_handles_can_be_filtered_too() -> None:
    app = DashboardApp(busy(), fps=1)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await typed(pilot, "/code:503")
        pane = app.screen.query_one(RefsPane)
        assert [pane.rows.row(place).id for place in range(len(pane.rows))] == [38]


async def test_keys_that_came_before_the_field_had_the_focus_are_typed_into_it() -> None:
    app = DashboardApp(busy(), fps=1)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = app.screen.query_one(DonePane)
        for key in ("slash", "x", "q"):
            app.simulate_key(key)
        for _ in range(100):
            await pilot.pause(0.01)
            if pane.query(FilterField) and pane.query_one(FilterField).value == "xq":
                break
        assert pane.query_one(FilterField).value == "xq"
        assert app.link.sent == []  # type: ignore[attr-defined]


async def test_progress_says_what_is_known_and_the_columns_warn() -> None:
    rows = [
        active(1, "http://h/a", body_size=512, expected_size=1024, warnings=("stalled", "slow dns")),
        active(2, "http://h/b", body_size=4200),
        active(3, "http://h/c", attempt=3, pinned=True, warnings=("queued long",)),
    ]
    app = DashboardApp(FakeLink(snapshot(rows)), fps=1)
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        shown = lines(app.screen.query_one(ActivePane))
        assert "50%" in shown[2]
        assert " !2 " in shown[2]
        assert "4.1K so far" in shown[3]
        assert "◆×3" in shown[4]
        assert " ! " in shown[4]


async def test_the_method_is_told_where_it_is_not_get() -> None:
    post, get = (FetchRequest("http://h/items", method=method) for method in ("POST", "GET"))
    rows = [active(1, "http://h/a", request=post), active(2, "http://h/b", request=get)]
    app = DashboardApp(FakeLink(snapshot(rows), [replace(result(3, "http://h/c"), request=post)]), fps=1)
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        shown = lines(app.screen.query_one(ActivePane))
        assert " POST h/a " in shown[2]
        assert " h/b " in shown[3]
        assert "GET" not in shown[3]
        assert " POST h/c " in lines(app.screen.query_one(DonePane))[2]
