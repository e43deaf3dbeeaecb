"""A Dask cluster on this machine, to rehearse with: nobody else gets in, and its processes end with this one.

Dask's messages are pickles: whoever reaches a port of a scheduler, worker or nanny without TLS runs code there. So
each port wants a certificate that is made for this run and known to its processes alone, no pages are served over
HTTP, and the workers' folder, which they import from, is private to the user.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

import cryptography  # noqa: F401 - Dask makes the certificates with it; its absence is told where this is imported
import dask
from distributed import Nanny, Scheduler, Security, SpecCluster, Worker

HOST = "127.0.0.1"
CONFIGURATION = {
    # What workers log would go over the screen.
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "CRITICAL",
    # Dask keeps what it did last, messages with the bodies of requests among it: a thousand of each kind, for an hour.
    "distributed.admin.low-level-log-length": 0,
    "distributed.admin.system-monitor.log-length": 1,
    "distributed.worker.profile.enabled": False,
}


class _Silent:
    """Serves no pages. Dask's `--no-dashboard` leaves the server up, with pages of facts and metrics."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Do nothing. tests/cluster/test_ports.py notices when Dask calls it by another name."""


class LocalScheduler(_Silent, Scheduler):
    """In this process."""


class LocalWorker(_Silent, Worker):
    """In a process of its own, which a nanny starts."""


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """address: of the scheduler. security: what a client needs to be let in."""

    address: str
    security: Any


def prepare_local() -> None:
    """Call before a screen takes over standard error: processes cannot be started after that otherwise.

    multiprocessing hands standard error's descriptor to its tracker when it starts that; Textual's stand-in has none.
    """
    resource_tracker.ensure_running()


@asynccontextmanager
async def local_cluster(workers: int) -> AsyncIterator[LocalCluster]:
    """One on loopback only. Dask's configuration is another one in this process for as long. Raises OSError."""
    start: Any = SpecCluster
    make: Any = Security
    # The key is in memory, and for the moment in which OpenSSL reads it in a folder of its own, mode 0700.
    security = make.temporary()
    common = {"host": HOST, "protocol": "tls://", "security": security}
    with (
        tempfile.TemporaryDirectory(prefix="weakfetch-dask-", ignore_cleanup_errors=True) as folder,
        dask.config.set({**CONFIGURATION, "temporary-directory": folder}),
    ):
        nanny = {
            **common,
            "worker_class": LocalWorker,
            "nthreads": 1,
            "memory_limit": 1 / workers,  # of the machine's
            "local_directory": folder,
        }
        async with start(
            scheduler={"cls": LocalScheduler, "options": {**common, "port": 0, "dashboard": False}},
            workers={number: {"cls": Nanny, "options": nanny} for number in range(workers)},
            asynchronous=True,
            silence_logs=False,  # it would change the levels of loggers for everybody
            security=security,
        ) as cluster:
            yield LocalCluster(cluster.scheduler_address, security)
