"""From the engine's thread to the snapshot: what the lints say of real fetches, and what is done on request."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import anyio
import pytest

from fetch_engine import FetchEngine, FetchResult, FetchTask
from fetch_engine.http import chunked
from fetch_engine.lints.lints import Stalled
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import until as become
from tests.tui.test_whole_dashboard import dashboard, until
from tests.wire.servers import Connection, RawServer
from tui.bridge import held
from tui.bridge.controller import Controller
from tui.bridge.held import HeldHandles
from tui.bridge.snapshot import Collect, FindHolders, Snapshot
from tui.entry.commands import AddUrls
from tui.screen.details.facts import header_lines
from tui.screen.panels.done import DonePane

pytestmark = pytest.mark.anyio

KEPT: list[object] = []
OUTLIVED = "1 handle outlived its fetch by over 2 s"


def has(shot: Snapshot, words: str) -> bool:
    """Whether a warning begins so; a busy machine may add that its loop was blocked."""
    return any(line.startswith(words) for line in shot.warnings)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lints are run more often than people read."""
    monkeypatch.setattr("tui.bridge.inspection.EVERY", 0.05)
    monkeypatch.setattr(held, "STALE", 0.3)
    monkeypatch.setattr(held, "SHARE", 1.0)
    monkeypatch.setattr(held, "CHEAP", 60.0)  # a search among all that other tests have left is slow


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    KEPT.clear()


class Keeper:
    """A companion that fetches a URL and has somebody else keep the handle."""

    def __init__(self, url: str, keep: object) -> None:
        self._url = url
        self._keep = keep

    async def __call__(self, controller: Controller) -> None:
        controller.lend(controller.submit(self._url), self._keep)  # type: ignore[arg-type]


@pytest.mark.usefixtures("hurried")
async def test_a_silent_fetch_is_warned_of_and_no_longer_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lint = Stalled(0.2)
    lint.grace = 0.1
    monkeypatch.setattr("tui.bridge.inspection.FETCH_LINTS", (lint,))

    seen = threading.Event()

    def handle(connection: Connection) -> None:
        connection.request()
        seen.wait(5)

    with RawServer(handle) as server:
        async with dashboard() as (thread, pilot):
            thread.send(AddUrls((server.url(),)))
            last = await until(thread, pilot, lambda s: has(s, "1 fetch has had no bytes for over"))
            assert last.active[0].warnings[0].startswith("no answer for")
            assert last.bugs == 0
            seen.set()
            await until(thread, pilot, lambda s: s.counts.failed == 1 and not has(s, "1 fetch"))  # reset by the server


async def test_what_was_odd_stays_with_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "MOST_CHUNKS", 1)  # else they are one read

    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + 150 * b"1\r\nx\r\n" + b"0\r\n\r\n")
        connection.gone()

    with RawServer(handle) as server:
        async with dashboard() as (thread, pilot):
            thread.send(AddUrls((server.url(),)))
            await until(thread, pilot, lambda s: s.counts.responded == 1)
            await pilot.pause(0.3)
            row = pilot.app.screen.query_one(DonePane).rows.row(0)
            assert row.warnings == ("150 reads of 1 B on average",)


async def test_what_was_wrong_with_a_response_is_shown_with_it() -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer(b"as it came", headers="X Y: z\r\nContent-Encoding: x-own\r\n")
        connection.gone()

    with RawServer(handle) as server:
        async with dashboard() as (thread, pilot):
            thread.send(AddUrls((server.url(),)))
            await until(thread, pilot, lambda s: s.counts.responded == 1)
            await pilot.pause(0.3)
            row = pilot.app.screen.query_one(DonePane).rows.row(0)
            warnings = (
                "malformed header line dropped, its name is 'X Y'",
                "unknown content coding 'x-own': the body is left as it came",
            )
            assert row.warnings == warnings
            assert isinstance(row.outcome, FetchResult)
            lines = ["".join(text for text, _ in line) for line in header_lines(row.outcome, False, False, 100)]
            assert [line.split(None, 1)[1] for line in lines if line.startswith("warning")] == list(warnings)


async def test_the_collector_on_request_tells_what_only_it_could_free() -> None:
    def tie(task: FetchTask) -> None:
        knot: list[object] = [task]
        knot.append(knot)

    gc.disable()
    try:
        with checked_wire() as wire:
            engine = FetchEngine(open_transport=wire.open, grace=0.0)
            shots: list[object] = []
            async with engine:
                controller = Controller(engine, shots.append, [])  # type: ignore[arg-type]
                async with anyio.create_task_group() as group:
                    group.start_soon(controller.run)
                    controller.lend(controller.submit("http://a.test/ok"), tie)
                    await become(lambda: engine.census().finished == 1)
                    controller.do(Collect())
                    await become(lambda: bool(shots) and shots[-1].collected is not None)  # type: ignore[attr-defined]
                    controller.stop()
                last = shots[-1]
            assert (last.collected.before, last.collected.after) == (1, 0)  # type: ignore[attr-defined]
            assert last.census.by_gc == 1  # type: ignore[attr-defined]
    finally:
        gc.enable()


@pytest.mark.usefixtures("hurried")
async def test_a_widget_that_holds_a_handle_is_a_bug() -> None:
    leaked: list[FetchTask] = []
    async with dashboard(Keeper("http://127.0.0.1:9/", leaked.append)) as (thread, pilot):
        await until(thread, pilot, lambda s: s.counts.failed == 1)
        pane = pilot.app.screen.query_one(DonePane)
        pane.leak = leaked.pop()  # type: ignore[attr-defined]
        last = await until(thread, pilot, lambda s: s.bugs == 1)
        assert last.warnings[0] == "1 handle is held by the screen: a bug of this program"
        del pane.leak  # type: ignore[attr-defined]
        await until(thread, pilot, lambda s: s.census.alive == 0 and not s.bugs)


@pytest.mark.usefixtures("hurried")
async def test_what_others_hold_is_no_bug_of_ours() -> None:
    async with dashboard(Keeper("http://127.0.0.1:9/", KEPT.append)) as (thread, pilot):
        last = await until(thread, pilot, lambda s: bool(s.held and s.held[0].by) and has(s, OUTLIVED))
        assert last.held[0].by[-1].startswith("global tests.tui.test_inspection.KEPT")
        assert last.bugs == 0
        KEPT.clear()
        await until(thread, pilot, lambda s: not has(s, OUTLIVED))


async def test_a_search_that_is_slow_waits_to_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "CHEAP", 0.0)
    monkeypatch.setattr(held, "STALE", 0.0)
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.0, outlived_after=0.0) as engine:
            KEPT.extend([engine.submit("http://a.test/ok"), engine.submit("http://a.test/ok")])
            await become(lambda: engine.census().outlived == 2)
            handles = HeldHandles(engine)
            handles.look(time.monotonic())
            assert handles.is_asked_only
            handles.look(time.monotonic() + 1000)
            by = {row.id: bool(row.by) for row in handles.rows(lambda _: ())}
            assert by == {1: True, 2: False}
            handles.search(2)
            assert all(row.by for row in handles.rows(lambda _: ()))
            KEPT.clear()


async def test_asking_for_the_holder_of_what_is_gone_does_nothing() -> None:
    async with dashboard() as (thread, pilot):
        thread.send(FindHolders(99))
        thread.send(AddUrls(("http://127.0.0.1:9/",)))
        last = await until(thread, pilot, lambda s: s.counts.failed == 1)
        assert last.held == ()


async def test_an_idle_engine_publishes_nothing() -> None:
    async with dashboard() as (thread, pilot):
        thread.send(AddUrls(("http://127.0.0.1:9/",)))
        # The graph of the last minute moves until nothing in it differs from now.
        last = await until(thread, pilot, lambda s: s.counts.failed == 1 and not s.session.is_open and s.rate == 0)
        await pilot.pause(2.0)
        published = thread.latest
        assert published is not None
        assert (published.warnings, published.generations) == (last.warnings, last.generations)
