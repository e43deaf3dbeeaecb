"""A real scheduler and real workers: killed, stopped, cut off and started again in the midst of fetches."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from fetch_engine import FetchEngine, FetchResult, Limits
from fetch_engine.executors.dask.executor import DaskExecutor
from tests.cluster.by_hand import ByHand, fetching, ready, until
from tests.cluster.pages import Pages

pytestmark = [pytest.mark.anyio, pytest.mark.once, pytest.mark.timeout(120)]


async def test_killed_frozen_and_restarted(by_hand: ByHand, pages: Pages) -> None:
    scheduler = by_hand.scheduler()
    workers = [by_hand.worker(), by_hand.worker()]

    # A client that is killed leaves nothing behind.
    pages.held = asyncio.Event()
    client = by_hand.start(
        "-c", "import sys; from tui.cli import main; sys.exit(main())", "--headless", "--no-store", "--per-host", "20",
        "--cluster", by_hand.address, *[f"{pages.base}/0/1/{number}" for number in range(20)],
    )  # fmt: skip
    await until(lambda: pages.running == 20)
    client.kill()
    await until(lambda: pages.running == 0, 2.0)
    assert pages.abandoned == 20
    pages.held = None

    # One that stands still for a moment is waited for.
    executor = DaskExecutor(by_hand.address)
    async with fetching(executor, pages, 200) as found:
        os.kill(workers[1].pid, signal.SIGSTOP)
        await asyncio.sleep(1.0)
        os.kill(workers[1].pid, signal.SIGCONT)
    assert found == {200: 200}
    assert executor.cluster.rerun == executor.cluster.late == 0

    # One that stays silent is given up; what it says later does not count.
    executor = DaskExecutor(by_hand.address, lost_after=2.0)
    async with fetching(executor, pages, 200) as found:
        os.kill(workers[1].pid, signal.SIGSTOP)
        await until(lambda: executor.cluster.rerun > 0)
        os.kill(workers[1].pid, signal.SIGCONT)
    assert found[200] + found["unknown"] == 200

    executor = DaskExecutor(by_hand.address)
    async with fetching(executor, pages, 200) as found:
        workers.pop(0).kill()
    assert found[200] + found["unknown"] == 200
    assert found["unknown"] <= 20
    assert 0 < executor.cluster.rerun <= 40

    executor = DaskExecutor(by_hand.address)
    async with fetching(executor, pages, 200, workers=1) as found:
        scheduler.kill()
        scheduler.wait()
        by_hand.scheduler()
        for worker in workers:
            worker.kill()  # it would end by itself, after a while
        by_hand.worker()
        await until(lambda: ready(executor) == 1)
    assert found[200] + found["unknown"] == 200
    assert executor.cluster.rerun > 0


DEADLY = """
import os
from distributed.cli.dask_worker import main
from fetch_engine.executors import worker_engine
unpack = worker_engine.unpack_request
def deadly(values):
    request = unpack(values)
    if request.url.endswith("/poison"):
        os._exit(9)
    return request
worker_engine.unpack_request = deadly
main()
"""


async def test_one_that_kills_its_worker_is_found_and_the_others_end(by_hand: ByHand, pages: Pages) -> None:
    by_hand.scheduler()
    deaths = 0

    async def keep_one_worker() -> None:
        nonlocal deaths
        while True:
            worker = by_hand.start("-c", DEADLY, by_hand.address, "--nthreads", "1", "--no-nanny",
                                 "--dashboard-address", "127.0.0.1:0")  # fmt: skip
            while worker.poll() is None:  # noqa: ASYNC110 - processes have no event
                await asyncio.sleep(0.05)
            deaths += 1

    keeper = asyncio.ensure_future(keep_one_worker())
    executor = DaskExecutor(by_hand.address)
    async with FetchEngine(executor=executor, limits=Limits(per_host=4)) as engine:
        tasks = [engine.submit(f"{pages.base}/20/1/{number}") for number in range(20)]
        poison = engine.submit(f"{pages.base}/0/1/poison")
        await asyncio.wait_for(engine.join(), 90)
        await until(lambda: deaths >= 3)
        keeper.cancel()
        assert poison.outcome is not None
        assert not isinstance(poison.outcome, FetchResult)
        assert "died" in poison.outcome.message
        assert deaths <= 6
        assert [task.outcome.status for task in tasks] == [200] * 20  # type: ignore[union-attr]
