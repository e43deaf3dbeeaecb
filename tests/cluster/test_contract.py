"""What holds wherever fetches run, held to by those that run on a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from fetch_engine.executors.dask_executor import DaskExecutor
from tests.executors.test_contract import (
    Make,
    peer,
    test_a_host_that_asks_for_less_rests_for_all,
    test_however_it_is_dropped_it_is_cancelled_there,
    url,
)

__all__ = [
    "peer",
    "test_a_host_that_asks_for_less_rests_for_all",
    "test_however_it_is_dropped_it_is_cancelled_there",
    "url",
]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]


@pytest.fixture
def executor(cluster: Any) -> Make:
    return lambda _: DaskExecutor(cluster.scheduler_address)
