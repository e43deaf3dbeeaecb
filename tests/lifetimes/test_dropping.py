"""A dropped handle: queued, its request never starts; running, it is cancelled. Its lease comes back after that."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from fetch_engine import FetchEngine, FetchState, Limits
from fetch_engine.core import mailbox
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


async def test_hundred_dropped_of_which_eight_run() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=8)) as engine:
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(100)]
            await until(lambda: len(wire.started) == 8)
            assert (engine.census().running, engine.census().queued) == (8, 92)
            tasks.clear()
            await all_let_go(engine)
            assert engine.census().dropped_before_start == 92
    assert len(wire.cancelled) == 8
    assert len(wire.started) == 8


async def test_queued_ones_behind_a_running_one_never_start() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=1)) as engine:
            first = engine.submit(f"{HOST}/hang")
            others = [engine.submit(f"{HOST}/{number}") for number in range(100)]
            await until(lambda: bool(wire.started))
            others.clear()
            wire.release.set()
            assert (await first).status == 200
            await turns(5)
    assert wire.started == [f"{HOST}/hang"]


async def test_dropped_at_once_they_never_start() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            for _ in range(50):
                engine.submit(f"{HOST}/ok")
            census = engine.census()
            assert (census.opened, census.alive, census.dropped_before_start) == (50, 0, 50)
            await all_let_go(engine)
    assert wire.clients == []


@pytest.mark.parametrize("before", [0, 1, 2, 3, 4, 5, 6, 8])
async def test_dropped_after_some_turns_of_the_loop(before: int) -> None:
    """Whichever step the runner is at, the request does not go on."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(5)]
            await turns(before)
            tasks.clear()
            await all_let_go(engine)
            assert len(wire.cancelled) == len(wire.started)
            assert wire.finished == []


async def test_a_drop_acts_without_any_further_call_of_the_engine() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/hang")
            await until(lambda: bool(wire.started))
            del task
            await turns(10)
            assert wire.cancelled == [f"{HOST}/hang"]


async def test_the_lease_is_held_until_the_runner_has_ended() -> None:
    """Closing the client when the handle dies would close it under the runner."""
    with checked_wire() as wire:
        wire.shielded = 0.05
        async with FetchEngine(open_transport=wire.open, grace=0.0) as engine:
            task = engine.submit(f"{HOST}/hang")
            await until(lambda: bool(wire.started))
            del task
            await turns(5)
            census = engine.census()
            assert (census.alive, census.dropping, engine.session.leases) == (0, 1, 1)
            assert engine.session.is_open
            assert wire.closes == [0]
            await all_let_go(engine)
            await until(lambda: not engine.session.is_open)


async def test_a_job_whose_handle_died_while_it_waited_for_its_runner_does_not_start() -> None:
    """The place is given before the runner runs; handles that died in between are thousands of entries away."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=1)) as engine:
            first = engine.submit(f"{HOST}/first")
            crowd = [engine.submit(f"{HOST}/crowd") for _ in range(2 * mailbox.AT_ONCE)]
            second = [engine.submit(f"{HOST}/second")]
            crowd.clear()
            del first
            second.clear()
            await all_let_go(engine)
    assert wire.started == []


@pytest.mark.parametrize("at_once", [1, 2, 3])
async def test_work_goes_on_where_one_round_of_the_mailbox_ends(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "AT_ONCE", at_once)
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=2)) as engine:
            tasks = [engine.submit(f"{HOST}/ok") for _ in range(20)]
            with anyio.CancelScope(deadline=anyio.current_time() + 5):
                for task in tasks:
                    assert (await task).status == 200
            assert all(task.state is FetchState.DONE for task in tasks)
            del tasks, task
            await all_let_go(engine)


async def test_a_tight_loop_of_submit_and_drop_leaves_no_heap_of_entries_and_wakes() -> None:
    """The loop gets no turn in between: `submit` itself acts on what has been posted."""
    peak = wakes = 0
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            entries = engine._scheduler.mailbox
            wake = entries._wake
            assert wake is not None

            def counted() -> None:
                nonlocal wakes
                wakes += 1
                wake()

            entries._wake = counted
            for _ in range(20_000):
                engine.submit(f"{HOST}/ok")
                peak = max(peak, len(entries))
            assert engine.census().closed == 20_000
            assert wakes < 10
            assert len(engine._scheduler._owed) < 20
            await all_let_go(engine)
            entries._wake = wake
    assert peak < 10
    assert wire.started == []


async def test_a_dropped_one_gives_its_place_to_the_next() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=1)) as engine:
            tasks = {number: engine.submit(f"{HOST}/hang{number}") for number in range(5)}
            for number in range(5):
                await until(lambda: len(wire.started) == number + 1)  # noqa: B023 - called at once
                del tasks[number]
            await all_let_go(engine)
    assert wire.started == wire.cancelled == [f"{HOST}/hang{number}" for number in range(5)]
