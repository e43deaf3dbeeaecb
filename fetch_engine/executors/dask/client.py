"""A client of a Dask scheduler, quiet, of the same versions as the other side, that does not come back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

import anyio
from distributed import Client

from fetch_engine.bodies.shared_folder import SharedFolder
from fetch_engine.core.worker_facts import versions_here
from fetch_engine.executors.dask import worker as dask_worker
from fetch_engine.executors.dask.tls import lacking_certificates

CONNECT_LIMIT = 10.0  # seconds
ANSWER_LIMIT = 10.0  # seconds for an answer of the scheduler
CLOSE_LIMIT = 3.0  # seconds

# They would be written to standard error, over the screen; what matters is told by outcomes and facts.
for _name in ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application"):
    _logger = logging.getLogger(_name)
    _logger.handlers[:] = [logging.NullHandler()]
    _logger.propagate = False


async def check(address: str) -> str | None:
    """Why nothing can be fetched by the cluster of this scheduler; None if nothing is known to be in the way."""
    client, why = await connect(address)
    if client is None:
        return why
    try:
        found = await asyncio.wait_for(client.run(dask_worker.versions, on_error="return"), ANSWER_LIMIT)
    except (OSError, TimeoutError):
        return None  # a worker that is busy or gone; more may come
    finally:
        await close(client)
    misfits = [
        f"{worker}: {why_refused(one) if isinstance(one, Exception) else one.misfit(versions_here())}"
        for worker, one in found.items()
        if isinstance(one, Exception) or one.misfit(versions_here()) is not None
    ]
    return f"no worker of it can be used: {misfits[0]}" if misfits and len(misfits) == len(found) else None


async def check_sink(address: str, sink: SharedFolder) -> str | None:
    """Why the workers of this scheduler can write nothing there; None if nothing is known to be in the way."""
    if sink.protocol is None:
        return None
    client, why = await connect(address)
    if client is None:
        return why
    try:
        found = await asyncio.wait_for(client.run(SharedFolder.problem, sink, on_error="ignore"), ANSWER_LIMIT)
    except (OSError, TimeoutError):
        return None
    finally:
        await close(client)
    return next((f"{worker}: {one}" for worker, one in found.items() if one is not None), None)


async def connect(address: str, security: Any = None) -> tuple[Any, str | None]:
    """A client of the scheduler there, in this loop, or why there is none.

    security: with the certificates to show; None for those of Dask's configuration.
    """
    if security is None and (why := lacking_certificates(address)) is not None:
        return None, why
    make: Any = Client
    opened = None
    try:
        opened = make(
            address,
            security=security,
            asynchronous=True,
            set_as_default=False,
            timeout=CONNECT_LIMIT,
            name="weakfetch-tui",
        )
        await opened
        there = await asyncio.wait_for(opened.run_on_scheduler(dask_worker.versions), ANSWER_LIMIT)
        why = there.misfit(versions_here())
        if why is None:
            # Private: how long it tries to connect again by itself. Under the same name, that would be taken for the
            # connection that is lost; tests/cluster/test_hook.py notices when this goes.
            opened._timeout = 0
            # It would keep the last thousand messages that it sent, with the bodies of requests. Its name is no part of
            # Dask's documentation; tests/cluster/test_memory.py notices when it goes.
            opened.scheduler_comm.recent_message_log = deque(maxlen=0)
            return opened, None
        why = f"the scheduler at {address}: {why}"
    except (OSError, TimeoutError) as error:
        why = f"no Dask scheduler at {address}: {' '.join(str(error).split())[:200]}"
    except Exception as error:  # noqa: BLE001 - whatever is raised there is raised here
        why = f"the scheduler at {address}: {why_refused(error)}"
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await close(opened)
        raise
    await close(opened)
    return None, why


async def close(client: Any) -> None:
    """Let go of it; None: there is none."""
    if client is not None:
        with contextlib.suppress(Exception):  # whatever a connection that is lost or half made raises as it is left
            await asyncio.wait_for(client.close(), CLOSE_LIMIT)


def why_refused(error: BaseException) -> str:
    """What to do about an exception that a worker or the scheduler raised before anything could run."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError):
            return f"{cause.name} is missing there: install weakfetch-tui[dask], the same version as here"
        cause = cause.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
