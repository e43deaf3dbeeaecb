"""The batches that one connection to a Dask scheduler has on workers, each held by a future."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any, Protocol

import anyio.abc

from fetch_engine.executors.assignments import Batch
from fetch_engine.executors.dask import worker as dask_worker
from fetch_engine.executors.dask.client import ANSWER_LIMIT


class BatchOwner(Protocol):
    """Who is told how they end, in the loop, from calls of its own."""

    def is_missing(self, batch: Batch) -> bool:
        """Whether any outcome of it has not come."""

    def landed(self, batch: Batch, ended: dict[int, bytes] | None) -> None:
        """It has ended, with the last records of all that has ended; None if it could not be run."""


class DaskBatches:
    """Hands batches to workers and tells how each ended.

    client: of Dask, as long as its connection lasts. prefix: of keys. group: lasts as long as the connection.
    lose: called when a future turns out to be lost, as all of the connection are then. forget: called with a worker
    that has no session any more.
    """

    def __init__(
        self,
        owner: BatchOwner,
        client: Any,
        prefix: str,
        group: anyio.abc.TaskGroup,
        lose: Callable[[], None],
        forget: Callable[[str], None],
    ) -> None:
        self._owner = owner
        self._client = client
        self._prefix = prefix
        self._group = group
        self._lose = lose
        self._forget = forget
        self._futures: dict[int, tuple[str, Any]] = {}  # by batch: its worker, and the future

    def fly(self, batch: Batch, session: str, orders: bytes) -> None:
        """Send one to that session of its worker."""
        key = f"{self._prefix}-{batch.number}"
        future = self._client.submit(dask_worker.fly, session, key, batch.number, orders, **pinned(key, batch.worker))
        self._futures[batch.number] = batch.worker, future
        self._group.start_soon(self._await, batch, future)

    def release(self, worker: str) -> None:
        """Let go of all that this worker has: nobody waits for their ends."""
        for number, (where, future) in list(self._futures.items()):
            if where == worker:
                del self._futures[number]
                future.release()

    async def _await(self, batch: Batch, future: Any) -> None:
        try:
            await future.exception()
            if batch.number not in self._futures:
                return
            if future.status == "cancelled":
                self._lose()
            elif not self._owner.is_missing(batch):
                self._owner.landed(batch, {})
            else:
                pickled = await self._gathered(future)
                if pickled == b"" and batch.number in self._futures:
                    self._forget(batch.worker)
                else:
                    self._owner.landed(batch, pickle.loads(pickled) if pickled else None)
        finally:
            self._futures.pop(batch.number, None)
            future.release()

    async def _gathered(self, future: Any) -> bytes | None:
        if future.status != "finished":
            return None
        try:
            found: bytes | None = await asyncio.wait_for(future.result(), ANSWER_LIMIT)
        except Exception:  # noqa: BLE001 - what could not be fetched is made again, or told to be of unknown outcome
            return None
        return found


def pinned(key: str, worker: str) -> dict[str, Any]:
    """Options of `Client.submit` for this worker alone: what may be repeated elsewhere is known here, not to Dask."""
    return {"key": key, "workers": [worker], "allow_other_workers": False, "pure": False, "retries": 0}
