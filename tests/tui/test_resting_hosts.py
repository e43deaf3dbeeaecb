"""Hosts that ask for less, as the dashboard shows them: what waits for one never looks as if it were merely queued."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from fetch_engine.fetch.host_backoff import HostRest
from fetch_engine.model.results import ErrorKind, FetchError, FetchState
from tests.tui.fake_link import FakeLink, active, result, snapshot
from tests.tui.test_whole_dashboard import dashboard, until
from tests.wire.servers import Connection, RawServer
from tui.bridge.snapshot import Cancel, Snapshot, Wait
from tui.entry.commands import AddUrls
from tui.rows.describe import row_state
from tui.screen.app import DashboardApp
from tui.screen.details.facts import active_lines, error_lines
from tui.screen.details.timing import timing_lines
from tui.screen.panels.active import ActivePane
from tui.screen.panels.overview import OverviewPane
from tui.screen.panels.status import StatusLine
from tui.text.glyphs import ASCII
from tui.text.host_lines import kept_waiting, notice, rest_text

anyio = pytest.mark.anyio
EXAMPLE = HostRest("example.com", 429, 8.0, 7.2, waiting=2)
OTHER = HostRest("other.test", 503, 5.0, 3.0, waiting=9)
REFUSED = HostRest("no.test", 429, 3600.0, 3590.0, waiting=0, refused=True)


def text(lines: list[list[tuple[str, str]]]) -> str:
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


def resting() -> Snapshot:
    rows = [
        active(1, "https://example.com/a", FetchState.QUEUED, wait=Wait("429", 7.2, "example.com")),
        active(2, "https://example.com/b", FetchState.QUEUED, wait=Wait("timeout-connect", 2.0)),
        active(3, "https://free.test/c"),
    ]
    return snapshot(rows, resting=(EXAMPLE, REFUSED))


def test_in_words() -> None:
    assert notice(EXAMPLE) == "example.com: 429, resting 8 s, 2 waiting"
    assert notice(REFUSED) == "no.test: 429, asked to wait 3600 s, refused: 0 not sent"
    assert notice(HostRest("h", 429, None, 1.0, 3, refused=True)) == "h: 429, refused: 3 not sent"
    assert kept_waiting([EXAMPLE, REFUSED]) == "example.com rests 8 s (429)"
    assert kept_waiting([EXAMPLE, OTHER]) == "2 hosts rest, other.test 3 s (503)"
    assert kept_waiting([REFUSED]) == kept_waiting([]) == ""
    assert rest_text(OTHER) == "other.test rests 3 s (503), 9 waiting"
    assert rest_text(REFUSED) == "no.test is not asked for 3590 s (429)"
    assert rest_text(HostRest("h", 429, 0.01, 0.0004)) == "h rests 1 s (429), 0 waiting"


@anyio
@pytest.mark.parametrize("size", [(60, 18), (80, 24), (140, 40)])
async def test_the_title_and_the_rows_say_it(size: tuple[int, int]) -> None:
    app = DashboardApp(FakeLink(resting()))
    async with app.run_test(size=size) as pilot:
        await pilot.press("1")  # where there is little room it is folded
        await pilot.pause()
        pane = app.screen.query_one(ActivePane)
        lines = [pane.render_line(y).text for y in range(pane.measured.height)]
        assert "example.com rests 8 s (429)" in lines[0]
        assert any(" REST " in line for line in lines)
        assert any(" RTRY " in line for line in lines)
        if size[0] >= 80:
            assert any("429, 8 s" in line for line in lines)
        status = app.screen.query_one(StatusLine).render_line(0).text
        assert "1 run" in status
        assert "+2 at rest" in status


@anyio
async def test_the_overview_says_it() -> None:
    app = DashboardApp(FakeLink(resting()))
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("o")
        await pilot.pause()
        pane = app.screen.query_one(OverviewPane)
        shown = "\n".join(pane.render_line(y).text for y in range(pane.measured.height))
        assert "1 running" in shown
        assert "2 at rest" in shown
        assert "example.com rests 8 s (429), 2 waiting" in shown
        assert "no.test is not asked for 3590 s (429)" in shown


def test_details_say_it() -> None:
    waiting, retried, running = resting().active
    assert "example.com answered 429 and rests 8 s" in text(active_lines(waiting, 80))
    assert "for its next attempt in 2 s, after timeout-connect" in text(active_lines(retried, 80))
    assert "waits" not in text(active_lines(running, 80))
    assert [row_state(row)[0] for row in (waiting, retried)] == ["REST", "RTRY"]
    error = FetchError(ErrorKind.HOST_BUSY, "not sent: no.test asked", retry_after=3600.0)
    assert "a wait of 3600 s" in text(error_lines(error, 80))
    outcome: Any = result(1, "https://example.com/").outcome
    outcome = replace(outcome, retry_after=30.0, timings=replace(outcome.timings, host_rest=8.0))
    lines = text(timing_lines(outcome, ASCII, 80))
    assert "8000 ms of it waiting for a host that had asked for less" in lines
    assert "the host asked to wait 30 s" in lines


class Busy:
    """Answers the first request with 429, and a rest of `seconds`."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.count = 0
        self.lock = threading.Lock()

    def __call__(self, connection: Connection) -> None:
        while connection.request():
            with self.lock:
                self.count += 1
                first = self.count == 1
            if first:
                connection.answer(status="429 Too Many", headers=f"Retry-After: {self.seconds}\r\n")
            else:
                connection.answer(b"fine")


@anyio
async def test_a_host_that_rests_is_seen_and_keeps_back_no_other() -> None:
    busy, free = Busy(40), Busy(0)
    free.count = 1
    with RawServer(busy) as server, RawServer(free, host="127.0.0.2") as other:
        async with dashboard() as (thread, pilot):
            thread.send(AddUrls((server.url("/first"),)))
            await until(thread, pilot, lambda s: s.counts.responded == 1)
            # More than are handed to the engine at a time, and the other host behind all of them.
            thread.send(AddUrls((*(server.url(f"/{n}") for n in range(600)), other.url("/free"))))
            shot = await until(thread, pilot, lambda s: s.counts.responded == 2 and bool(s.resting))
            (rest,) = shot.resting
            assert (rest.host, rest.status, rest.asked) == ("127.0.0.1", 429, 40.0)
            assert rest.waiting == len(shot.active) == 600
            for row in shot.active:
                assert row.wait is not None
                assert (row.wait.cause, row.wait.host) == ("429", "127.0.0.1")
            pane = pilot.app.screen.query_one(ActivePane)
            await until(thread, pilot, lambda _: "127.0.0.1 rests " in pane.render_line(0).text)
            thread.send(Cancel(None))
            await until(thread, pilot, lambda s: s.counts.cancelled == 600)
    assert (busy.count, free.count) == (1, 2)
