"""What is left at the end: the account that is printed when the program exits."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui.run.counts import NONE, Counts

if TYPE_CHECKING:
    from fetch_engine import FetchEngine
    from fetch_engine.core.process_facts import ProcessFacts


@dataclass(frozen=True, slots=True)
class ExitReport:
    """Handles, sessions and descriptors at the end; -1 descriptors where the system does not tell.

    fetches: those whose outcome was reported. opened, closed, alive: handles. processes: children and what was in them,
    where fetches ran there.
    """

    fetches: int
    opened: int
    closed: int
    alive: int
    sessions_opened: int
    sessions_closed: int
    descriptors_before: int
    descriptors_after: int
    processes: ProcessFacts | None = None
    run_again: int | None = None  # on a cluster
    late: int | None = None  # outcomes that did not count
    counts: Counts = NONE  # what the fetches came to
    left: int = 0  # asked for and not done
    seconds: float = 0.0

    @classmethod
    def of(
        cls,
        engine: FetchEngine,
        *,
        fetches: int,
        descriptors_before: int,
        counts: Counts = NONE,
        left: int = 0,
        seconds: float = 0.0,
    ) -> ExitReport:
        """The account of an engine that was left. Take it when the event loop is closed too: it has descriptors."""
        census = engine.census()
        return cls(
            fetches=fetches,
            opened=census.opened,
            closed=census.closed,
            alive=census.alive,
            sessions_opened=engine.session.generation,
            sessions_closed=engine.session.closed_generations,
            descriptors_before=descriptors_before,
            descriptors_after=open_descriptors(),
            processes=engine.processes,
            run_again=None if engine.cluster is None else engine.cluster.rerun,
            late=None if engine.cluster is None else engine.cluster.late,
            counts=counts,
            left=left,
            seconds=seconds,
        )

    @property
    def clean(self) -> bool:
        """Whether all that was opened is closed."""
        return (
            self.alive == 0
            and self.sessions_opened == self.sessions_closed
            and self.descriptors_after <= self.descriptors_before
            and (self.processes is None or self.processes.all_ended)
        )

    def as_json(self) -> str:
        """One line, with `clean` as the last key."""
        values = dataclasses.asdict(self)
        for name in ("processes", "run_again", "late"):
            if values[name] is None:
                del values[name]
        n = self.counts
        values |= {"counts": {"ok": n.ok, "failed": n.not_ok, "cancelled": n.cancelled}}
        values["seconds"] = round(self.seconds, 3)
        return json.dumps({**values, "clean": self.clean})

    def as_text(self) -> str:
        """One line for a person."""
        return (
            f"{self.counts.as_text(self.seconds, self.left)}; {'' if self.clean else 'NOT CLEAN: '}"
            f"{self.fetches} fetches; "
            f"handles {self.opened} opened, {self.closed} closed, {self.alive} alive; "
            f"sessions {self.sessions_opened} opened, {self.sessions_closed} closed; "
            f"descriptors {self.descriptors_before} before, {self.descriptors_after} after"
            f"{'' if self.processes is None else f'; {describe(self.processes)}'}"
            f"{self._of_cluster()}"
        )

    def _of_cluster(self) -> str:
        if not (self.run_again or self.late):
            return ""
        return f"; cluster: {self.run_again} fetches run again, {self.late} outcomes late"


def describe(facts: ProcessFacts) -> str:
    """For a person."""
    there = facts.there
    lost = f", {facts.lost} lost, {facts.rerun} fetches run again" if facts.lost else ""
    return (
        f"processes {facts.started} started, {facts.ended} ended{lost}; "
        f"in them handles {there.opened} opened, {there.closed} closed, {there.alive} alive, "
        f"sessions {there.sessions_opened} opened, {there.sessions_closed} closed"
    )


def open_descriptors() -> int:
    """How many descriptors this process has open; -1 if the system does not tell.

    Those of shared libraries are left out: libffi keeps one for its own code from the first use of ctypes on (3.5).
    """
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        return sum(1 for name in names if not _is_library(f"{directory}/{name}")) - 1  # listing needs one itself
    return -1


def _is_library(descriptor: str) -> bool:
    try:
        return ".so" in Path(os.readlink(descriptor)).suffixes
    except OSError:  # closed meanwhile, as that of the listing, or not a link on this system
        return False
