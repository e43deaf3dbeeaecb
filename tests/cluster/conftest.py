"""A Dask cluster in the test's own loop: quick to start, and its insides can be looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from fetch_engine.executors.dask import client  # noqa: F401 - keeps Dask's logs off standard error
from tests.cluster.by_hand import ByHand
from tests.cluster.pages import Pages, serving


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"use_uvloop": False}


@pytest.fixture
async def pages(anyio_backend: Any) -> AsyncIterator[Pages]:
    async with serving() as pages:
        yield pages


@pytest.fixture
async def cluster(anyio_backend: Any) -> AsyncIterator[Any]:
    """Two workers with one thread each, as a plain `dask worker --nthreads 1`."""
    start: Any = LocalCluster
    async with start(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        asynchronous=True,
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=False,
    ) as cluster:
        yield cluster


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[ByHand]:
    by_hand = ByHand(tmp_path)
    try:
        yield by_hand
    finally:
        by_hand.end()
