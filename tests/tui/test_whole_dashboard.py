"""Engine thread, controller and screen together, on real sockets: the dashboard itself keeps no handle alive."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest
from textual.events import Paste
from textual.pilot import Pilot

from fetch_engine import FetchEngine
from tui.bridge.engine_thread import Companion, EngineThread
from tui.bridge.snapshot import Snapshot
from tui.demo.server import demo_server
from tui.screen.app import DashboardApp
from tui.screen.main import Demo

pytestmark = pytest.mark.anyio
LIMIT = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # Textual's


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


@asynccontextmanager
async def dashboard(*companions: Companion) -> AsyncIterator[tuple[EngineThread, Pilot[None]]]:
    thread = EngineThread(lambda: FetchEngine(grace=0.1, outlived_after=0.2), companions)
    app = DashboardApp(thread)
    thread.on_snapshot = app.snapshot_ready
    thread.start()
    try:
        async with app.run_test(size=(140, 40)) as pilot:
            yield thread, pilot
    finally:
        assert thread.stop()
        assert thread.failure is None


async def until(thread: EngineThread, pilot: Pilot[None], condition: Callable[[Snapshot], bool]) -> Snapshot:
    with anyio.fail_after(LIMIT):
        while True:
            await pilot.pause(0.02)
            if thread.latest is not None and condition(thread.latest):
                return thread.latest


async def type_urls(pilot: Pilot[None], *urls: str) -> None:
    await pilot.press("n")
    pilot.app.screen.focused.post_message(Paste("\n".join(urls)))  # type: ignore[union-attr]
    await pilot.pause()
    if len(urls) == 1:  # a single line can still be edited
        await pilot.press("enter")
    await pilot.press("escape")


@pytest.mark.usefixtures("collector_off")
async def test_200_fetches_and_their_details_end_with_nothing_alive(server: str) -> None:
    async with dashboard() as (thread, pilot):
        for start in range(0, 200, 50):
            await type_urls(pilot, *(f"{server}/fast?i={start + n}" for n in range(50)))
        await until(thread, pilot, lambda s: s.counts.responded == 200)
        await pilot.press("2")
        for _ in range(20):
            await pilot.press("enter", "right", "right", "escape", "j")
        last = await until(thread, pilot, lambda s: s.census.alive == 0 and not s.session.is_open)
        assert (last.census.opened, last.census.closed, last.session.leases) == (200, 200, 0)
        assert last.session.opened == last.session.closed >= 1
        assert len(pilot.app.done) == 200  # type: ignore[attr-defined]


async def test_a_selected_fetch_is_cancelled_dropped_pinned_and_released(server: str) -> None:
    async with dashboard() as (thread, pilot):
        await type_urls(pilot, f"{server}/hang?a", f"{server}/hang?b", f"{server}/slow?s=0.3")
        await until(thread, pilot, lambda s: len(s.active) == 3 and s.census.running == 3)
        await pilot.press("1", "g", "x")
        await until(thread, pilot, lambda s: s.counts.cancelled == 1)
        await pilot.press("g", "d")
        await until(thread, pilot, lambda s: s.counts.cancelled == 2 and s.census.alive <= 1)
        await type_urls(pilot, f"{server}/slow?s=3")
        await until(thread, pilot, lambda s: [row.url for row in s.active][-1:] == [f"{server}/slow?s=3"])
        await pilot.press("1", "G", "m")
        held = await until(thread, pilot, lambda s: bool(s.held) and s.counts.responded == 2)
        assert held.held[0].pinned
        assert held.census.pinned == held.census.alive == held.session.leases == 1
        await pilot.press("3", "g", "m")
        await until(thread, pilot, lambda s: s.census.alive == 0 and not s.held and not s.session.is_open)


async def test_the_demo_shows_the_planted_leak_with_its_holder_and_ends_clean(server: str) -> None:
    async with dashboard(Demo(server)) as (thread, pilot):
        last = await until(thread, pilot, lambda s: any(row.by and not row.pinned for row in s.held))
        leaked = next(row for row in last.held if not row.pinned)
        assert "ForgottenCache" in leaked.by[0]
        assert any(row.pinned for row in last.held)
        await until(thread, pilot, lambda s: s.counts.cancelled == 2)  # one cancelled, one dropped
    assert thread.engine is not None
    census = thread.engine.census()
    assert census.opened == census.closed
    assert census.alive == 0


async def test_an_engine_that_breaks_is_told(server: str) -> None:
    async def broken(_: object) -> None:
        raise LookupError("as planned")

    thread = EngineThread(FetchEngine, [broken])
    ended = anyio.Event()
    token = anyio.lowlevel.current_token()
    thread.on_failure = lambda: anyio.from_thread.run_sync(ended.set, token=token)
    thread.start()
    with anyio.fail_after(LIMIT):
        await ended.wait()
    assert thread.stop()
    assert thread.failure is not None
    assert "as planned" in thread.failure
