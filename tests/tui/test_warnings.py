"""Warnings on the screen: a box or a line where there are any, their number where not, and the way to the rows."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from fetch_engine.core.session import GenerationFacts
from tests.tui.fake_link import EVIL, FakeLink, active, busy, result, snapshot
from tui.bridge.snapshot import Collect, Collected, FindHolders, HeldRow
from tui.rows.finished_store import DoneRows
from tui.rows.finished_view import DoneView
from tui.screen.app import DashboardApp
from tui.screen.panels.refs import RefsPane
from tui.screen.panels.status import StatusLine
from tui.screen.panels.warnings import WarningLine, WarningsBox
from tui.screen.screens.dashboard import DashboardScreen
from tui.widgets.table import Table

pytestmark = pytest.mark.anyio

LINES = ("the session is stuck: 2 leases for 1 handles: a bug of this program", "1 fetch has had no bytes for over 5 s")
WIDE, NARROW, SHORT = (140, 40), (80, 24), (60, 15)


def warned() -> FakeLink:
    """Something odd in every pane: 45 is silent, 38 was slow and is still held."""
    link = busy()
    assert link.latest is not None
    link.latest = replace(
        link.latest,
        active=tuple(replace(row, warnings=("no answer for 8 s",) * (row.id == 45)) for row in link.latest.active),
        held=tuple(replace(row, warnings=("alive 41 s after its end",) * (row.id == 38)) for row in link.latest.held),
        warnings=LINES,
        bugs=1,
    )
    link.finished = [replace(one, warnings=("tls took 1.2 s of 1.9 s",) * (one.id == 38)) for one in link.finished]
    return link


@asynccontextmanager
async def shown(link: FakeLink, size: tuple[int, int]) -> AsyncIterator[Pilot[None]]:
    app = DashboardApp(link)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


def screen_text(pilot: Pilot[None]) -> str:
    compositor = pilot.app.screen._compositor  # what is on the terminal; Textual has no public way to ask
    return "\n".join("".join(segment.text for segment in strip) for strip in compositor.render_strips())


def place(pilot: Pilot[None]) -> tuple[str | None, int]:
    """The pane that has the focus and the number of its selected row."""
    table = pilot.app.screen.focused
    assert isinstance(table, Table)
    row = table.selected
    return table.id, 0 if row is None else row.id


@pytest.mark.parametrize("size", [WIDE, NARROW, SHORT])
async def test_without_warnings_nothing_is_shown(size: tuple[int, int]) -> None:
    async with shown(busy(), size) as pilot:
        screen = pilot.app.screen
        assert not screen.query_one(WarningsBox).display
        assert not screen.query_one(WarningLine).display
        assert screen.query_one(StatusLine).warnings == 0


async def test_a_wide_screen_has_a_box_with_every_line() -> None:
    async with shown(warned(), WIDE) as pilot:
        text = screen_text(pilot)
        assert "Warnings 2" in text
        assert "! the session is stuck: 2 leases for 1 handles: a" in text
        assert "! 1 fetch has had no bytes for over 5 s" in text
        box = pilot.app.screen.query_one(WarningsBox)
        assert not pilot.app.screen.query_one(WarningLine).display
        assert box.size.height == 5  # two lines, one of them wrapped, in a frame
        assert [span[0][1] for y in range(5) if (span := box.content(y, 50))] == ["bad", "bad", "warn"]


@pytest.mark.parametrize("size", [WIDE, NARROW, SHORT])
async def test_hidden_ones_are_counted_in_the_status_line(size: tuple[int, int]) -> None:
    async with shown(warned(), size) as pilot:
        count = "!2" in screen_text(pilot).splitlines()[0]
        assert count is (size is SHORT)  # where there is no room for them, the status line says how many there are
        await pilot.press("W")
        await pilot.pause()
        assert "!2" in screen_text(pilot).splitlines()[0]
        assert "had no bytes" not in screen_text(pilot)
        await pilot.press("W")
        await pilot.pause()
        assert ("!2" in screen_text(pilot).splitlines()[0]) is (size is SHORT)


async def test_a_narrow_screen_has_a_line_that_tells_of_the_selected_row_first() -> None:
    async with shown(warned(), NARROW) as pilot:
        assert "! the session is stuck" in screen_text(pilot).splitlines()[-2]
        assert "+1 more" in screen_text(pilot).splitlines()[-2]
        await pilot.press("1", "g", "j")
        await pilot.pause()
        assert "#45 no answer for 8 s" in screen_text(pilot).splitlines()[-2]


async def test_a_pane_in_full_size_keeps_the_line() -> None:
    async with shown(warned(), WIDE) as pilot:
        await pilot.press("f")
        await pilot.pause()
        assert not pilot.app.screen.query_one(WarningsBox).display
        assert "! the session is stuck" in screen_text(pilot).splitlines()[-2]


async def test_they_go_when_their_reason_is_gone() -> None:
    link = warned()
    async with shown(link, WIDE) as pilot:
        link.latest = replace(link.latest, warnings=(), bugs=0)  # type: ignore[type-var]
        pilot.app.pull()  # type: ignore[attr-defined]
        await pilot.pause()
        assert not pilot.app.screen.query_one(WarningsBox).display
        assert "Warnings" not in screen_text(pilot)


@pytest.mark.parametrize("size", [WIDE, NARROW, SHORT])
async def test_w_goes_through_the_rows_with_warnings_in_all_panes(size: tuple[int, int]) -> None:
    async with shown(warned(), size) as pilot:
        seen = []
        for _ in range(4):
            await pilot.press("w")
            await pilot.pause()
            seen.append(place(pilot))
        assert seen == [("done", 38), ("refs", 38), ("active", 45), ("done", 38)]


async def test_w_stays_where_there_is_no_warning() -> None:
    async with shown(busy(), NARROW) as pilot:
        before = place(pilot)
        await pilot.press("w")
        assert place(pilot) == before


async def test_w_finds_the_next_one_in_the_same_pane_first() -> None:
    rows = [active(n, f"http://h/{n}", warnings=("odd",) * (n in (2, 4))) for n in range(1, 6)]
    async with shown(FakeLink(snapshot(rows)), NARROW) as pilot:
        await pilot.press("1", "g")
        seen = []
        for _ in range(3):
            await pilot.press("w")
            seen.append(place(pilot))
        assert seen == [("active", 2), ("active", 4), ("active", 2)]


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_what_a_lint_says_of_foreign_text_is_made_safe(size: tuple[int, int]) -> None:
    rows = [active(1, "http://h/", warnings=(EVIL,))]
    async with shown(FakeLink(snapshot(rows, warnings=(EVIL,), bugs=0)), size) as pilot:
        await pilot.press("1")
        await pilot.pause()
        text = screen_text(pilot)
        assert all(char.isprintable() for char in text.replace("\n", ""))
        assert "\u202e" not in text


# the references pane


async def test_refs_shows_the_ledger_and_the_sessions() -> None:
    generations = (
        GenerationFacts(3, True, False, 7, 46, 3, 5, 252.0, 0.0),
        GenerationFacts(2, False, True, 0, 120, 0, 0, 35.0, 1.0),
        GenerationFacts(1, True, True, 0, 12, 0, 1, 5.0, 1.0),
    )
    link = busy()
    assert link.latest is not None
    census = replace(link.latest.census, by_gc=2)
    link.latest = replace(link.latest, census=census, generations=generations, collected=Collected(7, 5, 0.041))
    async with shown(link, WIDE) as pilot:
        pane = pilot.app.screen.query_one(RefsPane)
        assert "by gc 2" in screen_text(pilot)
        lines = ["".join(text for text, _ in pane.above(y, 80)) for y in range(4)]
        assert "connections 5  leases 7 = 46 taken - 39 back" in lines[0]
        assert "freed 2 handles that only it could free; 5 alive" in lines[1]
        assert "closed after 35s  generation 2  leases 0 = 120 taken - 120 back" in lines[2]
        assert "closing  generation 1  connections 1" in lines[3]


@pytest.mark.parametrize("size", [WIDE, NARROW, SHORT])
async def test_the_collector_that_found_nothing_says_so(size: tuple[int, int]) -> None:
    link = FakeLink(snapshot(done=3, collected=Collected(0, 0, 0.0301)))
    async with shown(link, size) as pilot:
        long, short = "30 ms: nothing that only it could free; 0 alive", "collector freed 0"
        assert (short if size is SHORT else long) in screen_text(pilot)


async def test_keys_ask_for_the_collector_and_for_a_holder() -> None:
    link = busy()
    async with shown(link, NARROW) as pilot:
        await pilot.press("C", "h", "3", "g", "j", "h")
        assert link.sent == [Collect(), FindHolders(38)]  # `h` says nothing of a row that holds nothing


async def test_where_a_search_has_become_slow_the_row_names_its_key() -> None:
    held = [HeldRow(1, "http://h/", "200", 5.0, False, ())]
    async with shown(FakeLink(snapshot((), held, done=1, search_asked_only=True)), NARROW) as pilot:
        assert "h finds the holder" in screen_text(pilot)


async def test_the_screen_is_laid_out_anew_only_when_the_box_changes() -> None:
    link = warned()
    async with shown(link, WIDE) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, DashboardScreen)
        layouts = 0
        refresh = screen._refresh_layout

        def counted(*args: object, **options: object) -> None:
            nonlocal layouts
            layouts += 1
            refresh(*args, **options)  # type: ignore[arg-type]

        screen._refresh_layout = counted  # type: ignore[method-assign]
        for rate in range(5):
            link.latest = replace(link.latest, rate=float(rate))  # type: ignore[type-var]
            pilot.app.pull()  # type: ignore[attr-defined]
            await pilot.pause()
        assert layouts == 0


def warned_rows(count: int, odd: set[int]) -> DoneView:
    store = DoneRows()
    store.add(replace(result(n), warnings=("odd",) * (n in odd)) for n in range(count))
    return DoneView(store)


@pytest.mark.parametrize("count", [50, 5000])
def test_the_next_warning_in_a_long_list(count: int) -> None:
    view = warned_rows(count, {3, count - 20})  # newest first: at 19 and at count - 4
    assert [view.next_warned(at) for at in (-1, 18, 19, count - 5, count - 4)] == [19, 19, count - 4, count - 4, 19]
    view.invert()
    while view.step(1.0):
        pass
    assert [view.next_warned(at) for at in (-1, 3, count - 20)] == [3, count - 20, 3]
    view.show_only("nowhere.example")
    while view.step(1.0):
        pass
    assert view.next_warned(-1) is None


@pytest.mark.once
@pytest.mark.timing
def test_the_next_warning_among_100_000_rows_keeps_the_screen_shortly() -> None:
    view = warned_rows(100_000, {5})
    began = time.perf_counter()
    assert view.next_warned(0) == 100_000 - 6
    assert time.perf_counter() - began < 0.5  # measured 0.02
