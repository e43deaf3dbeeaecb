"""A request that must not be repeated goes when that is known, and ends at once where it is not wanted any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from fetch_engine import FetchCancelled, FetchEngine, FetchFailed, FetchRequest, Limits, RetryPolicy
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

URL = "http://a.test/ok"


class Told:
    """What was announced, and how to let it go."""

    def __init__(self) -> None:
        self.requests: list[FetchRequest] = []
        self.calls: list[Callable[[], object]] = []

    def __call__(self, request: FetchRequest, go: Callable[[], object]) -> None:
        self.requests.append(request)
        self.calls.append(go)


async def test_it_waits_until_it_may_go_and_others_do_not() -> None:
    told = Told()
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, announce=told) as engine:
            post = engine.submit(FetchRequest(f"{URL}?post", "POST"))
            assert (await engine.submit(f"{URL}?get")).status == 200
            await until(lambda: len(told.calls) == 1)
            await turns(20)
            assert wire.started == [f"{URL}?get"]
            thread = threading.Thread(target=told.calls[0])  # as the store's does
            thread.start()
            assert (await post).status == 200
            thread.join()
            told.calls[0]()  # once more makes no difference
            del post
            await all_let_go(engine)
    assert [request.method for request in told.requests] == ["POST"]
    assert wire.started == [f"{URL}?get", f"{URL}?post"]


async def test_what_may_be_repeated_is_not_announced() -> None:
    told = Told()
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, announce=told, retry=RetryPolicy(all_methods=True)) as engine:
            for method in ("GET", "PUT", "POST", "PATCH"):
                assert (await engine.submit(FetchRequest(URL, method))).status == 200
    assert told.requests == []


@pytest.mark.parametrize("how", ["dropped", "cancelled", "timed out", "closed"])
async def test_it_ends_at_once_where_it_is_not_wanted(how: str) -> None:
    """Its place is free again, its lease is back, and letting it go later does nothing."""
    told = Told()
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, announce=told, limits=Limits(concurrency=1)) as engine:
            timeout = 0.05 if how == "timed out" else None
            post = engine.submit(FetchRequest(URL, "POST"), timeout=timeout)
            await until(lambda: len(told.calls) == 1)
            if how == "cancelled":
                post.cancel()
            elif how == "dropped":
                del post
            if how != "closed":
                assert (await engine.submit(f"{URL}?next")).status == 200
                told.calls[0]()
                await turns(10)
        if how == "closed":
            with pytest.raises(FetchCancelled):
                await post
        told.calls[0]()
    assert wire.started == ([] if how == "closed" else [f"{URL}?next"])
    census = engine.census()
    assert (census.alive, engine.session.leases) == (0 if how == "dropped" else 1, 0)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_hook_that_raises_fails_its_own_fetch_and_no_other(times: int) -> None:
    told = Told()
    failures = times

    def announce(request: FetchRequest, go: Callable[[], object]) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise KeyError("a bug of the hook")
        told(request, go)
        go()

    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, announce=announce, limits=Limits(concurrency=1)) as engine:
            posts = [engine.submit(FetchRequest(f"{URL}?{number}", "POST")) for number in range(times)]
            for post in posts:
                with pytest.raises(FetchFailed) as failed:
                    await post
                assert failed.value.error.kind == "internal"
                assert "a bug of the hook" in failed.value.error.message
            assert (await engine.submit(f"{URL}?get")).status == 200
            assert (await engine.submit(FetchRequest(f"{URL}?post", "POST"))).status == 200
            del post
            posts.clear()
            await all_let_go(engine)
    assert wire.started == [f"{URL}?get", f"{URL}?post"]
