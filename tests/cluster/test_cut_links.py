"""Links to a real scheduler that are cut, or fall silent: each URL has one result, and nothing runs for nobody."""

from __future__ import annotations

import asyncio

import pytest

from fetch_engine.executors.dask.executor import DaskExecutor
from tests.cluster.by_hand import ByHand, fetching, ready, until
from tests.cluster.pages import Pages
from tests.cluster.relay import relaying

pytestmark = [pytest.mark.anyio, pytest.mark.once, pytest.mark.timeout(120)]

LOST_AFTER = 2.0
LIMIT = 10 * LOST_AFTER


def free(pages: Pages) -> None:
    """Answer those who wait, and everybody from now on."""
    held, pages.held = pages.held, None
    assert held is not None
    held.set()


async def test_links_that_are_cut_or_fall_silent(
    by_hand: ByHand, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fetch_engine.executors.dask.link.ANSWER_LIMIT", LOST_AFTER)
    by_hand.scheduler()
    async with relaying(by_hand.port) as client, relaying(by_hand.port) as one, relaying(by_hand.port) as two:
        cut = by_hand.worker(one.address)
        by_hand.worker(two.address)

        # The client's link is cut.
        executor = DaskExecutor(client.address)
        async with fetching(executor, pages, 200) as found:
            client.cut()
        assert found[200] + found["unknown"] == 200
        assert 0 < executor.cluster.rerun <= 40
        assert executor.cluster.reconnected == 1

        # Nothing comes through it, and neither end nor the scheduler is told.
        executor = DaskExecutor(client.address, lost_after=LOST_AFTER)
        async with fetching(executor, pages, 200) as found:
            pages.held = asyncio.Event()
            await until(lambda: pages.running == 40)
            client.passing.clear()
            await until(lambda: pages.running == 0, LIMIT)
            assert sum(found.values()) < 200
            client.passing.set()
            await until(lambda: pages.running == 40)
            free(pages)
        assert found[200] + found["unknown"] == 200
        assert 0 < found["unknown"] <= 20
        assert pages.peak == 40, "those of before the silence ran on beside those of after"

        # The client finds out, and comes back before the workers give it up.
        executor = DaskExecutor(client.address, lost_after=60.0)
        async with fetching(executor, pages, 200) as found:
            pages.held = asyncio.Event()
            await until(lambda: pages.running == 40)
            abandoned = pages.abandoned
            client.forget()
            await until(lambda: pages.abandoned >= abandoned + 40 and pages.running == 40, LIMIT)
            free(pages)
        assert found[200] + found["unknown"] == 200
        assert executor.cluster.reconnected > 0  # a busy machine may lose it more than once

        # A worker's link is cut: one of Dask's ends then.
        by_hand.worker()
        executor = DaskExecutor(by_hand.address, lost_after=LOST_AFTER)
        async with fetching(executor, pages, 200, workers=3) as found:
            one.cut()
            await until(lambda: ready(executor) == 2)
        assert found[200] + found["unknown"] == 200
        assert 0 < executor.cluster.rerun <= 20
        await until(lambda: cut.poll() is not None)

        # It falls silent: the worker ends what it has, and another one has it.
        executor = DaskExecutor(by_hand.address, lost_after=LOST_AFTER)
        async with fetching(executor, pages, 200) as found:
            pages.held = asyncio.Event()
            await until(lambda: pages.running == 40)
            abandoned = pages.abandoned
            two.passing.clear()
            await until(lambda: pages.abandoned > abandoned and executor.cluster.rerun > 0, LIMIT)
            await until(lambda: pages.running <= 40, LIMIT)
            free(pages)
        assert found[200] + found["unknown"] == 200
        assert executor.cluster.late == 0
