"""python -m tests.bench.cluster_probe URL WORKERS CONNECTIONS FETCHES: what they cost, 0 workers for here.

CONNECTIONS and FETCHES are those of each worker: the engine bounds all of a cluster together, so that its limits and
not the workers would be measured otherwise.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import psutil

from fetch_engine import FetchEngine, Limits


async def measure(url: str, workers: int, connections: int, fetches: int) -> dict[str, float]:
    """Figures of the fetches alone: the cluster is there, and has fetched, before."""
    executor = None
    connections, fetches = connections * max(1, workers), fetches * max(1, workers)
    if workers:
        from fetch_engine.executors.dask.executor import DaskExecutor

        executor = DaskExecutor(f"local:{workers}")
    limits = Limits(concurrency=connections, per_host=connections)
    async with FetchEngine(limits=limits, executor=executor) as engine:
        first = [engine.submit(f"{url}/first/{number}") for number in range(connections)]
        for task in first:
            await task
        while executor is not None and sum(one.state == "ready" for one in executor.cluster.workers) < workers:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        here = psutil.Process()
        others = here.children(recursive=True)
        own, their = _cpu(here), sum(map(_cpu, others))
        began = time.perf_counter()
        async for task in engine.as_completed(f"{url}/{number}" for number in range(fetches)):
            assert task.outcome is not None
            assert task.outcome.status == 200
        seconds = time.perf_counter() - began
        own, their = _cpu(here) - own, sum(map(_cpu, others)) - their
        del first, task
    return {
        "requests/s": fetches / seconds,
        "CPU ms/fetch": (own + their) / fetches * 1000,
        "of it here": own / fetches * 1000,
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], *map(int, sys.argv[2:])))))
