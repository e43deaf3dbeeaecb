"""Rates, hosts that ask for less, and retries that hold no place while they wait."""

from __future__ import annotations

import time

import anyio
import anyio.lowlevel
import pytest

from fetch_engine import FetchEngine, FetchError, FetchFailed, Limits, RetryPolicy
from fetch_engine.fetch import host_backoff
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]


async def test_requests_start_at_the_rate_that_is_allowed() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(rate=50)) as engine:
            began = time.monotonic()
            tasks = [engine.submit(f"http://{'abc'[n % 3]}.test/ok") for n in range(21)]
            await engine.join()
            assert time.monotonic() - began > 0.39
            assert {task.state for task in tasks} == {"done"}


async def test_those_that_waited_for_the_client_keep_their_distance_too() -> None:
    with checked_wire() as wire:
        wire.opening = anyio.Event()
        async with FetchEngine(open_transport=wire.open, limits=Limits(rate=20)) as engine:
            tasks = [engine.submit("http://a.test/ok") for _ in range(6)]
            await until(lambda: engine.census().running >= 4)
            wire.opening.set()
            began = time.monotonic()
            await engine.join()
            assert time.monotonic() - began > 0.24
            assert len(tasks) == 6


async def test_a_rate_for_each_host_holds_up_no_other() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(host_rate=20)) as engine:
            began = time.monotonic()
            slow = [engine.submit("http://a.test/ok") for _ in range(9)]
            assert (await engine.submit("http://b.test/ok")).status == 200
            assert not slow[-1].done()
            await engine.join()
            assert time.monotonic() - began > 0.39
            assert all(task.done() for task in slow)


async def test_a_host_that_answers_429_slows_its_whole_lane() -> None:
    with checked_wire() as wire:
        wire.busy, wire.retry_after = 1, "1"
        async with FetchEngine(open_transport=wire.open, limits=Limits(per_host=1)) as engine:
            first = await engine.submit("http://a.test/busy")
            assert first.status == 429
            began = time.monotonic()
            others = [engine.submit("http://a.test/ok") for _ in range(2)]
            assert (await engine.submit("http://b.test/ok")).status == 200
            assert [task.state for task in others] == ["queued", "queued"]
            await engine.join()
            assert time.monotonic() - began > 0.9


async def test_without_retry_after_a_host_rests_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_backoff, "FIRST_REST", 0.05)
    with checked_wire() as wire:
        wire.busy = 4
        async with FetchEngine(open_transport=wire.open, limits=Limits(per_host=1)) as engine:
            began = time.monotonic()
            statuses = [(await engine.submit("http://a.test/busy")).status for _ in range(5)]
            assert statuses == [429] * 4 + [200]
            assert time.monotonic() - began > 0.05 + 0.1 + 0.2 + 0.4 - 0.01


async def test_answers_that_were_under_way_together_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_backoff, "FIRST_REST", 0.2)
    with checked_wire() as wire:
        wire.busy = 8
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit("http://a.test/busy") for _ in range(8)]
            await engine.join()
            began = time.monotonic()
            assert (await engine.submit("http://a.test/ok")).status == 200
            assert time.monotonic() - began < 20  # counted each, they would rest it for 25 s
            assert len(tasks) == 8


async def test_very_many_are_turned_away_in_pieces_and_leave_nothing() -> None:
    with checked_wire() as wire:
        wire.busy, wire.retry_after = 1, "3600"
        async with FetchEngine(open_transport=wire.open, limits=Limits(per_host=1)) as engine:
            busy = engine.submit("http://a.test/busy")
            queued = [engine.submit("http://a.test/ok") for _ in range(3000)]
            before: list[int] = []

            async def count_turns() -> None:
                while not queued[-1].done():
                    before.append(sum(task.done() for task in queued[::100]))
                    await anyio.lowlevel.checkpoint()

            with anyio.fail_after(60):
                await count_turns()
            assert len({*before}) > 5, "the loop had no turn in between"
            assert (await busy).status == 429
            assert (await engine.submit("http://b.test/ok")).status == 200
            kinds = {
                (task.outcome.kind, task.outcome.attempts) for task in queued if isinstance(task.outcome, FetchError)
            }
            assert kinds == {("host-busy", 0)}
            assert engine.hosts.held == 0
            assert engine.census().running == 0
            queued.clear()
            del busy
            await all_let_go(engine)
            lanes = engine._scheduler.lanes
            assert (lanes.running, lanes.waiting(), lanes._lanes, lanes._refused) == (0, [], {}, {})
        assert wire.started == ["http://a.test/busy", "http://b.test/ok"]


@pytest.mark.parametrize("how", ["cancel", "drop", "close"])
async def test_ended_while_it_is_turned_away(how: str) -> None:
    with checked_wire() as wire:
        wire.busy, wire.retry_after = 1, "3600"
        async with FetchEngine(open_transport=wire.open, limits=Limits(per_host=1)) as engine:
            busy = engine.submit("http://a.test/busy")
            queued = [engine.submit("http://a.test/ok") for _ in range(3000)]
            while not queued[0].done():
                await anyio.lowlevel.checkpoint()
            assert not queued[-1].done()
            if how == "cancel":
                for task in queued:
                    task.cancel()
                await engine.join()
                del task
            elif how == "drop":
                queued.clear()
                del busy
                await all_let_go(engine)
        assert {task.state for task in queued} <= {"failed", "cancelled"}
        assert wire.started == ["http://a.test/busy"]


async def test_a_host_that_was_refused_is_asked_again_when_its_time_has_passed() -> None:
    with checked_wire() as wire:
        wire.busy, wire.retry_after = 1, "1"
        async with FetchEngine(open_transport=wire.open, limits=Limits(max_host_wait=0)) as engine:
            assert (await engine.submit("http://a.test/busy")).status == 429
            with pytest.raises(FetchFailed, match=r"host-busy: not sent: a\.test answered 429 and asked to wait 1 s"):
                await engine.submit("http://a.test/ok")
            await until(lambda: not engine.hosts.resting(), 30)
            assert (await engine.submit("http://a.test/ok")).status == 200


async def test_who_iterates_goes_on_past_a_host_that_rests() -> None:
    with checked_wire() as wire:
        wire.busy, wire.retry_after = 1, "50"
        urls = ["http://a.test/busy", *["http://a.test/ok"] * 1200, *["http://b.test/ok"] * 3]
        async with FetchEngine(open_transport=wire.open, limits=Limits(per_host=1)) as engine:
            found = []
            with anyio.fail_after(60):
                completions = engine.as_completed(urls, window=4)
                async for task in completions:
                    found.append(task.url)
                    del task
                    if len(found) == 4:
                        break
            assert found == ["http://a.test/busy", *["http://b.test/ok"] * 3]
            assert engine.hosts.held == 1200
            del completions
            await all_let_go(engine)


async def test_a_wait_for_a_retry_holds_no_place() -> None:
    with checked_wire() as wire:
        wire.busy = 1
        retry = RetryPolicy(retries=1, delay=60, max_delay=60)
        async with FetchEngine(
            open_transport=wire.open, limits=Limits(concurrency=1, per_host=1), retry=retry
        ) as engine:
            waiting = engine.submit("http://a.test/fail")
            assert (await engine.submit("http://b.test/ok")).status == 200
            assert waiting.state == "queued"
            assert waiting.recorder.attempts == 1
            assert waiting.recorder.retry_at is not None
            assert engine.census().running == 1
            del waiting
            await all_let_go(engine)
            assert engine._scheduler.lanes._lanes == {}


@pytest.mark.parametrize("how", ["cancel", "drop", "close"])
async def test_ended_while_its_host_rests(how: str) -> None:
    with checked_wire() as wire:
        wire.busy, wire.retry_after = 1, "30"
        retry = RetryPolicy(retries=1)
        async with FetchEngine(open_transport=wire.open, retry=retry) as engine:
            resting = engine.submit("http://a.test/busy")
            await until(lambda: resting.recorder.retry_at is not None)
            queued = engine.submit("http://a.test/ok")
            if how == "cancel":
                resting.cancel()
                queued.cancel()
                await engine.join()
            elif how == "drop":
                del resting, queued
                await all_let_go(engine)
        assert wire.started == ["http://a.test/busy"]


async def test_each_attempt_is_on_record() -> None:
    with checked_wire() as wire:
        wire.busy = 2
        retry = RetryPolicy(retries=2, delay=0)
        async with FetchEngine(open_transport=wire.open, retry=retry, limits=Limits()) as engine:
            wire.retry_after = "0"
            result = await engine.submit("http://a.test/busy")
            assert (result.status, result.attempts) == (200, 3)
            assert [attempt.status for attempt in result.retried] == [429, 429]
            with pytest.raises(FetchFailed) as caught:
                await engine.submit("http://a.test/fail")
            error: FetchError = caught.value.error
            assert error.attempts == 3
            assert [attempt.error for attempt in error.retried] == ["connect", "connect"]
            assert all(attempt.elapsed >= 0 <= attempt.waited for attempt in error.retried)
            del caught


async def test_a_dying_host_is_not_hammered() -> None:
    with checked_wire() as wire:
        retry = RetryPolicy(retries=3, delay=0, budget=0.1)
        async with FetchEngine(open_transport=wire.open, retry=retry) as engine:
            tasks = [engine.submit("http://a.test/fail") for _ in range(200)]
            fine = [engine.submit("http://b.test/ok") for _ in range(10)]
            await engine.join()
            attempts = sum(task.outcome.attempts for task in tasks if task.outcome is not None)
            assert 200 + 30 <= attempts <= 200 + 30 + 0.1 * 200 + 1  # without a budget 800
            assert {task.state for task in fine} == {"done"}


async def test_no_retry_starts_after_the_time_for_all() -> None:
    with checked_wire() as wire:
        retry = RetryPolicy(retries=1000, delay=0.01, max_delay=0.01, max_time=0.2)
        async with FetchEngine(open_transport=wire.open, retry=retry) as engine:
            with pytest.raises(FetchFailed) as caught:
                await engine.submit("http://a.test/fail")
            assert 1 < caught.value.error.attempts < 500
            del caught
