"""A Dask cluster on this machine, to rehearse with: its worker processes end with this one."""

from __future__ import annotations

from multiprocessing import resource_tracker
from typing import Any

import dask
from distributed import LocalCluster


def prepare_local() -> None:
    """Call before a screen takes over standard error: processes cannot be started after that otherwise.

    multiprocessing hands standard error's descriptor to its tracker when it starts that; Textual's stand-in has none.
    """
    resource_tracker.ensure_running()
    # What workers log would go over the screen.
    name = "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED"
    dask.config.set({name: "CRITICAL"})


async def open_local(workers: int) -> Any:
    """Start one, on loopback only."""
    cluster: Any = LocalCluster
    return await cluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        asynchronous=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # without the extra of Dask's own, a page of metrics
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=False,  # it would change the levels of loggers for everybody
    )
