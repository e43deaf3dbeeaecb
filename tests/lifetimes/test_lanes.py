"""Places: bounded in all and per host, first come first served within a host, hosts take turns."""

from __future__ import annotations

import anyio
import pytest

from fetch_engine import FetchEngine, FetchState, Limits
from fetch_engine.core.host_queues import HostQueues
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

in_the_loop = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]


class TestLanes:
    def test_hosts_take_turns(self) -> None:
        lanes: HostQueues[str] = HostQueues(concurrency=100, per_host=100)
        for ticket in ("a1", "a2", "a3", "b1", "b2", "c1"):
            lanes.push(ticket[0], ticket)
        assert [lanes.pop() for _ in range(7)] == ["a1", "b1", "c1", "a2", "b2", "a3", None]

    def test_bounded_per_host(self) -> None:
        lanes: HostQueues[str] = HostQueues(concurrency=100, per_host=2)
        for ticket in ("a1", "a2", "a3", "b1"):
            lanes.push(ticket[0], ticket)
        assert [lanes.pop() for _ in range(4)] == ["a1", "b1", "a2", None]
        lanes.release("b")
        assert lanes.pop() is None
        lanes.release("a")
        assert lanes.pop() == "a3"

    def test_bounded_in_all(self) -> None:
        lanes: HostQueues[str] = HostQueues(concurrency=2, per_host=2)
        for ticket in ("a1", "b1", "c1"):
            lanes.push(ticket[0], ticket)
        assert [lanes.pop() for _ in range(3)] == ["a1", "b1", None]
        lanes.release("a")
        assert lanes.pop() == "c1"
        assert lanes.running == 2

    def test_removed_and_ahead(self) -> None:
        lanes: HostQueues[str] = HostQueues(concurrency=9, per_host=9)
        for ticket in ("a1", "a2", "a3"):
            lanes.push("a", ticket)
        lanes.push("a", "a0", ahead=True)
        assert lanes.remove("a", "a2")
        assert not lanes.remove("a", "a2")
        assert not lanes.remove("b", "a2")
        assert lanes.waiting() == ["a0", "a1", "a3"]
        assert [lanes.pop() for _ in range(4)] == ["a0", "a1", "a3", None]
        for _ in range(3):
            lanes.release("a")
        assert (lanes._lanes, lanes.running) == ({}, 0)


class TestInTheLoop:
    pytestmark = in_the_loop

    async def test_first_come_first_served_within_a_host(self) -> None:
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=3, per_host=1)) as engine:
                tasks = [engine.submit(f"http://{'ab'[n % 2]}.test/ok?{n}") for n in range(40)]
                await engine.join()
                for host in "ab":
                    started = [url for url in wire.started if f"//{host}." in url]
                    assert started == [task.url for task in tasks if f"//{host}." in task.url]

    async def test_a_slow_host_starves_no_other(self) -> None:
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4, per_host=2)) as engine:
                slow = [engine.submit("http://slow.test/hang") for _ in range(100)]
                fast = [engine.submit("http://fast.test/ok") for _ in range(50)]
                await until(lambda: all(task.done() for task in fast))
                assert wire.running["slow.test"] == 2
                assert wire.peak["fast.test"] == 2
                slow.clear()
                fast.clear()
                await all_let_go(engine)

    async def test_more_hosts_than_places_take_turns(self) -> None:
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=1)) as engine:
                tasks = [engine.submit(f"http://{host}.test/hang") for host in "zaaaabbbbcccc"]
                await until(lambda: bool(wire.started))
                wire.release.set()
                await engine.join()
                assert [url[7] for url in wire.started] == list("zabcabcabcabc")
                assert len(tasks) == 13

    async def test_a_redirect_takes_a_place_with_the_host_it_leads_to(self) -> None:
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=8, per_host=2)) as engine:
                tasks = [engine.submit(f"http://a.test/to/b.test/hang?{n}") for n in range(6)]
                await until(lambda: wire.running["b.test"] == 2)
                # Those that wait for b hold no place with a.
                assert (await engine.submit("http://a.test/ok")).status == 200
                assert wire.running["b.test"] == 2
                wire.release.set()
                for task in tasks:
                    result = await task
                    assert (result.status, len(result.redirects)) == (200, 1)
                assert wire.peak["b.test"] == 2
                del task, tasks
                await all_let_go(engine)

    async def test_crossing_redirects_do_not_block_each_other(self) -> None:
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=2, per_host=1)) as engine:
                tasks = [engine.submit(f"http://{a}.test/to/{b}.test/to/{a}.test/ok") for a, b in ("ab", "ba") * 10]
                with anyio.CancelScope(deadline=anyio.current_time() + 10):
                    await engine.join()
                assert {task.state for task in tasks} == {FetchState.DONE}
                assert wire.peak == {"a.test": 1, "b.test": 1}

    @pytest.mark.parametrize("how", ["cancel", "drop", "time out", "close"])
    async def test_stopped_while_it_waits_for_its_new_place(self, how: str) -> None:
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4, per_host=1)) as engine:
                blocker = engine.submit("http://b.test/hang")
                await until(lambda: wire.running["b.test"] == 1)
                tasks = [
                    engine.submit("http://a.test/to/b.test/ok", timeout=0.5 if how == "time out" else None)
                    for _ in range(3)
                ]
                await until(lambda: len(wire.finished) == 3)
                await turns(3)
                assert engine.census().running == 4
                if how == "cancel":
                    for task in tasks:
                        task.cancel()
                    del task
                elif how == "drop":
                    tasks.clear()
                if how != "close":
                    await until(lambda: engine.census().running == 1 and not engine.census().dropping)
                    wire.release.set()
                    assert (await blocker).status == 200
                    assert (await engine.submit("http://b.test/ok")).status == 200
                    tasks.clear()
                    del blocker
                    await all_let_go(engine)
            lanes = engine._scheduler.lanes
            assert (lanes.running, lanes._lanes, dict(lanes._ready)) == (0, {}, {})

    async def test_a_redirected_one_goes_ahead_of_those_that_have_not_run(self) -> None:
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4, per_host=1)) as engine:
                blocker = engine.submit("http://b.test/hang")
                others = [engine.submit("http://b.test/other") for _ in range(3)]
                redirected = engine.submit("http://a.test/to/b.test/redirected")
                await until(lambda: len(wire.finished) == 1)
                await turns(3)
                wire.release.set()
                await engine.join()
                assert wire.started[2:] == ["http://b.test/redirected"] + ["http://b.test/other"] * 3
                assert blocker.done()
                assert redirected.done()
                assert len(others) == 3
