"""A worker of another version, as a process of its own: told at the start, or when it comes later."""

from __future__ import annotations

import asyncio

import pytest

from tests.cluster.by_hand import ByHand, until
from tests.cluster.pages import Pages
from tests.cluster.test_lost_scheduler import Run, lines

pytestmark = [pytest.mark.anyio, pytest.mark.once, pytest.mark.timeout(180)]

LIMIT = 60.0
OTHER = """
from distributed.cli.dask_worker import main
from fetch_engine.core import worker_facts
worker_facts._version = lambda package: "0.0.1"
main()
"""


def other_worker(by_hand: ByHand) -> None:
    by_hand.start(
        "-c", OTHER, by_hand.address, "--nthreads", "1", "--no-nanny", "--dashboard-address", "127.0.0.1:0"
    )  # fmt: skip


async def test_a_cluster_of_such_workers_alone_is_a_usage_error(by_hand: ByHand, pages: Pages) -> None:
    by_hand.scheduler()
    other_worker(by_hand)
    run = Run(by_hand, "run", 30.0, "--no-store", f"{pages.base}/0/1")
    code = await run.ended()
    message = f"{code} {run.err.read_text()}"
    # Before the worker has registered there is none to ask, and the fetch finds out.
    assert message.startswith(("2 ", "1 ")), message
    assert "0.0.1 there" in message
    assert "install the same on both" in message
    assert "Traceback" not in message
    assert not pages.hits


async def test_one_that_comes_later_is_given_nothing(by_hand: ByHand, pages: Pages) -> None:
    by_hand.scheduler()
    good = by_hand.worker()
    pages.held = asyncio.Event()
    run = Run(by_hand, "run", 30.0, "--no-store", *(f"{pages.base}/0/1/{number}" for number in range(10)))
    await until(lambda: pages.running == 10, LIMIT)
    other_worker(by_hand)
    good.kill()  # with all that runs; only the other one is left
    assert await run.ended() == 1
    said = run.err.read_text()
    assert "no worker of the cluster can be used" in said
    assert "0.0.1 there" in said
    assert lines(run.out) == [], "something was called failed"
