"""A scheduler that is killed under a run of the program: it says so, waits, ends, and goes on another time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fetch_engine import FetchEngine, FetchFailed, Limits
from fetch_engine.executors.dask.executor import DaskExecutor
from fetch_engine.executors.dask.session import DaskSession
from tests.cluster.by_hand import ByHand, ready, until
from tests.cluster.pages import Pages

pytestmark = [pytest.mark.anyio, pytest.mark.once, pytest.mark.timeout(240)]

LIMIT = 60.0
# The program, which takes a scheduler for lost after so many seconds.
PROGRAM = """
import sys
from fetch_engine.executors.dask.executor import DaskExecutor
DaskExecutor.__init__.__kwdefaults__["lost_after"] = float(sys.argv.pop(1))
from tui.cli import main
sys.exit(main())
"""


def lines(path: Path) -> list[dict[str, object]]:
    """Those that are whole."""
    with contextlib.suppress(FileNotFoundError):
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return []


class Run:
    """The program over this cluster, its two outputs in files."""

    def __init__(self, by_hand: ByHand, name: str, lost_after: float, *arguments: str) -> None:
        self.out, self.err = by_hand.folder / f"{name}.out", by_hand.folder / f"{name}.err"
        script = f'exec "$@" > {self.out} 2> {self.err}'
        self.process = by_hand.start_script(
            script, sys.executable, "-c", PROGRAM, str(lost_after), "--headless", "--per-host", "20",
            "--cluster", by_hand.address, *arguments,
        )  # fmt: skip

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, LIMIT)


async def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait, LIMIT)


async def test_a_run_whose_scheduler_is_killed_says_so_ends_and_is_resumed(by_hand: ByHand, pages: Pages) -> None:
    count = 300
    scheduler = by_hand.scheduler()
    workers = [by_hand.worker(), by_hand.worker()]
    urls = by_hand.folder / "urls.txt"
    urls.write_text("".join(f"{pages.base}/50/1/{number}\n" for number in range(count)))
    run = Run(by_hand, "first", 3.0, "-i", str(urls))
    await until(lambda: len(lines(run.out)) >= 40, LIMIT)
    await kill(scheduler)
    told = f"weakfetch-tui: no connection to the Dask scheduler at {by_hand.address}"
    await until(lambda: told in run.err.read_text(), LIMIT)
    assert await run.ended() == 1
    said = run.err.read_text()
    assert said.splitlines()[0] == f"{told}; waiting for it"
    assert said.splitlines()[1] == f"{told}: given up; what is not finished is kept for --resume"
    assert "0 alive" in said
    assert "Traceback" not in said
    first = lines(run.out)
    assert 40 <= len(first) < count
    assert {one["status"] for one in first} == {200}, "something was called failed"

    for worker in workers:
        worker.kill()
    by_hand.scheduler()
    by_hand.worker()
    again = Run(by_hand, "again", 30.0, "--resume")
    assert await again.ended() == 0, again.err.read_text()
    both = Counter(str(one["url"]) for one in (*first, *lines(again.out)))
    assert len(both) == count
    assert set(both.values()) == {1}


async def test_a_scheduler_that_comes_back_is_waited_for(by_hand: ByHand, pages: Pages) -> None:
    scheduler = by_hand.scheduler()
    worker = by_hand.worker()
    run = Run(by_hand, "run", 120.0, "--no-store", *(f"{pages.base}/50/1/{number}" for number in range(200)))
    await until(lambda: len(lines(run.out)) >= 20, LIMIT)
    await kill(scheduler)
    await until(lambda: "waiting for it" in run.err.read_text(), LIMIT)
    worker.kill()
    by_hand.scheduler()
    by_hand.worker()
    assert await run.ended() == 0, run.err.read_text()
    assert "the cluster is there again" in run.err.read_text()
    assert [one["status"] for one in lines(run.out)] == [200] * 200


async def test_without_a_program_around_them_fetches_fail_in_the_time_that_is_promised(
    by_hand: ByHand, pages: Pages
) -> None:
    """The clock is turned on, not waited for."""
    scheduler = by_hand.scheduler()
    by_hand.worker()
    executor = DaskExecutor(by_hand.address)
    pages.held = asyncio.Event()
    async with FetchEngine(executor=executor, limits=Limits(per_host=20)) as engine:
        tasks = [engine.submit(f"{pages.base}/0/1/{number}") for number in range(5)]
        await until(lambda: ready(executor) == 1 and pages.running == 5, LIMIT)
        await kill(scheduler)
        await until(lambda: executor.cluster.problem != "", LIMIT)
        assert "no connection to the Dask scheduler" in executor.cluster.problem
        assert not executor.cluster.is_lost
        assert not any(task.done() for task in tasks)
        session = executor._session
        assert isinstance(session, DaskSession)
        session._since -= 30.0
        for task in tasks:
            with pytest.raises(FetchFailed, match="no connection to the Dask scheduler"):
                await task
