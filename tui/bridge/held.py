"""What is shown of handles that are alive though their fetch has ended, and who keeps them so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from fetch_engine import FetchEngine, FetchResult
from fetch_engine.core.census import HeldHandle
from fetch_engine.lints.facts import HeldFacts, held_facts
from fetch_engine.model.results import ErrorKind
from tui.bridge.snapshot import HeldRow

SHOWN = 200  # held handles that get a row
STALE = 10.0  # seconds after which a holder is looked for again
CHEAP = 0.1  # seconds of work: what took longer is done again only on request
SHARE = 0.02  # of the time that searches may take by themselves
PINNED = "pinned by you"


class HeldHandles:
    """Copies of the handles, and the lines that say who holds them.

    A search goes through all objects of the program, so it stops everything for a while: without being asked there is
    one a second at most, and none once they have become slow.
    """

    def __init__(self, engine: FetchEngine) -> None:
        self._engine = engine
        self._handles: Sequence[HeldHandle] = ()
        self._lines: dict[int, tuple[float, tuple[str, ...]]] = {}
        self._next = 0.0

    def look(self, now: float) -> None:
        """See what is held now, as `time.monotonic()`."""
        self._handles = self._engine.held()[:SHOWN]
        self._lines = {handle.id: self._lines[handle.id] for handle in self._handles if handle.id in self._lines}
        stale = next((one.id for one in self._handles if not one.pinned and self._is_stale(one.id, now)), None)
        if stale is not None and now >= self._next:
            self.search(stale)

    def search(self, task_id: int) -> None:
        """Find out now who holds this handle."""
        began = time.thread_time()  # what others on a busy machine take is not its cost
        lines = self._engine.holders(task_id)
        now, took = time.monotonic(), time.thread_time() - began
        if lines:
            self._lines[task_id] = now, tuple(lines)
        self._next = now + max(1.0, took / SHARE) if took <= CHEAP else float("inf")

    @property
    def is_asked_only(self) -> bool:
        """Whether searches have become so slow that there are none unless they are asked for."""
        return self._next == float("inf")

    def facts(self) -> Iterator[HeldFacts]:
        """What the lints look at."""
        return (held_facts(handle, self._found(handle.id)) for handle in self._handles)

    def rows(self, warnings: Callable[[int], tuple[str, ...]]) -> tuple[HeldRow, ...]:
        """A row for each of the first handles; `warnings` by their id."""
        return tuple(
            HeldRow(
                handle.id,
                handle.url,
                _code(handle),
                handle.seconds,
                handle.pinned,
                (PINNED,) if handle.pinned else _nearest_first(self._found(handle.id)),
                warnings(handle.id),
            )
            for handle in self._handles
        )

    def _found(self, task_id: int) -> tuple[str, ...]:
        looked = self._lines.get(task_id)
        return looked[1] if looked else ()

    def _is_stale(self, task_id: int, now: float) -> bool:
        looked = self._lines.get(task_id)
        return looked is None or now - looked[0] > STALE


def _nearest_first(chains: Sequence[str]) -> tuple[str, ...]:
    """The first chain, which is written from the root on, turned round: a narrow screen shows its start."""
    if not chains:
        return ()
    others = (f"and {len(chains) - 1} more",) if len(chains) > 1 else ()
    return (*reversed(chains[0].split(" > ")), *others)


def _code(handle: HeldHandle) -> str:
    if isinstance(handle.outcome, FetchResult):
        return str(handle.outcome.status)
    return "CXL" if handle.outcome.kind is ErrorKind.CANCELLED else "ERR"
