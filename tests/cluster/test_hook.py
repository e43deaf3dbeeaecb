"""What of Dask nobody promises, and cancelling depends on. To be run with the oldest and the newest that is allowed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from distributed import Client, WorkerPlugin, get_worker

from fetch_engine.executors.dask import client as dask_client
from fetch_engine.executors.dask.worker import HOOK, Hook
from tests.lifetimes.waiting import until

pytestmark = pytest.mark.anyio

running: set[str] = set()


async def hold(key: str) -> None:
    """A batch that never ends by itself."""
    worker = get_worker()
    if HOOK not in worker.plugins:
        await worker.plugin_add(plugin=Hook(), name=HOOK, catch_errors=False)
    hook: Any = worker.plugins[HOOK]
    await hook.run(key, _forever(key))


async def _forever(key: str) -> None:
    running.add(key)
    try:
        await asyncio.sleep(60)
    finally:
        running.discard(key)


class Seen(WorkerPlugin):
    """Notes what a worker tells its plugins."""

    name = "seen"

    def __init__(self) -> None:
        self.changes: list[tuple[Any, str, str]] = []

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        self.changes.append((key, start, finish))


async def test_what_is_released_is_cancelled_and_takes_no_thread(cluster: Any) -> None:
    running.clear()
    connect: Any = Client
    async with connect(cluster.scheduler_address, asynchronous=True, set_as_default=False) as client:
        worker = next(iter(cluster.workers.values()))
        seen = Seen()
        await worker.plugin_add(plugin=seen, name="seen")
        keys = [f"hold-{number}" for number in range(5)]
        futures = [client.submit(hold, key, key=key, workers=[worker.address], pure=False) for key in keys]
        await until(lambda: len(running) == 5, 20.0)  # of one thread
        began = time.perf_counter()
        futures.pop(2).release()
        await until(lambda: len(running) == 4, 20.0)
        assert time.perf_counter() - began < 1.0
        assert ("hold-2", "long-running", "released") in seen.changes
        assert running == {"hold-0", "hold-1", "hold-3", "hold-4"}
        await client.close()  # a client that goes lets go of everything
        await until(lambda: not running, 20.0)
        await until(lambda: not worker.state.tasks, 20.0)
        for future in futures:
            future.release()


async def test_what_is_pinned_to_a_worker_is_not_run_elsewhere_when_that_goes(cluster: Any) -> None:
    running.clear()
    connect: Any = Client
    async with connect(cluster.scheduler_address, asynchronous=True, set_as_default=False) as client:
        gone = []
        client.subscribe_topic("all", lambda event: gone.append(event[1]))
        worker = next(iter(cluster.workers.values()))
        options = {"workers": [worker.address], "allow_other_workers": False, "pure": False, "retries": 0}
        future = client.submit(hold, "pinned", key="pinned", **options)
        await until(lambda: running == {"pinned"}, 20.0)
        await worker.close()
        await until(lambda: any(one.get("action") == "remove-worker" for one in gone), 20.0)
        assert next(one["worker"] for one in gone if one.get("action") == "remove-worker") == worker.address
        await asyncio.sleep(0.1)
        assert (future.status, running) == ("pending", set())
        future.release()


async def test_a_client_whose_connection_is_lost_does_not_come_back_by_itself(cluster: Any) -> None:
    client, why = await dask_client.connect(cluster.scheduler_address)
    assert why is None
    client.scheduler_comm.comm.abort()
    await until(lambda: client.status == "closed", 20.0)
    await until(lambda: client.id not in cluster.scheduler.clients, 20.0)
