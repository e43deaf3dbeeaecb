"""Fetches on a Dask cluster in this process: what is dropped, lost and cut comes out right, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fetch_engine import FetchEngine, FetchFailed, FetchRequest, FetchResult, Limits, RetryPolicy
from fetch_engine.core.worker_facts import versions_here
from fetch_engine.executors.dask import client, link
from fetch_engine.executors.dask.executor import DaskExecutor
from fetch_engine.executors.dask.worker import HOOK
from fetch_engine.model.results import ErrorKind
from tests.cluster.pages import Pages
from tests.lifetimes.waiting import all_let_go, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]


def sessions(cluster: Any) -> list[Any]:
    """Those that are open on the workers."""
    return [one for worker in cluster.workers.values() for one in sessions_of(worker)]


def sessions_of(worker: Any) -> list[Any]:
    hook = worker.plugins.get(HOOK)
    return [] if hook is None else list(hook.sessions.values())


async def test_a_fetch_on_a_worker_comes_out_as_one_here(cluster: Any, pages: Pages) -> None:
    async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address)) as engine:
        small, large = engine.submit(f"{pages.base}/0/10"), engine.submit(f"{pages.base}/0/20000")
        results = [await small, await large]
        async with FetchEngine() as here:
            expected = [await here.submit(small.url), await here.submit(large.url)]
        for result, plain in zip(results, expected, strict=True):
            assert result.preview == plain.preview
            assert (result.status, result.headers, result.sha256) == (plain.status, plain.headers, plain.sha256)
            assert result.carried_by in cluster.scheduler.workers
            assert result.elapsed == result.timings.total
            assert small.recorder.bytes_received > 10


async def test_dropping_a_handle_here_ends_its_request_there(cluster: Any, pages: Pages) -> None:
    pages.held = asyncio.Event()
    async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address), limits=Limits(per_host=20)) as engine:
        tasks = [engine.submit(f"{pages.base}/0/1/{number}") for number in range(10)]
        await until(lambda: pages.running == 10, 20.0)
        assert sum(session.far.engine.alive for session in sessions(cluster)) == 10
        dropped = tasks.pop(3)
        del dropped
        await until(lambda: pages.running == 9, 20.0)
        assert pages.abandoned == 1
        await until(lambda: engine.census().closed == 1 and engine.session.leases == 9, 20.0)
        pages.held.set()
        assert [(await task).status for task in tasks] == [200] * 9


async def test_when_the_last_lease_is_back_nothing_is_left_on_the_cluster(cluster: Any, pages: Pages) -> None:
    async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address), grace=0.0) as engine:
        await engine.submit(f"{pages.base}/0/1")
        await until(lambda: engine.session.closed_generations == 1, 20.0)
        await until(lambda: not sessions(cluster) and not cluster.scheduler.tasks and not pages.connections, 20.0)
        await engine.submit(f"{pages.base}/0/1")
        assert engine.session.generation == 2
    await until(lambda: not sessions(cluster) and set(cluster.scheduler.clients) == {"fire-and-forget"}, 20.0)


async def test_leaving_the_engine_ends_what_runs_there(cluster: Any, pages: Pages) -> None:
    pages.held = asyncio.Event()
    async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address)) as engine:
        task = engine.submit(f"{pages.base}/0/1")
        await until(lambda: pages.running == 1, 20.0)
    assert task.outcome is not None
    assert not isinstance(task.outcome, FetchResult)
    assert task.outcome.kind is ErrorKind.CANCELLED
    await until(lambda: not pages.connections and not sessions(cluster), 20.0)


async def test_cancelled_before_and_while_the_cluster_is_reached(cluster: Any, pages: Pages) -> None:
    async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address), limits=Limits(per_host=90)) as engine:
        tasks = [engine.submit(f"{pages.base}/0/1/{number}") for number in range(60)]
        for task in tasks[::2]:
            task.cancel()
        await engine.join()
        for _ in range(3):  # a command overtakes its batch now and then
            tasks += [task := engine.submit(f"{pages.base}/100/1")]
            await asyncio.sleep(0.012)
            task.cancel()
        await engine.join()
        ended = [task.outcome for task in tasks]
        assert sum(isinstance(one, FetchResult) for one in ended) == 30
        assert {one.kind for one in ended if one and not isinstance(one, FetchResult)} == {ErrorKind.CANCELLED}
        await until(lambda: all(not session._of for session in sessions(cluster)), 20.0)


async def test_a_worker_that_goes_costs_nothing_but_time(cluster: Any, pages: Pages) -> None:
    executor = DaskExecutor(cluster.scheduler_address)
    async with FetchEngine(executor=executor, limits=Limits(per_host=20)) as engine:
        statuses = []
        async for task in engine.as_completed(f"{pages.base}/20/1/{number}" for number in range(300)):
            statuses.append(task.outcome.status)  # type: ignore[union-attr]
            if len(statuses) == 100:
                await next(iter(cluster.workers.values())).close()
        assert statuses == [200] * 300
        assert len(pages.hits) == 300
        assert sum(pages.hits.values()) - 300 <= executor.cluster.rerun
        assert 0 < executor.cluster.rerun <= 20


@pytest.mark.parametrize("all_methods", [False, True])
async def test_a_post_of_a_worker_that_goes_runs_again_where_all_methods_may(
    cluster: Any, pages: Pages, all_methods: bool
) -> None:
    pages.held = asyncio.Event()
    executor, retry = DaskExecutor(cluster.scheduler_address), RetryPolicy(all_methods=all_methods)
    async with FetchEngine(executor=executor, retry=retry) as engine:
        task = engine.submit(FetchRequest(f"{pages.base}/0/1", method="POST"))
        await until(lambda: pages.running == 1, 20.0)
        (busy,) = [one for one in cluster.workers.values() if any(s.far.engine.alive for s in sessions_of(one))]
        await busy.close()
        if all_methods:
            await until(lambda: pages.hits["/0/1"] == 2, 20.0)
            pages.held.set()
            assert (await task).status == 200
        else:
            with pytest.raises(FetchFailed, match=r"unknown outcome: worker .* was lost and POST must not be sent"):
                await task
            assert pages.hits["/0/1"] == 1


async def test_a_link_that_is_cut_costs_nothing_but_time_and_no_request_is_made_twice_that_must_not(
    cluster: Any, pages: Pages
) -> None:
    executor = DaskExecutor(cluster.scheduler_address)
    requests = [
        FetchRequest(f"{pages.base}/20/1/{number}", method="POST" if number % 5 == 0 else "GET")
        for number in range(300)
    ]
    async with FetchEngine(executor=executor, limits=Limits(per_host=20)) as engine:
        outcomes: dict[str, list[Any]] = {request.url: [] for request in requests}
        done = 0
        async for task in engine.as_completed(requests):
            outcomes[task.url].append(task.outcome)
            done += 1
            if done == 100:
                session = executor._session
                assert session is not None
                session._link._client.scheduler_comm.comm.abort()  # type: ignore[union-attr]
        assert [len(ended) for ended in outcomes.values()] == [1] * 300
        unknown = 0
        for request in requests:
            (outcome,) = outcomes[request.url]
            if isinstance(outcome, FetchResult):
                assert outcome.status == 200
            else:
                unknown += 1
                assert request.method == "POST"
                assert "unknown outcome" in outcome.message
            if request.method == "POST":
                assert pages.hits[request.url.removeprefix(pages.base)] <= 1
        assert 0 < unknown <= 20
        assert executor.cluster.rerun > 0
        assert executor._session.reconnected == 1  # type: ignore[union-attr]


async def test_a_client_with_nothing_to_say_is_not_given_up(
    cluster: Any, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fetch_engine.executors.dask.link.LOOK", 0.2)
    executor = DaskExecutor(cluster.scheduler_address, lost_after=1.5)
    async with FetchEngine(executor=executor) as engine:
        assert (await engine.submit(f"{pages.base}/3000/1")).status == 200
        assert executor.cluster.rerun == 0
    assert pages.hits.total() == 1


async def test_a_host_that_asks_for_less_rests_for_the_whole_cluster(cluster: Any, pages: Pages) -> None:
    executor = DaskExecutor(cluster.scheduler_address)
    async with FetchEngine(executor=executor, retry=RetryPolicy(retries=2), limits=Limits(per_host=1)) as engine:
        busy, other = engine.submit(f"{pages.base}/busy"), engine.submit(f"{pages.base}/0/1")
        await until(lambda: engine._scheduler.lanes.rests("127.0.0.1"), 20.0)
        assert pages.hits["/0/1"] == 0
        assert (await busy).attempts == 2
        assert (await other).status == 200
        assert (await busy).elapsed > 1.0


async def test_a_redirect_to_another_host_waits_for_a_place_there(cluster: Any, pages: Pages) -> None:
    elsewhere = pages.base.replace("127.0.0.1", "localhost")
    pages.held = asyncio.Event()
    executor = DaskExecutor(cluster.scheduler_address)
    async with FetchEngine(executor=executor, limits=Limits(per_host=1)) as engine:
        holding = engine.submit(f"{elsewhere}/0/1/holding")
        await until(lambda: pages.running == 1, 20.0)
        moving = engine.submit(f"{pages.base}/to?{elsewhere}/0/1/moved")
        await until(lambda: bool(engine._scheduler.lanes.waiting()), 20.0)
        assert pages.hits["/0/1/moved"] == 0
        pages.held.set()
        assert (await holding).status == 200
        assert [hop.status for hop in (await moving).redirects] == [302]


async def test_a_window_of_requests_is_there_at_a_time(cluster: Any, pages: Pages) -> None:
    made = 0

    def urls() -> Iterator[str]:
        nonlocal made
        for number in range(2000):
            made += 1
            yield f"{pages.base}/0/1/{number}"

    async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address)) as engine:
        ended = ahead = 0
        async for task in engine.as_completed(urls(), window=64):
            ended += task.outcome is not None
            ahead = max(ahead, made - ended)
            if ended == 400:
                break
        del task
        assert ahead <= 130
        await all_let_go(engine, 20.0)
        session = engine.executor._session  # type: ignore[attr-defined]
        assert not session._jobs
        assert not session._batches


async def test_nobody_there_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fetch_engine.executors.dask.client.CONNECT_LIMIT", 0.3)
    async with FetchEngine(executor=DaskExecutor("tcp://127.0.0.1:9")) as engine:
        with pytest.raises(FetchFailed, match=r"no Dask scheduler at tcp://127\.0\.0\.1:9"):
            await engine.submit("http://localhost/")


async def test_a_scheduler_of_other_versions_is_told_at_the_start(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(versions_here(), program="0.0.1")
    monkeypatch.setattr(client, "versions_here", lambda: other)
    why = await client.check(cluster.scheduler_address)
    assert why is not None
    assert why.endswith(f"weakfetch-tui {versions_here().program} there, 0.0.1 here: install the same on both")
    assert "the scheduler at" in why


async def test_workers_of_other_versions_are_told_at_the_start_and_given_nothing(
    cluster: Any, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(versions_here(), program="0.0.1")
    asked = iter([versions_here()])  # of the scheduler, which fits
    with monkeypatch.context() as patch:
        patch.setattr(client, "versions_here", lambda: next(asked, other))
        why = await client.check(cluster.scheduler_address)
    assert why is not None
    assert "no worker of it can be used" in why
    monkeypatch.setattr(link, "versions_here", lambda: other)
    executor = DaskExecutor(cluster.scheduler_address)
    async with FetchEngine(executor=executor) as engine:
        task = engine.submit(f"{pages.base}/0/1")
        await until(lambda: [one.state for one in executor.cluster.workers] == ["refused"] * 2)
        assert all("install the same on both" in one.note for one in executor.cluster.workers)
        assert not pages.hits
        del task
        await all_let_go(engine)
