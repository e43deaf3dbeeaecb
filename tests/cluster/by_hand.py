"""A scheduler and workers as processes, started by hand as a user does, and a run over them that loses nothing."""

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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fetch_engine import FetchEngine, FetchRequest, FetchResult, Limits
from fetch_engine.executors.dask.executor import DaskExecutor
from tests.cluster.pages import Pages

TREE = Path(__file__).parents[2]
# A test run that is killed leaves none behind, not even one that is stopped.
WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
os.execv(sys.argv[1], sys.argv[1:])
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class ByHand:
    """The processes of a cluster. `end` kills them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Python with these arguments."""
        return self._start(sys.executable, *command)

    def start_script(self, script: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A shell with this script, which leaves its place to the last command by `exec`."""
        return self._start("/bin/sh", "-ec", script, "sh", *arguments)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(TREE), "DASK_LOGGING__DISTRIBUTED": "error"}
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-ISc", WITH_PARENT, *command],
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

    def worker(self, scheduler: str = "") -> subprocess.Popen[bytes]:
        return self.start("-m", "distributed.cli.dask_worker", scheduler or self.address, "--nthreads", "1",
                          "--no-nanny", "--dashboard-address", "127.0.0.1:0")  # fmt: skip

    def end(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


async def until(condition: Callable[[], object], limit: float = 60.0) -> None:
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
                    assert task.request.method == "POST", outcome
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
