"""The shared session: opened lazily, one client a generation, closed once when its last lease is back."""

from __future__ import annotations

import math

import anyio
import pytest

from fetch_engine import ErrorKind, FetchEngine, FetchFailed, Limits
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.transport import Transport
from tests.lifetimes.fake_transport import FakeWire, checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


async def test_opened_by_the_first_request_not_by_a_queued_one() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            assert (engine.session.is_open, engine.session.generation, engine.session.leases) == (False, 0, 0)
            engine.submit(f"{HOST}/ok")
            await turns(3)
            assert (engine.session.is_open, engine.session.generation, engine.session.leases) == (False, 0, 0)
            task = engine.submit(f"{HOST}/hang")
            assert engine.session.leases == 1
            await until(lambda: bool(wire.started))
            assert (engine.session.is_open, engine.session.generation) == (True, 1)
            task.cancel()
            del task
            await all_let_go(engine)


async def test_within_the_grace_the_same_client_serves() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=60.0) as engine:
            for _ in range(20):
                await engine.submit(f"{HOST}/ok")
            await all_let_go(engine)
            assert engine.session.is_open
    assert len(wire.clients) == 1


async def test_after_the_grace_the_next_fetch_opens_the_next_generation() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.01) as engine:
            for generation in (1, 2, 3):
                await engine.submit(f"{HOST}/ok")
                assert engine.session.generation == generation
                await until(lambda: not engine.session.is_open)
                assert engine.session.closed_generations == generation
                assert engine.session.leases == 0


async def test_a_new_lease_during_the_grace_puts_the_closing_off() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.05) as engine:
            await engine.submit(f"{HOST}/ok")
            held = engine.submit(f"{HOST}/ok")
            await held
            await anyio.sleep(0.1)
            assert engine.session.is_open
            assert wire.closes == [0]
            del held
            await until(lambda: not engine.session.is_open)


async def test_without_grace_each_client_is_closed_once() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.0) as engine:
            for _ in range(30):
                await engine.submit(f"{HOST}/ok")
                await turns(2)
            await until(lambda: not engine.session.is_open)
    assert len(wire.clients) > 1


async def test_fetches_spaced_at_the_grace() -> None:
    """Each new one comes about when the session closes, a little before or after."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.005) as engine:
            for number in range(60):
                assert (await engine.submit(f"{HOST}/ok")).status == 200
                await anyio.sleep(0.004 + 0.0005 * (number % 5))
            await all_let_go(engine)


async def test_a_fetch_during_the_closing_runs_on_the_next_client() -> None:
    with checked_wire() as wire:
        wire.closing = anyio.Event()
        async with FetchEngine(open_transport=wire.open, grace=0.0) as engine:
            await engine.submit(f"{HOST}/ok")
            await until(lambda: wire.closes == [1])
            assert engine.session.is_open  # it is closing
            task = engine.submit(f"{HOST}/hang")
            await until(lambda: len(wire.started) == 2)
            assert engine.session.generation == 2
            assert wire.closes == [1, 0]
            wire.closing.set()
            wire.release.set()
            assert (await task).status == 200
            assert engine.session.closed_generations == 1


async def test_queued_ones_whose_client_closes_move_to_the_next() -> None:
    """A lease is on the client that is current when it is taken; with `idle_close` that one may go first."""
    with checked_wire() as wire:
        wire.closing = anyio.Event()
        async with FetchEngine(open_transport=wire.open, grace=60.0, idle_close=0.005) as engine:
            held = engine.submit(f"{HOST}/ok")
            await held
            await until(lambda: wire.closes == [1])
            later = [engine.submit(f"{HOST}/ok") for _ in range(3)]
            for task in later:
                assert (await task).status == 200
            wire.closing.set()
            assert engine.session.leases == 4


async def test_a_finished_handle_holds_the_session() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.0) as engine:
            task = engine.submit(f"{HOST}/ok")
            await task
            await anyio.sleep(0.03)
            assert (engine.session.is_open, engine.session.leases) == (True, 1)
            del task
            await until(lambda: not engine.session.is_open)


async def test_idle_close_closes_in_spite_of_finished_handles() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=60.0, idle_close=0.02) as engine:
            first = engine.submit(f"{HOST}/ok")
            await first
            await until(lambda: not engine.session.is_open)
            assert (engine.session.leases, engine.alive) == (1, 1)
            second = engine.submit(f"{HOST}/ok")
            assert (await second).status == 200
            assert engine.session.generation == 2
            assert engine.session.leases == 2
            await until(lambda: not engine.session.is_open)
            del first, second
            await all_let_go(engine)


async def test_idle_close_leaves_a_running_request_alone() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, idle_close=0.005) as engine:
            task = engine.submit(f"{HOST}/hang")
            await until(lambda: bool(wire.started))
            await anyio.sleep(0.03)
            assert wire.closes == [0]
            wire.release.set()
            assert (await task).status == 200
            await until(lambda: wire.closes == [1])


async def test_the_grace_counts_though_a_longer_idle_close_is_being_waited_for() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.01, idle_close=60.0) as engine:
            task = engine.submit(f"{HOST}/ok")
            await task
            await turns(5)
            assert engine.session.is_open
            del task
            await until(lambda: not engine.session.is_open)


@pytest.mark.parametrize("grace", [60.0, math.inf])
async def test_idle_close_counts_though_a_longer_grace_is_being_waited_for(grace: float) -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=grace, idle_close=0.02) as engine:
            await engine.submit(f"{HOST}/ok")
            await until(lambda: not engine.session.is_open)


async def test_many_fetches_open_one_client() -> None:
    with checked_wire() as wire:
        wire.opening = anyio.Event()
        async with FetchEngine(open_transport=wire.open, limits=Limits(per_host=20)) as engine:
            tasks = [engine.submit(f"{HOST}/ok") for _ in range(20)]
            await turns(5)
            tasks[0].cancel()  # the one that opens it
            await turns(5)
            wire.opening.set()
            await engine.join()
            assert [task.state for task in tasks] == ["cancelled"] + ["done"] * 19
            tasks.clear()
            await all_let_go(engine)
    assert len(wire.clients) == 1


async def test_all_dropped_while_the_client_opens() -> None:
    with checked_wire() as wire:
        wire.opening = anyio.Event()
        async with FetchEngine(open_transport=wire.open, grace=0.0) as engine:
            tasks = [engine.submit(f"{HOST}/ok") for _ in range(3)]
            await turns(5)
            tasks.clear()
            await all_let_go(engine)
            wire.opening.set()
            assert (await engine.submit(f"{HOST}/ok")).status == 200


@pytest.mark.parametrize(
    ("error", "kind"), [(AttemptFailed(ErrorKind.TLS, "no"), ErrorKind.TLS), (OSError("no"), ErrorKind.INTERNAL)]
)
async def test_a_client_that_cannot_be_opened_fails_the_fetch_not_the_engine(error: Exception, kind: ErrorKind) -> None:
    wire = FakeWire()
    refuse = True

    async def open_transport() -> Transport:
        if refuse:
            raise error
        return await wire.open()

    async with FetchEngine(open_transport=open_transport, grace=0.0) as engine:
        for _ in range(3):
            with pytest.raises(FetchFailed) as caught:
                await engine.submit(f"{HOST}/ok")
            assert caught.value.error.kind is kind
            del caught
        assert (engine.session.is_open, engine.session.generation) == (False, 0)
        refuse = False
        assert (await engine.submit(f"{HOST}/ok")).status == 200
        await all_let_go(engine)
    assert wire.closes == [1]


async def test_a_client_that_fails_to_close_harms_no_other() -> None:
    wire = FakeWire()

    async def open_transport() -> Transport:
        client = await wire.open()

        async def broken() -> None:
            raise OSError("cannot close")

        if len(wire.clients) == 1:
            client.aclose = broken  # type: ignore[method-assign]
        return client

    async with FetchEngine(open_transport=open_transport, grace=0.0) as engine:
        assert (await engine.submit(f"{HOST}/ok")).status == 200
        with pytest.warns(ResourceWarning, match="cannot close"):
            await until(lambda: engine.session.closed_generations == 1)
        task = engine.submit(f"{HOST}/ok")
        assert (await task).status == 200
        assert engine.session.generation == 2
