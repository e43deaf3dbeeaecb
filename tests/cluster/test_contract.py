"""What holds wherever fetches run, held to by those that run on a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fetch_engine.executors.dask.executor import DaskExecutor
from tests.executors.test_contract import (
    EXECUTORS,
    Make,
    Url,
    outcomes,
    peer,
    test_a_host_that_asks_for_less_rests_for_all,
    test_a_host_that_asks_for_too_much_is_asked_nothing_more,
    test_a_rate_is_that_of_all_together,
    test_cancelling_what_the_engine_runs_in,
    test_however_it_is_dropped_it_is_cancelled_there,
    test_places_are_those_of_all_together_also_after_a_redirect,
    test_what_has_come_is_seen_while_it_comes,
    test_what_waited_for_a_host_says_how_long,
    url,
)

__all__ = [
    "peer",
    "test_a_host_that_asks_for_less_rests_for_all",
    "test_a_host_that_asks_for_too_much_is_asked_nothing_more",
    "test_a_rate_is_that_of_all_together",
    "test_cancelling_what_the_engine_runs_in",
    "test_however_it_is_dropped_it_is_cancelled_there",
    "test_places_are_those_of_all_together_also_after_a_redirect",
    "test_what_has_come_is_seen_while_it_comes",
    "test_what_waited_for_a_host_says_how_long",
    "url",
]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]


@pytest.fixture
def executor(cluster: Any) -> Make:
    return lambda _: DaskExecutor(cluster.scheduler_address)


@pytest.fixture
def nap() -> float:
    return 0.15


@pytest.mark.once
async def test_outcomes_are_the_same_here_and_on_a_cluster(executor: Make, url: Url) -> None:
    there = [replace(one, carried_by=None) for one in await outcomes(executor, url)]
    assert there == await outcomes(EXECUTORS["local"], url)
