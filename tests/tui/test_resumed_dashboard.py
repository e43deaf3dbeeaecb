"""The dashboard writes its run down as it goes, and shows it again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from textual.pilot import Pilot

from fetch_engine.curl.globbing import parse_glob
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import FetchError
from fetch_engine.store.reader import Reader, RunFacts
from tests.headless.program import run
from tests.tui.test_whole_dashboard import until
from tui.bridge.engine_thread import EngineThread
from tui.bridge.snapshot import Cancel, Command
from tui.demo.server import demo_server
from tui.entry.commands import AddGlob, AddRequests, AddUrls
from tui.inputs.sources import open_input
from tui.options.table import parse
from tui.rows.stored_rows import StoredRows
from tui.run.engine_options import engine_for, request_for
from tui.run.resume import open_run, store_path
from tui.screen.app import DashboardApp
from tui.screen.main import Reader as Companion

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return store_path()


class Session:
    """One run of the dashboard, put together as the program does it, with a pilot for its screen."""

    def __init__(self, *arguments: str) -> None:
        options = parse(arguments, stdout_is_terminal=True)
        self.opened = open_run(options, open_input)
        self.thread = EngineThread(
            partial(engine_for, options, first_id=self.opened.first_id, announce=self.opened.journal.announce),
            [Companion(self.opened.requests)],
            make_request=partial(request_for, options),
            journal=self.opened.journal,
        )
        self.stored = StoredRows(store_path(), self.opened.journal, self.opened.earlier)
        self.app = DashboardApp(self.thread, stored=self.stored)
        self.thread.on_snapshot = self.app.snapshot_ready

    def close(self) -> None:
        assert self.thread.stop()
        self.opened.requests.close()
        assert self.opened.journal.close()
        self.stored.close()
        assert self.thread.failure is None

    async def run(self, *commands: Command, done: int, ended: int | None = None) -> list[str]:
        """Do it until so many have ended; the URLs in the pane of ended fetches, the newest first."""
        self.thread.start()
        try:
            async with self.app.run_test(size=(140, 40)) as pilot:
                for command in commands:
                    self.thread.send(command)
                await until(self.thread, pilot, lambda s: s.counts.responded + s.counts.cancelled >= done)
                return await self._shown(pilot)
        finally:
            self.close()

    async def _shown(self, pilot: Pilot[None]) -> list[str]:
        await pilot.pause(0.1)
        self.app.pull()
        rows = self.app.done
        return [rows.row(place).url for place in range(len(rows))]


def facts(store: Path, run: int = 1) -> RunFacts:
    with Reader(store) as reader:
        found = reader.run(run)
    assert found is not None
    return found


async def test_what_had_ended_is_shown_again_and_the_rest_is_fetched(server: str, store: Path) -> None:
    wanted = [f"{server}/fast?i=1", f"{server}/slow?s=1&i=2", f"{server}/fast?i=3"]
    session = Session("--per-host", "1", *wanted, f"{server}/hang", f"{server}/fast?i=4")
    first = await session.run(done=3)
    assert first == list(reversed(wanted))
    assert (facts(store).done, facts(store).left, facts(store).complete) == (3, 2, False)
    again = Session("--resume")
    assert await again.run(AddUrls((f"{server}/fast?i=5",)), done=2) == [
        f"{server}/fast?i=5",
        f"{server}/fast?i=4",
        *first,
    ]
    assert [again.app.done.row(place).id for place in (2, 3, 4)] == [3, 2, 1]
    ids = [again.app.done.row(place).id for place in (0, 1)]
    assert min(ids) > 3
    with Reader(store) as reader:
        assert [result.place for result in reader.results(1, 0, 9)] == [0, 1, 2, 3, 4]
        assert [request.url for request, _ in reader.unfinished(1)] == [f"{server}/hang"]


async def test_what_the_screen_showed_is_not_written_by_a_run_without_one(server: str, store: Path) -> None:
    await Session("--per-host", "1", f"{server}/fast?i=1", f"{server}/hang", f"{server}/fast?i=2").run(done=1)
    before = facts(store)
    assert before.left > 0
    ended = await anyio.to_thread.run_sync(lambda: run("--resume", "--headless", "--max-time", "0.3"))
    assert len(ended.lines) == before.left
    assert not any(line["resumed"] for line in ended.lines)


async def test_of_what_may_have_been_sent_the_screen_says_so(server: str, store: Path) -> None:
    first = Session("--headless", "-X", "POST", f"{server}/hang", f"{server}/fast", "-j", "1")
    first.thread.start()
    async with first.app.run_test() as pilot:
        await until(first.thread, pilot, lambda s: s.census.running == 1)
        await pilot.pause(1.0)
    first.close()
    with sqlite3.connect(store) as database:  # as a kill leaves it
        database.execute("DELETE FROM results")
    database.close()
    again = Session("--resume")
    shown = await again.run(done=1)
    assert shown == [f"{server}/fast", f"{server}/hang"]
    outcome = again.app.done.row(1).outcome
    assert isinstance(outcome, FetchError)
    assert "unknown outcome" in outcome.message


async def test_requests_keep_their_method_headers_and_body(server: str, store: Path) -> None:
    request = FetchRequest(f"{server}/hang", "PUT", (("X-One", "1"),), b"body", insecure=True)
    session = Session(f"{server}/fast")
    await session.run(AddRequests((request,)), done=1)
    with Reader(store) as reader:
        [(left, _)] = reader.unfinished(1)
    assert (left.method, left.headers, left.body, left.insecure) == ("PUT", (("X-One", "1"),), b"body", True)


async def test_the_same_request_again_is_one_more(server: str, store: Path) -> None:
    session = Session(f"{server}/fast")
    await session.run(AddRequests((FetchRequest(f"{server}/fast"),)), done=2)
    with Reader(store) as reader:
        again = reader.results(1, 0, 1)[0].request
    await Session("--resume").run(AddRequests((again,)), done=1)
    assert (facts(store).done, facts(store).left, facts(store).complete) == (3, 0, True)


async def test_a_glob_goes_on_where_it_was(server: str, store: Path) -> None:
    glob = parse_glob(f"{server}/slow?s=0.05&i=[1-400]")
    session = Session("--per-host", "1", "-j", "1", f"{server}/fast")
    await session.run(AddGlob(glob), done=3)
    before = facts(store)
    assert before.asked < 100  # written down as it is taken, and not at once
    shown = await Session("--resume", "--per-host", "64").run(done=401 - before.done)
    assert len(shown) == len(set(shown)) == 401
    assert facts(store).complete


async def test_what_was_cancelled_is_not_fetched_again(server: str, store: Path) -> None:
    session = Session("-j", "1", f"{server}/fast")
    waiting = AddUrls(tuple(f"{server}/hang?i={number}" for number in range(50)))
    glob = AddGlob(parse_glob(f"{server}/hang?i=[1-1000000]"))
    session.thread.start()
    try:
        async with session.app.run_test() as pilot:
            session.thread.send(waiting)
            session.thread.send(glob)
            await until(session.thread, pilot, lambda s: s.census.running == 1 and s.waiting > 1000)
            session.thread.send(Cancel(None))
            await until(session.thread, pilot, lambda s: s.waiting == s.census.running == s.census.queued == 0)
    finally:
        session.close()
    assert facts(store).left == 0
    again = open_run(parse(["--resume"], stdout_is_terminal=True), open_input)
    with anyio.fail_after(60):
        assert [request async for request in again.requests] == []
    again.journal.close()


@pytest.fixture
def damaged(store: Path) -> None:
    store.parent.mkdir(parents=True)
    store.write_bytes(b"no database" * 100)


@pytest.mark.usefixtures("damaged")
async def test_a_store_that_was_damaged_is_told_on_the_screen(server: str) -> None:
    session = Session(f"{server}/fast?i=1", f"{server}/fast?i=2")
    await session.run(done=2)
    assert session.thread.latest is not None
    assert any("a new store was begun" in line for line in session.thread.latest.warnings)
    assert facts(store_path()).done == 2
