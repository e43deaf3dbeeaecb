"""A Dask cluster on this machine, to rehearse with: its worker processes end with this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import resource_tracker
from typing import Any

import dask
from distributed import LocalCluster

CONFIGURATION = {
    # What workers log would go over the screen.
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "CRITICAL",
    # Dask keeps what it did last, messages with the bodies of requests among it: a thousand of each kind, for an hour.
    "distributed.admin.low-level-log-length": 0,
    "distributed.admin.system-monitor.log-length": 1,
    "distributed.worker.profile.enabled": False,
}


def prepare_local() -> None:
    """Call before a screen takes over standard error: processes cannot be started after that otherwise.

    multiprocessing hands standard error's descriptor to its tracker when it starts that; Textual's stand-in has none.
    """
    resource_tracker.ensure_running()


@asynccontextmanager
async def local_cluster(workers: int) -> AsyncIterator[Any]:
    """One on loopback only. Dask's configuration is another one in this process for as long."""
    start: Any = LocalCluster
    with dask.config.set(CONFIGURATION):
        async with start(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            asynchronous=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # without the extra of Dask's own, a page of metrics
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=False,  # it would change the levels of loggers for everybody
        ) as cluster:
            yield cluster
