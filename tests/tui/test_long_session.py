"""After a long session nothing of the screen leads to a handle, nor to the engine's record of a fetch."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from textual.message import Message
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.worker import Worker

from fetch_engine.core.task import FetchTask, Job
from tests.tui.reachable import reachable
from tests.tui.test_whole_dashboard import dashboard, type_urls, until
from tui.bridge.engine_thread import EngineThread
from tui.demo.server import demo_server
from tui.screen.app import DashboardApp
from tui.screen.panels.done import DonePane
from tui.screen.screens.details import DetailsScreen

pytestmark = pytest.mark.anyio

HANDLES = (FetchTask, Job)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


async def use_everything(thread: EngineThread, pilot: Pilot[None], server: str) -> None:
    """Many fetches, and every part of the screen opened and left again; two still run and one is pinned at the end."""
    await type_urls(pilot, *(f"{server}/fast?i={n}" for n in range(60)))
    await until(thread, pilot, lambda s: s.counts.responded == 60)
    await type_urls(pilot, f"{server}/json", f"{server}/html", f"{server}/redirect?n=2", f"{server}/reset")
    await type_urls(pilot, f"{server}/slow?s=1&pin", f"{server}/hang?a", f"{server}/hang?b", f"{server}/hang?c")
    await until(thread, pilot, lambda s: len(s.active) == 4)
    await pilot.press("1", "g", "m", "G", "x")  # pin the slow one, cancel the last
    await until(thread, pilot, lambda s: bool(s.held) and len(s.active) == 2)
    for pane in ("1", "2", "3"):
        await pilot.press(pane, "g", "G", "k", "j", "enter", "right", "right", "right", "escape", "f", "f", "w", "h")
    await pilot.press("2", "slash", "f", "a", "s", "t", "enter", "greater_than_sign", "i", "slash", "escape")
    await pilot.press("question_mark", "escape", "o", "escape", "space", "space", "W", "W", "C", "plus", "minus")
    await pilot.press("colon")
    await pilot.pause()
    await pilot.press("escape")
    await pilot.pause()
    screen = DetailsScreen(pilot.app.screen._subject())  # type: ignore[attr-defined]
    await pilot.app.push_screen(screen)
    await pilot.press("right", "right", "escape")
    await pilot.press("q", "n")  # asked, and not left
    await pilot.pause()
    for _ in range(3):
        await pilot.press("2", "j", "3", "j", "1", "j")


@pytest.mark.once
async def test_nothing_of_the_screen_leads_to_a_handle(server: str) -> None:
    others = [thing for thing in gc.get_objects() if isinstance(thing, HANDLES)]  # of tests before this one
    not_ours = set(map(id, others))
    async with dashboard() as (thread, pilot):
        await use_everything(thread, pilot, server)
        await until(thread, pilot, lambda s: s.census.alive == 3)
        alive = [thing for thing in gc.get_objects() if isinstance(thing, HANDLES) and id(thing) not in not_ours]
        assert sum(isinstance(thing, FetchTask) for thing in alive) == 3  # the engine's thread owns them
        del alive, others
        # Those that the app has let go of must not lead there either.
        parts = [thing for thing in gc.get_objects() if isinstance(thing, MessagePump | Message | Worker)]
        assert reachable([pilot.app, *parts], HANDLES, [thread]) == []


async def test_this_test_would_notice(server: str) -> None:
    async with dashboard() as (thread, pilot):
        await type_urls(pilot, f"{server}/hang")
        await until(thread, pilot, lambda s: len(s.active) == 1)
        assert isinstance(pilot.app, DashboardApp)
        pane = pilot.app.screen.query_one(DonePane)
        leaked = [thing for thing in gc.get_objects() if isinstance(thing, FetchTask)]
        pane.leak = {"by mistake": leaked}  # type: ignore[attr-defined]
        assert any("DonePane" in way for way in reachable([pilot.app], HANDLES, [thread]))
        del pane.leak  # type: ignore[attr-defined]
        leaked.clear()
        assert reachable([pilot.app], HANDLES, [thread]) == []
