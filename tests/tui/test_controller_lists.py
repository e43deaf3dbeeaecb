"""Lists that the controller is given: made into requests only as they are fetched, each record with its request."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import anyio
import pytest

from fetch_engine import FetchEngine, FetchRequest, Limits
from fetch_engine.curl.globbing import UrlGlob, parse_glob
from fetch_engine.store.values import StoredRequest
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import until
from tui.bridge.controller import Controller
from tui.bridge.snapshot import Cancel, Command, FinishedRecord, Snapshot
from tui.entry.commands import AddGlob, AddRequests, AddUrls

pytestmark = pytest.mark.anyio


class Records(deque[FinishedRecord]):
    """Tells when enough have come."""

    def __init__(self, enough: int) -> None:
        super().__init__()
        self._enough = enough
        self.arrived = anyio.Event()

    def extend(self, records: Iterable[FinishedRecord]) -> None:
        super().extend(records)
        if len(self) >= self._enough:
            self.arrived.set()


async def ended(commands: list[Command], enough: int) -> tuple[list[FinishedRecord], list[Snapshot]]:
    """The records that these commands lead to, the rest cancelled when there are enough, and all snapshots."""
    records = Records(enough)
    snapshots: list[Snapshot] = []
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4)) as engine:
            controller = Controller(
                engine,
                snapshots.append,
                records,
                make_request=lambda url: FetchRequest(url, headers=(("X-Default", "1"),)),
                per_second=100,
            )
            async with anyio.create_task_group() as group:
                group.start_soon(controller.run)
                for command in commands:
                    controller.do(command)
                with anyio.fail_after(60):
                    await records.arrived.wait()
                controller.do(Cancel(None))
                controller.stop()
    return list(records), snapshots


async def test_a_record_carries_the_request_that_was_made() -> None:
    posted = FetchRequest("http://h/ok", method="POST", body=b"x", insecure=True)
    records, _ = await ended([AddRequests((posted,)), AddUrls(("http://h/ok?2",))], 2)
    assert {record.url: record.request for record in records} == {
        "http://h/ok": posted,
        "http://h/ok?2": FetchRequest("http://h/ok?2", headers=(("X-Default", "1"),)),
    }


async def test_a_stored_request_is_repeated_as_a_new_one() -> None:
    stored = StoredRequest("http://h/ok", method="PUT", number=7)
    records, _ = await ended([AddRequests((stored,)), AddGlob(parse_glob("http://h/ok"), stored)], 2)
    assert [record.request for record in records] == [FetchRequest("http://h/ok", method="PUT")] * 2


async def test_a_running_row_carries_it_too() -> None:
    request = FetchRequest("http://h/hang", method="PUT")
    _, snapshots = await ended([AddRequests((request, FetchRequest("http://h/ok")))], 1)
    assert request in {row.request for snapshot in snapshots for row in snapshot.active}


class CountingGlob:
    """Counts the URLs that were written out."""

    def __init__(self, glob: UrlGlob) -> None:
        self._glob = glob
        self.count = glob.count
        self.read = 0

    def __iter__(self) -> CountingGlob:
        self._urls = iter(self._glob)
        return self

    def __next__(self) -> str:
        self.read += 1
        return next(self._urls)


async def test_a_glob_of_a_million_is_written_out_as_it_is_fetched() -> None:
    glob = CountingGlob(parse_glob("http://h/ok/[1-1000000]"))
    template = FetchRequest("", method="HEAD")
    commands: list[Command] = [AddGlob(glob, template), AddUrls(("http://h/ok/own",))]  # type: ignore[arg-type]
    records, snapshots = await ended(commands, 100)
    assert glob.read < 1000
    assert max(snapshot.waiting for snapshot in snapshots) > 990_000
    assert snapshots[-1].waiting == 0
    urls = [record.url for record in records]
    assert "http://h/ok/own" in urls[:20]  # it did not wait for the million
    assert urls[0] == "http://h/ok/1"
    assert records[0].request == FetchRequest("http://h/ok/1", method="HEAD")


async def test_a_glob_without_a_request_takes_the_defaults() -> None:
    records, _ = await ended([AddGlob(parse_glob("http://h/ok/{a,b}"))], 2)
    assert [record.request for record in records] == [
        FetchRequest(f"http://h/ok/{name}", headers=(("X-Default", "1"),)) for name in "ab"
    ]


async def test_the_redraw_rate_holds_no_fetch_up() -> None:
    urls = tuple(f"http://h/ok/{number}" for number in range(200))
    records: deque[FinishedRecord] = deque()
    shown: list[tuple[int, int]] = []  # ended fetches by each snapshot, and those of them that have come as records
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4)) as engine:
            controller = Controller(
                engine,
                lambda snapshot: shown.append((snapshot.counts.responded, len(records))),
                records,
                per_second=0.01,
            )
            async with anyio.create_task_group() as group:
                group.start_soon(controller.run)
                controller.do(AddUrls(urls))
                await until(lambda: engine.census().closed == len(urls))  # each handle was let go as its fetch ended
                assert len(records) == shown[-1][0]  # who looks now sees no fetch both running and done
                controller.stop()
    assert {record.url for record in records} == set(urls)
    assert len(shown) < 5  # nor does a fetch that starts or ends ask for a redraw
    assert all(done == came for done, came in shown)
