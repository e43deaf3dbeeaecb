"""Where fetches run: the cluster that the command line names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from tui.options.table import Options
from tui.text.stderr import print_error

if TYPE_CHECKING:
    from fetch_engine import FetchEngine
    from fetch_engine.executors.dask.executor import DaskExecutor


LOOK = 0.5  # seconds between two looks at whether fetches can run


def prepare_cluster(options: Options) -> None:
    """Call before descriptors are counted and a screen is drawn: a cluster on this machine needs what stays open."""
    if options.cluster is not None and options.cluster.startswith("local"):
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


def cluster_executor(options: Options) -> DaskExecutor | None:
    """The executor for --cluster; None without. Raises ValueError where the extra is missing."""
    if options.cluster is None:
        return None
    try:
        from fetch_engine.executors.dask.executor import DaskExecutor

        return DaskExecutor(options.cluster, waits=True)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"argument --cluster: {error.name} is missing; the extra `dask` brings it: "
            "pip install 'weakfetch-tui[dask]'"
        ) from None


def check_cluster(options: Options) -> None:
    """Find out now whether the cluster can be used, and warn where using it is not safe. Raises ValueError."""
    executor = cluster_executor(options)
    if executor is None:
        return
    if executor.address.warning is not None:
        print_error(f"warning: {executor.address.warning}")
    sink = options.save.sink
    why = asyncio.run(executor.check())
    if why is not None:
        raise ValueError(f"argument --cluster: {why}")
    if sink is not None and (why := asyncio.run(executor.check_sink(sink))) is not None:
        raise ValueError(f"argument --sink: {why}")


async def watch_cluster(engine: FetchEngine, give_up: Callable[[str], None]) -> None:
    """Say on standard error when no fetch can run on the engine's cluster, and when some can again.

    give_up: called once with the reason where that has lasted for too long, and then this returns.
    """
    told = ""
    while (cluster := engine.cluster) is not None:
        if cluster.is_lost:
            give_up(cluster.problem)
            return
        if cluster.problem != told:
            told = cluster.problem
            print_error(f"{told}; waiting for it" if told else "the cluster is there again")
        await anyio.sleep(LOOK)
