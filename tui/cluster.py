"""Where fetches run: the cluster that the command line names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tui.complaint import complain
from tui.options import Options

if TYPE_CHECKING:
    from fetch_engine.executors.dask_executor import DaskExecutor


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
        from fetch_engine.executors.dask_executor import DaskExecutor

        return DaskExecutor(options.cluster)
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
        complain(f"warning: {executor.address.warning}")
    sink = options.save.sink
    why = asyncio.run(executor.check())
    if why is not None:
        raise ValueError(f"argument --cluster: {why}")
    if sink is not None and (why := asyncio.run(executor.check_sink(sink))) is not None:
        raise ValueError(f"argument --sink: {why}")
