"""Of a fetch on a cluster nothing is left: not here, not in the scheduler, not in a worker."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Any

import dask
import pytest
from distributed import LocalCluster

from fetch_engine import FetchEngine, Limits
from fetch_engine.executors.dask.executor import DaskExecutor
from fetch_engine.executors.dask.local import CONFIGURATION
from tests.cluster.pages import Pages
from tests.lifetimes.waiting import all_let_go, until

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture
async def forgetful(anyio_backend: Any) -> AsyncIterator[Any]:
    """A cluster in this process that keeps as little as one that `--cluster local` starts; the client decides by
    itself."""
    start: Any = LocalCluster
    with dask.config.set(CONFIGURATION):
        cluster = await start(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            asynchronous=True,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=False,
        )
    async with cluster:
        yield cluster


def counted() -> Counter[str]:
    """Objects by type, and what the tables among them hold: the collector does not know of plain values."""
    gc.collect()
    objects = gc.get_objects()
    counts = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in objects)
    for table in (dict, list, set, deque):
        counts[f"in a {table.__name__}"] = sum(len(one) for one in objects if type(one) is table and one is not objects)
    return counts


async def test_nothing_is_kept_of_a_fetch(forgetful: Any, pages: Pages) -> None:
    async with FetchEngine(executor=DaskExecutor(forgetful.scheduler_address), limits=Limits(per_host=20)) as engine:
        holding = engine.submit(f"{pages.base}/0/1")  # keeps the session open
        await holding

        async def fetch(count: int) -> None:
            async for task in engine.as_completed(f"{pages.base}/0/1" for _ in range(count)):
                assert task.outcome is not None
                assert task.outcome.status == 200
                del task
            await until(lambda: len(forgetful.scheduler.tasks) == 1, 20.0)

        await fetch(400)  # whatever is made once, and tables at their largest
        await fetch(100)
        before = counted()
        await fetch(800)
        for _ in range(20):  # what is under way when they have ended is no loss
            if (kept := counted() - before).total() < 200:
                break
            await asyncio.sleep(0.1)
        assert kept.total() < 200, kept.most_common(10)


async def test_the_scheduler_keeps_no_events_and_no_topic_of_clients_that_are_gone(cluster: Any, pages: Pages) -> None:
    topics = cluster.scheduler._broker._topics

    def ours() -> list[Any]:
        return [topic for name, topic in topics.items() if name.startswith("weakfetch-")]

    for _ in range(3):
        async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address)) as engine:
            await engine.submit(f"{pages.base}/0/1")
            await until(lambda: any(topic.count > 1 and not topic.events for topic in ours()), 20.0)
            assert not any(comm.recent_message_log for comm in cluster.scheduler.client_comms.values())
            await all_let_go(engine)
        await until(lambda: set(cluster.scheduler.clients) == {"fire-and-forget"}, 20.0)
    assert len(ours()) == 1
