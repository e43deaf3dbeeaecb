"""Handles that died unnoticed: their finalizer itself was interrupted, as by deep recursion. They are found again.

Every handle refers to one object, once. The references to it are the handles alive, whatever became of finalizers and
of the registry's callbacks: where the ledger counts more, the registry is held against the jobs.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fetch_engine.core.task import FetchTask, Job

LOOK_AGAIN = 0.5  # seconds between two looks


class Deaths:
    """Compares handles and jobs. `one` is what each handle is given; `watched`: whether somebody looks for now."""

    def __init__(self, registry: weakref.WeakValueDictionary[int, FetchTask]) -> None:
        self._registry = registry
        self.one = object()
        self._others = 0
        self._others = self.handles()
        self.watched = False

    def handles(self) -> int:
        """How many handles are alive; O(1)."""
        return sys.getrefcount(self.one) - self._others

    def unnoticed(self, jobs: Iterable[Job]) -> list[Job]:
        """Those of the jobs whose handle has died, by the registry, and which were not reaped. What died handles left
        in the tables of `weakref` is removed. The cost is the number of jobs, and of finalizers in the process."""
        lost = [job for job in jobs if not job.reaped and self._registry.get(job.id) is None]
        for job in lost:
            self._registry.pop(job.id, None)  # its own callback may have failed as well
        _forget_finalizers({id(job) for job in lost})
        return lost


def _forget_finalizers(jobs: set[int]) -> None:
    finalizers: Any = getattr(weakref.finalize, "_registry", {})
    for finalizer, info in list(finalizers.items()):
        if info.weakref() is None and info.args and id(info.args[-1]) in jobs:
            finalizers.pop(finalizer, None)
