"""Many rows cost the screen nothing, an idle screen sends nothing, and no stock table is in it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from textual.geometry import Region
from textual.widgets import DataTable

from tests.tui.fake_link import FakeLink, active, busy, result, snapshot
from tui.screen.app import DashboardApp
from tui.screen.panels.done import DonePane
from tui.widgets.line_widget import LineWidget

pytestmark = pytest.mark.anyio

COUNT = 100_000


@pytest.mark.once
@pytest.mark.timing
async def test_a_hundred_thousand_rows() -> None:
    link = FakeLink(snapshot(done=COUNT), [result(number, headers=()) for number in range(COUNT)])
    app = DashboardApp(link)
    async with app.run_test() as pilot:
        await pilot.pause()
        table = app.screen.query_one(DonePane)
        assert len(table.rows) == COUNT
        began = time.perf_counter()
        for key in ("G", "k", "g", "j", "pagedown", "end", "home") * 3:
            await pilot.press(key)
        for number in range(20):
            link.finished = [result(COUNT + number)]
            link.latest = snapshot(done=COUNT + number)
            app.pull()
        assert time.perf_counter() - began < 20  # 41 times; a stock table takes longer for one
        assert len(table._strips) <= 24
        title = table.render_line(0).text
        assert f"Done {COUNT + 20}, 20 older left out" in title
        assert not app.screen.query(DataTable)


class Refreshes:
    """What the screen is asked to send."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[tuple[str, int]] = []
        stock = LineWidget.refresh

        def refresh(widget: LineWidget, *regions: Region, **options: Any) -> LineWidget:
            self.lines += [(type(widget).__name__, region.y) for region in regions] or [(type(widget).__name__, -1)]
            return stock(widget, *regions, **options)

        monkeypatch.setattr(LineWidget, "refresh", refresh)


async def test_only_lines_that_changed_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    link = busy()
    app = DashboardApp(link, fps=1)
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        asked = Refreshes(monkeypatch)
        first = link.latest
        assert first is not None
        link.latest = busy().latest  # equal, but another object
        app.pull()
        assert asked.lines == []
        rows = [active(row.id, row.url, row.state, age=row.age) for row in first.active]
        changed = active(45, first.active[1].url, first.active[1].state, age=999.0, attempt=2)
        link.latest = snapshot(
            [first.active[0], changed, *first.active[2:]], first.held, done=39, failed=1, cancelled=1
        )
        app.pull()
        assert asked.lines == [("ActivePane", 3)]
        asked.lines.clear()
        await pilot.press("j")
        assert ("DonePane", 2) in asked.lines
        assert {line for line in asked.lines if line[0] == "ActivePane"} == set()
        assert len(rows) == 5


async def test_a_message_from_the_engines_thread_shows_a_snapshot_at_once() -> None:
    link = FakeLink(snapshot())
    app = DashboardApp(link, fps=1)
    async with app.run_test() as pilot:
        await pilot.pause()
        link.latest = snapshot([active(1, "http://h/")])
        import threading

        thread = threading.Thread(target=app.snapshot_ready)
        thread.start()
        thread.join()
        for _ in range(20):
            await pilot.pause(0.01)
            if app.snapshot is link.latest:
                break
        assert app.snapshot is link.latest
