"""What the surroundings raise in a finalizer, a waker or an action: the limit of recursion, no memory, Control-C."""

from __future__ import annotations

import contextlib
import copy
import pickle
import sys
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from fetch_engine import FetchEngine, FetchTask, Limits
from fetch_engine.core.deaths import LOOK_AGAIN
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.recursion import at_depth
from tests.lifetimes.test_foreign_drops import Acting
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


@pytest.fixture(autouse=True)
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Errors of finalizers, which the interpreter can only report: here they are what is being tried."""
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: reported.append(error.exc_type))
    return reported


async def walk(engine: FetchEngine, depth: int) -> None:
    await engine.submit(f"{HOST}/ok")
    await walk(engine, depth + 1)


async def test_drops_on_the_way_back_from_the_limit_of_recursion() -> None:
    """Every frame of a recursion that went too deep has its handle; those that die nearest the limit lose theirs."""

    def descend(engine: FetchEngine) -> None:
        task = engine.submit(f"{HOST}/hang")
        descend(engine)
        del task

    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            for _ in range(5):
                with pytest.raises(RecursionError):
                    descend(engine)
                with anyio.fail_after(60):
                    assert (await engine.submit(f"{HOST}/ok")).status == 200
            await all_let_go(engine, limit=60)
            assert engine.census().opened > 1000


async def test_awaits_down_to_the_limit_of_recursion() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            for _ in range(2):
                with pytest.raises(RecursionError):
                    await walk(engine, 0)
                with anyio.fail_after(60):
                    assert (await engine.submit(f"{HOST}/ok")).status == 200
            await all_let_go(engine, limit=60)


@pytest.mark.parametrize("what", ["drop", "cancel", "census", "submit", "pin", "session", "join"])
async def test_every_call_near_the_limit(what: str) -> None:
    """With each number of calls left from none to enough: it works, or raises, and the next one works."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4)) as engine:
            busy = [engine.submit(f"{HOST}/hang") for _ in range(3)]
            await until(lambda: len(wire.started) == 3)
            for left in range(40):
                held = [engine.submit(f"{HOST}/hang") for _ in range(3)]
                await turns(1)
                calls: dict[str, Callable[[], object]] = {
                    "drop": held.clear,
                    "cancel": held[0].cancel,
                    "census": engine.census,
                    "submit": lambda: held.append(engine.submit(f"{HOST}/ok")),  # noqa: B023 - called at once
                    "pin": lambda: engine.pin(held[0]),  # noqa: B023
                    "session": lambda: engine.session,
                    "join": lambda: engine.as_completed([f"{HOST}/ok"]),
                }
                with contextlib.suppress(RecursionError):
                    at_depth(left, calls[what])
                calls.clear()
                for task in held:
                    engine.unpin(task)
                    del task
                held.clear()
            with anyio.fail_after(60):
                assert (await engine.submit(f"{HOST}/ok")).status == 200
                await until(lambda: engine.alive == 3, limit=60)
            census = engine.census()
            assert (census.running, census.queued, census.finished) == (3, 0, 0)
            del busy
            await all_let_go(engine, limit=60)
            assert not vars(engine._registry)["data"]
            assert wire.finished[-1] == f"{HOST}/ok"


@pytest.mark.parametrize("error", [RecursionError, MemoryError, KeyboardInterrupt])
async def test_a_finalizer_that_fails_loses_no_drop(error: type[BaseException]) -> None:
    """Nothing else happens then: the engine looks by itself."""

    def fails(*_: object) -> None:
        raise error

    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=3)) as engine:
            setattr(engine, "_post_death", fails)  # noqa: B010 - a method
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(2)]
            await until(lambda: len(wire.started) == 2)
            setattr(engine, "_post_death", engine._scheduler.mailbox.post_death)  # noqa: B010
            done = [engine.submit("no url")]
            await until(lambda: done[0].outcome is not None)  # no bound method: trio on 3.13 keeps it for a while
            setattr(engine, "_post_death", fails)  # noqa: B010
            tasks += [engine.submit(f"{HOST}/{path}") for path in ("hang", "hang", "ok")]
            tasks.clear()
            done.clear()
            assert engine.census().alive == 5  # the one that has ended was noticed
            await all_let_go(engine, limit=60)
            assert len(wire.cancelled) >= 2
            assert LOOK_AGAIN <= 1


async def test_a_registry_whose_callback_failed_too_is_cleared() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            registry: Any = engine._registry

            def fails(*_: object) -> None:
                raise RecursionError

            setattr(engine, "_post_death", fails)  # noqa: B010 - a method
            task = engine.submit(f"{HOST}/hang")
            # As if the registry's own callback had failed: its entry stays, of a handle that is dead.
            registry.data[task.id] = weakref.ref(task)
            await until(lambda: bool(wire.started))
            del task
            assert len(registry.data) == 1
            await all_let_go(engine, limit=60)
            assert not registry.data


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_a_waker_that_fails_once_does_not_disarm_the_mailbox(error: type[Exception]) -> None:
    owner = Acting()
    wake = owner.mailbox._wake
    assert wake is not None

    def fails() -> None:
        raise error

    owner.mailbox._wake = fails
    owner.mailbox.post(Acting.note, 1)
    owner.mailbox._wake = wake
    assert owner.pending == []
    owner.mailbox.post(Acting.note, 2)
    assert len(owner.pending) == 1
    owner.pending.pop()()
    assert owner.acted == [1, 2]


def test_control_c_in_a_waker_does_not_disarm_the_mailbox() -> None:
    owner = Acting()
    wake = owner.mailbox._wake
    assert wake is not None

    def fails() -> None:
        raise KeyboardInterrupt

    owner.mailbox._wake = fails
    with pytest.raises(KeyboardInterrupt):
        owner.mailbox.post(Acting.note, 1)
    owner.mailbox._wake = wake
    owner.mailbox.post(Acting.note, 2)
    owner.pending.pop()()
    assert owner.acted == [1, 2]


@pytest.mark.parametrize("error", [RecursionError, MemoryError, KeyboardInterrupt])
def test_an_action_that_is_interrupted_is_begun_anew(error: type[BaseException]) -> None:
    acted: list[object] = []

    def once(_: object, subject: object) -> None:
        acted.append(subject)
        if len(acted) == 1:
            raise error

    owner = Acting()
    owner.mailbox.post(once, 1)
    owner.mailbox.post(once, 2)
    with pytest.raises(error):
        owner.advance()
    owner.advance()
    assert acted == [1, 1, 2]


def test_a_bug_in_an_action_does_not_come_again() -> None:
    def buggy(_: object, __: object) -> None:
        raise KeyError

    owner = Acting()
    owner.mailbox.post(buggy, 1)
    owner.mailbox.post(Acting.note, 2)
    with pytest.raises(KeyError):
        owner.advance()
    owner.advance()
    assert owner.acted == [2]


async def test_handles_cost_nothing_to_be_watched() -> None:
    """One task and one timer for all, gone when no handle is left; the look itself counts references, once."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            scheduler = engine._scheduler
            looked: list[object] = []
            deaths: Any = scheduler.deaths
            deaths.unnoticed = looked.append
            tasks = [engine.submit(f"{HOST}/ok") for _ in range(500)]
            await engine.join()
            assert deaths.watched
            assert deaths.handles() == engine.alive == 500
            await anyio.sleep(2 * LOOK_AGAIN)
            tasks.clear()
            await until(lambda: not deaths.watched, limit=60)
            assert looked == []


def test_a_handle_is_not_copied() -> None:
    task = FetchTask(None)  # type: ignore[arg-type]
    for use in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="owning it is wanting the fetch"):
            use(task)
