"""A cluster of several hosts, one of which loses its link in the midst of fetches."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.namespaces import Hosts, NoNamespaces

pytestmark = [pytest.mark.once, pytest.mark.timeout(60)]

COUNT = 600
CLIENT = """
import asyncio, json, sys
from fetch_engine import FetchEngine, FetchResult, Limits
from fetch_engine.executors.dask.executor import DaskExecutor

async def main(scheduler, web, other, count):
    executor = DaskExecutor(scheduler, lost_after=2.0)
    async with FetchEngine(executor=executor, limits=Limits(per_host=20)) as engine:
        held = engine.submit(f"{web}/0/1")
        await held
        while sum(one.state == "ready" for one in executor.cluster.workers) < 2:
            await asyncio.sleep(0.02)
        urls = (f"{(web, other)[number % 2]}/40/1/{number}" for number in range(count))
        async for task in engine.as_completed(urls):
            found = task.outcome
            print(json.dumps([task.url, getattr(found, "status", None), found.carried_by]), flush=True)
            del task
        print(json.dumps(executor.cluster.rerun), flush=True)

asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    try:
        entered = Hosts(tmp_path, "scheduler", "one", "two", "client", "web", "other").__enter__()
    except NoNamespaces as why:
        pytest.skip(f"no network namespaces: {why}")
    try:
        yield entered
    finally:
        entered.__exit__()


def test_a_host_that_loses_its_link_loses_no_result(hosts: Hosts) -> None:
    began = time.monotonic()
    at = hosts.addresses
    scheduler = f"tcp://{at['scheduler']}:8786"
    quiet = ("--dashboard-address", "127.0.0.1:0")
    hosts.start("scheduler", "-m", "distributed.cli.dask_scheduler", "--host", at["scheduler"], *quiet)
    for name in ("one", "two"):
        hosts.start(name, "-m", "distributed.cli.dask_worker", scheduler, "--nthreads", "1", "--no-nanny", *quiet)
    webs = [hosts.start(name, "-m", "tests.cluster.pages", "60", at[name]) for name in ("web", "other")]
    bases = [web.stdout.readline().strip() for web in webs if web.stdout is not None]
    client = hosts.start("client", "-c", CLIENT, scheduler, *bases, str(COUNT))
    assert client.stdout is not None
    told = []
    for line in client.stdout:
        told.append(json.loads(line))
        if len(told) == COUNT // 3:
            hosts.cut("two")
    assert client.wait(20) == 0
    rerun = told.pop()
    assert 0 < rerun <= 40
    assert Counter(url for url, _, _ in told) == Counter(f"{bases[n % 2]}/40/1/{n}" for n in range(COUNT))
    assert {status for _, status, _ in told} == {200}
    carried = Counter(worker.split(":")[1].strip("/") for _, _, worker in told)
    assert set(carried) == {at["one"], at["two"]}
    assert {worker.split(":")[1].strip("/") for _, _, worker in told[COUNT // 2 :]} == {at["one"]}
    assert time.monotonic() - began < 45
