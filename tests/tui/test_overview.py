"""The overview: its numbers, its way in and out, and that it agrees with the status line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from textual.pilot import Pilot

from fetch_engine.model.results import ErrorKind
from tests.tui.fake_link import FakeLink, active, busy, failure, result, snapshot
from tests.tui.test_keys import text_of
from tui.rows.totals import BATCH, Histogram, Totals
from tui.screen.app import DashboardApp
from tui.screen.panels.overview import OverviewPane, histogram_edges, host_rows, latency_text
from tui.screen.panels.status import StatusLine
from tui.screen.panels.url_bar import UrlInput
from tui.screen.screens.dashboard import DashboardScreen
from tui.screen.screens.help import HelpScreen
from tui.screen.screens.overview import OverviewScreen

pytestmark = pytest.mark.anyio
SIZES = [(40, 10), (60, 15), (80, 24), (140, 40), (300, 80)]


@asynccontextmanager
async def overview(link: FakeLink, size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[Pilot[None], OverviewPane]]:
    async with DashboardApp(link).run_test(size=size) as pilot:
        await pilot.press("o")
        assert isinstance(pilot.app.screen, OverviewScreen)
        yield pilot, pilot.app.screen.query_one(OverviewPane)


@pytest.mark.parametrize("size", SIZES)
async def test_everything_can_be_read_at_every_size(size: tuple[int, int]) -> None:
    async with overview(busy(), size) as (pilot, pane):
        seen = set(text_of(pane).splitlines())
        for _ in range(60):
            await pilot.press("j")
            seen |= set(text_of(pane).splitlines())
        text = "\n".join(seen)
        for word in ("5 running", "39 done", "1 failed", "1 cancelled", "2xx", "37", "4xx", "5xx", "timeout-connect"):
            assert word in text, word
        for word in ("p50 138ms", "p90", "p99", "max", "api.example.org", "example.org", "HOST", "ERR"):
            assert word in text, word
        assert all(len(line) == size[0] for line in seen)


async def test_the_numbers_agree_with_the_status_line_at_every_moment() -> None:
    link = FakeLink(snapshot([active(9, "http://h/")]))
    async with overview(link) as (pilot, pane):
        for done in range(1, 5):
            # the record of a fetch may be there before the snapshot that counts it
            link.finished = [result(done)]
            pilot.app.pull()  # type: ignore[attr-defined]
            await pilot.pause()
            shown = (text_of(pilot.app.screen.query_one(StatusLine)), text_of(pane))
            assert f"2xx {done - 1}  " in shown[0]
            assert f"{done - 1} done" in shown[1]
            link.latest = snapshot([active(9, "http://h/")], done=done)
            pilot.app.pull()  # type: ignore[attr-defined]
            await pilot.pause()
            shown = (text_of(pilot.app.screen.query_one(StatusLine)), text_of(pane))
            assert f"2xx {done}  " in shown[0]
            assert f"{done} done" in shown[1]


async def test_many_that_ended_at_once_are_counted_in_pieces() -> None:
    many = 3 * BATCH + 1
    async with overview(FakeLink(snapshot(done=many), [result(number) for number in range(many)])) as (pilot, pane):
        with anyio.fail_after(60):
            while f"{many} done" not in text_of(pane):
                await pilot.pause(0.01)
        app = pilot.app
        assert isinstance(app, DashboardApp)
        assert app.totals.all.ended == many


async def test_it_goes_on_while_the_view_is_paused() -> None:
    link = FakeLink(snapshot())
    async with DashboardApp(link).run_test() as pilot:
        await pilot.press("space", "o")
        link.latest, link.finished = snapshot(done=1), [result(1)]
        pilot.app.pull()  # type: ignore[attr-defined]
        await pilot.pause()
        assert "1 done" in text_of(pilot.app.screen.query_one(OverviewPane))
        assert "PAUSED" in text_of(pilot.app.screen.query_one(StatusLine))


@pytest.mark.parametrize("before", [[], ["enter"], ["question_mark"], ["3", "f"]])
async def test_one_key_from_anywhere_and_back(before: list[str]) -> None:
    async with DashboardApp(busy()).run_test() as pilot:
        await pilot.press(*before)
        came_from = pilot.app.screen
        for leave in ("escape", "q", "o", "f2"):
            await pilot.press("o")
            assert isinstance(pilot.app.screen, OverviewScreen)
            await pilot.press(leave)
            assert pilot.app.screen is came_from


async def test_typing_goes_on_but_for_the_function_key() -> None:
    async with DashboardApp(busy()).run_test() as pilot:
        await pilot.press("n", "o")
        assert isinstance(pilot.app.screen, DashboardScreen)
        assert pilot.app.screen.query_one(UrlInput).value == "o"
        await pilot.press("f2")
        assert isinstance(pilot.app.screen, OverviewScreen)


async def test_help_over_it_and_back() -> None:
    async with overview(busy()) as (pilot, _):
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        await pilot.press("escape", "escape")
        assert isinstance(pilot.app.screen, DashboardScreen)


async def test_many_hosts_scroll_below_the_counts() -> None:
    link = FakeLink(snapshot(done=60), [result(n, f"http://h{n:02}/") for n in range(60)])
    async with overview(link, (80, 40)) as (pilot, pane):
        assert "h00 " in text_of(pane)
        await pilot.press("G")
        text = text_of(pane)
        assert "h59 " in text
        assert "Latency" in text
        assert "h00 " not in text
        await pilot.press("g", "pagedown", "pageup")
        assert "h00 " in text_of(pane)


async def test_an_empty_run_says_so() -> None:
    async with overview(FakeLink(snapshot())) as (_, pane):
        text = text_of(pane)
        assert text.count("none yet") == 2
        assert "  none " in text


def test_hosts_are_told_with_what_runs_now() -> None:
    totals = Totals()
    totals.add([result(1, "http://a/"), result(2, "http://a/"), failure(3, "http://b/", ErrorKind.RESET, "no")])
    shot = snapshot([active(4, "http://b/"), active(5, "http://c/"), active(6, "http://c/")], done=2, failed=1)
    rows = host_rows(totals, shot)
    assert [(row.name, row.tally.ended, row.running) for row in rows] == [("a", 2, 0), ("b", 1, 1), ("c", 0, 2)]
    assert len({row.id for row in rows}) == 3


@pytest.mark.parametrize("span", [(0.0, 0.0), (1e-9, 1e9), (0.1, 0.1), (0.0009, 0.0011), (0.14, 30.0)])
def test_the_edges_of_the_histogram_hold_everything(span: tuple[float, float]) -> None:
    histogram = Histogram()
    for value in span:
        histogram.add(value)
    edges = histogram_edges(histogram, 14)
    assert edges == sorted(set(edges))
    assert 2 <= len(edges) <= 16
    assert sum(histogram.between(edges)) == 2


def test_latencies_have_three_digits() -> None:
    texts = {0.0: "0ms", 0.00021: "0.21ms", 0.0104: "10.4ms", 0.14: "140ms", 0.9994: "999ms", 1.874: "1.87s"}
    texts |= {0.01: "10ms", 2.0: "2s", 12.3: "12s", 125.0: "2m05"}
    assert {seconds: latency_text(seconds) for seconds in texts} == texts
