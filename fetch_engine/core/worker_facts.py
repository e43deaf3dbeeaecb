"""What is known of a worker that carries fetches elsewhere, as a copy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Versions:
    """Of Python, this program and distributed, where one process runs."""

    python: str
    program: str
    distributed: str

    def misfit(self, here: Versions) -> str | None:
        """Why the two cannot work together, and what to do about it; None if they can."""
        if self.program != here.program:
            return f"weakfetch-tui {self.program} there, {here.program} here: install the same on both"
        if self.python.split(".")[:2] != here.python.split(".")[:2]:
            return f"Python {self.python} there, {here.python} here: use the same on both"
        if self.distributed != here.distributed:
            return f"distributed {self.distributed} there, {here.distributed} here: install the same on both"
        return None


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One worker at one instant.

    state: `starting`, `ready`, `silent` (not heard of for a while), `refused` (and `note` says why).
    fetches of slots: those it was given from here, of as many as it takes. there: handles alive in it, for this
    engine. leases, connections: of its shared session. rate: bytes a second that it received.
    """

    name: str
    state: str
    fetches: int = 0
    slots: int = 0
    there: int = 0
    leases: int = 0
    connections: int | None = None
    rate: float = 0.0
    versions: Versions | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster at one instant. rerun: fetches that were run again since their worker or the connection was lost.
    late: outcomes of fetches that had been given up by then, which did not count. reconnected: how often the
    connection to the scheduler was made again. problem: why no fetch can run at the moment, "" if some can. is_lost:
    whether that has lasted for as long as is waited for it to pass."""

    workers: tuple[WorkerFacts, ...] = ()
    rerun: int = 0
    late: int = 0
    reconnected: int = 0
    problem: str = ""
    is_lost: bool = False


def versions_here() -> Versions:
    """Of this process."""
    import platform

    return Versions(platform.python_version(), _version("weakfetch-tui"), _version("distributed"))


def _version(package: str) -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
