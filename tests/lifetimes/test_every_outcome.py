"""Whatever becomes of fetches, they end at 0 alive, 0 leases, every client closed once, and leave nothing behind."""

from __future__ import annotations

import gc
import types
from collections import Counter

import anyio
import pytest

from fetch_engine import (
    ErrorKind,
    FetchCancelled,
    FetchEngine,
    FetchError,
    FetchFailed,
    FetchResult,
    FetchState,
    FetchTask,
    Limits,
)
from fetch_engine.core.task import Job
from fetch_engine.model.recorder import Recorder
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


async def outcome_of(task: FetchTask) -> FetchResult | FetchError:
    try:
        return await task
    except (FetchFailed, FetchCancelled) as failure:
        return failure.error


async def test_sequential_and_parallel_successes() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, grace=0.01) as engine:
            for _ in range(300):
                result = await engine.submit(f"{HOST}/ok")
                assert result.status == 200
            tasks = [engine.submit(f"{HOST}/ok") for _ in range(100)]
            for task in tasks:
                assert (await task).preview == b"hello"
            assert engine.census().finished == 100
            del tasks, task
            await all_let_go(engine)
            await until(lambda: not engine.session.is_open)
            assert engine.session.closed_generations == engine.session.generation == 1
    assert len(wire.clients) == 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/fail", ErrorKind.CONNECT),
        ("/bug", ErrorKind.INTERNAL),
        ("/to/b.test/to/a.test/to/b.test/fail", ErrorKind.CONNECT),
        ("/to/b.test:0/", ErrorKind.REDIRECT_REFUSED),
    ],
)
async def test_failures(path: str, kind: ErrorKind) -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit(HOST + path) for _ in range(50)]
            for task in tasks:
                error = await outcome_of(task)
                assert isinstance(error, FetchError)
                assert error.kind is kind
                assert task.state is FetchState.FAILED
            del tasks, task
            await all_let_go(engine)


async def test_urls_that_cannot_be_fetched_fail_as_others_do() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            for url, kind in [
                ("http://", ErrorKind.INVALID_URL),
                ("", ErrorKind.INVALID_URL),
                ("gopher://a.test/", ErrorKind.UNSUPPORTED_SCHEME),
            ]:
                with pytest.raises(FetchFailed) as caught:
                    await engine.submit(url)
                assert caught.value.error.kind is kind
                del caught
            await all_let_go(engine)
    assert wire.started == []


async def test_a_mixture_of_all_outcomes() -> None:
    outcomes: Counter[str] = Counter()
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=5, per_host=3)) as engine:

            async def one(number: int) -> None:
                url = f"http://{'abc'[number % 3]}.test"
                match number % 6:
                    case 0:
                        task = engine.submit(f"{url}/ok")
                    case 1:
                        task = engine.submit(f"{url}/status/503")
                    case 2:
                        task = engine.submit(f"{url}/fail")
                    case 3:
                        task = engine.submit(f"{url}/hang", timeout=0.01)
                    case 4:
                        task = engine.submit(f"{url}/hang")
                        await anyio.sleep(0.001 * (number % 5))
                        task.cancel()
                    case _:
                        engine.submit(f"{url}/hang")
                        return
                outcome = await outcome_of(task)
                outcomes[str(outcome.status) if isinstance(outcome, FetchResult) else outcome.kind] += 1

            async with anyio.create_task_group() as group:
                for number in range(120):
                    group.start_soon(one, number)
            await all_let_go(engine)
            assert engine.census().opened == 120
    assert outcomes == {"200": 20, "503": 20, "connect": 20, "timeout-total": 20, "cancelled": 20}
    assert wire.peak_in_all <= 5
    assert max(wire.peak.values()) <= 3


def left_behind() -> Counter[type]:
    """What a fetch may leave alive only while somebody wants it, by type; the collector must be off."""
    kinds = (Job, Recorder, FetchTask, FetchFailed, FetchCancelled, FetchResult, FetchError)
    return Counter(
        type(thing)
        for thing in gc.get_objects()
        if isinstance(thing, kinds)
        or (isinstance(thing, types.FrameType) and is_of_engine(thing))
        or (isinstance(thing, types.TracebackType) and is_of_engine(thing.tb_frame))
    )


def is_of_engine(frame: types.FrameType) -> bool:
    return "fetch_engine" in frame.f_code.co_filename


@pytest.mark.parametrize("path", ["/ok", "/status/404", "/fail", "/bug", "/hang", "/to/b.test/ok", "no url", "/to/b/"])
async def test_nothing_is_left_behind(path: str) -> None:
    """Not one job, recorder, exception or frame survives, with the collector off."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            before = left_behind()

            async def run() -> None:
                task = engine.submit(HOST + path if path.startswith("/") else path)
                if path == "/hang":
                    await until(lambda: bool(wire.started))
                    task.cancel()
                await outcome_of(task)

            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(run)
            await all_let_go(engine)
            # The suspended frames of the engine's own tasks come and go; none may have stayed.
            await anyio.sleep(0.01)
            assert left_behind() - before == Counter()
