"""A real scheduler and real workers: killed, stopped, cut off and started again in the midst of fetches."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fetch_engine import FetchEngine, FetchRequest, FetchResult, Limits
from fetch_engine.executors.dask_executor import DaskExecutor
from tests.cluster.pages import Pages

pytestmark = [pytest.mark.anyio, pytest.mark.once, pytest.mark.timeout(120)]

TREE = Path(__file__).parents[2]


class Hosts:
    """The processes of a cluster, started by hand as a user does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(TREE), "DASK_LOGGING__DISTRIBUTED": "error"}
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=self.folder,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[bytes]:
        return self.start("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port),
                          "--dashboard-address", "127.0.0.1:0")  # fmt: skip

    def worker(self, *options: str, nanny: str = "--no-nanny") -> subprocess.Popen[bytes]:
        return self.start("-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", nanny,
                          "--dashboard-address", "127.0.0.1:0", *options)  # fmt: skip

    def end(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    hosts = Hosts(tmp_path)
    try:
        yield hosts
    finally:
        hosts.end()


async def until(condition: Callable[[], object], limit: float = 30.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        await asyncio.sleep(0.02)


def ready(executor: DaskExecutor) -> int:
    return sum(one.state == "ready" for one in executor.cluster.workers)


@asynccontextmanager
async def fetching(executor: DaskExecutor, pages: Pages, count: int, workers: int = 2) -> AsyncIterator[Counter[Any]]:
    """All workers are there, and so many fetches under way, some of them not to be repeated; each ends once."""
    pages.hits.clear()
    async with FetchEngine(executor=executor, limits=Limits(per_host=40)) as engine:
        first = engine.submit(f"{pages.base}/0/1/1")  # held, it keeps the workers' sessions open
        await first
        await until(lambda: ready(executor) == workers)
        found: Counter[Any] = Counter()
        ended: Counter[str] = Counter()

        async def fetch_all() -> None:
            requests = (
                FetchRequest(f"{pages.base}/{30 + number % 7 * 20}/1/{number}", method="GET" if number % 4 else "POST")
                for number in range(count)
            )
            async for task in engine.as_completed(requests):
                ended[task.url] += 1
                outcome = task.outcome
                if isinstance(outcome, FetchResult):
                    found[outcome.status] += 1
                else:
                    assert outcome is not None
                    assert task.request.method == "POST"
                    assert "unknown outcome" in outcome.message, outcome
                    found["unknown"] += 1
                del task

        work = asyncio.ensure_future(fetch_all())
        await until(lambda: sum(ended.values()) >= count // 3)
        yield found
        await asyncio.wait_for(work, 60)
        assert len(ended) == count
        assert set(ended.values()) == {1}
        posts = {
            path: times
            for path, times in pages.hits.items()
            if int(path.rpartition("/")[2].strip("first") or 1) % 4 == 0
        }
        assert set(posts.values()) == {1}, "what must not be repeated was"


async def test_killed_frozen_and_restarted(hosts: Hosts, pages: Pages) -> None:
    scheduler = hosts.scheduler()
    workers = [hosts.worker(), hosts.worker()]

    # A client that is killed leaves nothing behind.
    pages.held = asyncio.Event()
    client = hosts.start(
        "-c", "import sys; from tui.cli import main; sys.exit(main())", "--headless", "--no-store", "--per-host", "20",
        "--cluster", hosts.address, *[f"{pages.base}/0/1/{number}" for number in range(20)],
    )  # fmt: skip
    await until(lambda: pages.running == 20)
    client.kill()
    await until(lambda: pages.running == 0, 2.0)
    assert pages.abandoned == 20
    pages.held = None

    # One that stands still for a moment is waited for.
    executor = DaskExecutor(hosts.address)
    async with fetching(executor, pages, 200) as found:
        os.kill(workers[1].pid, signal.SIGSTOP)
        await asyncio.sleep(1.0)
        os.kill(workers[1].pid, signal.SIGCONT)
    assert found == {200: 200}
    assert executor.cluster.rerun == executor.cluster.late == 0

    # One that stays silent is given up; what it says later does not count.
    executor = DaskExecutor(hosts.address, lost_after=2.0)
    async with fetching(executor, pages, 200) as found:
        os.kill(workers[1].pid, signal.SIGSTOP)
        await until(lambda: executor.cluster.rerun > 0)
        os.kill(workers[1].pid, signal.SIGCONT)
    assert found[200] + found["unknown"] == 200

    executor = DaskExecutor(hosts.address)
    async with fetching(executor, pages, 200) as found:
        workers.pop(0).kill()
    assert found[200] + found["unknown"] == 200
    assert found["unknown"] <= 20
    assert 0 < executor.cluster.rerun <= 40

    executor = DaskExecutor(hosts.address)
    async with fetching(executor, pages, 200, workers=1) as found:
        scheduler.kill()
        scheduler.wait()
        hosts.scheduler()
        for worker in workers:
            worker.kill()  # it would end by itself, after a while
        hosts.worker()
        await until(lambda: ready(executor) == 1)
    assert found[200] + found["unknown"] == 200
    assert executor.cluster.rerun > 0


DEADLY = """
import os
from distributed.cli.dask_worker import main
from fetch_engine.executors import far_end
unpack = far_end.unpack_request
def deadly(values):
    request = unpack(values)
    if request.url.endswith("/poison"):
        os._exit(9)
    return request
far_end.unpack_request = deadly
main()
"""


async def test_one_that_kills_its_worker_is_found_and_the_others_end(hosts: Hosts, pages: Pages) -> None:
    hosts.scheduler()
    deaths = 0

    async def keep_one_worker() -> None:
        nonlocal deaths
        while True:
            worker = hosts.start("-c", DEADLY, hosts.address, "--nthreads", "1", "--no-nanny",
                                 "--dashboard-address", "127.0.0.1:0")  # fmt: skip
            while worker.poll() is None:  # noqa: ASYNC110 - processes have no event
                await asyncio.sleep(0.05)
            deaths += 1

    keeper = asyncio.ensure_future(keep_one_worker())
    executor = DaskExecutor(hosts.address)
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
