"""What an engine says of itself beside its ledger: frozen facts; times are in seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fetch_engine.core.census import Census
from fetch_engine.core.session import GenerationFacts, SharedSession


@dataclass(frozen=True, slots=True)
class CollectedFacts:
    """Handles that only the garbage collector could free, newest last. age: since the last of them."""

    id: int
    urls: tuple[str, ...]
    count: int
    age: float


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """The shared session beside the ledger. misuses: requests that met a client which was being closed."""

    id: int
    leases: int
    wanted: int  # leases there should be: one for each handle, and for each request that is unwinding
    misuses: int
    grace: float
    generations: tuple[GenerationFacts, ...]


def lease_facts(session: SharedSession, census: Census) -> LeaseFacts:
    """Of the session of the engine whose ledger this is."""
    return LeaseFacts(
        0, session.leases, census.alive + census.dropping, session.misuses, session.grace, session.generations()
    )


def collected_facts(freed: Sequence[tuple[str, float]], count: int) -> CollectedFacts | None:
    """Of the URLs of freed handles, each with the time (monotonic) of its death, and how many there were in all."""
    if not freed:
        return None
    return CollectedFacts(0, tuple(url for url, _ in freed), count, time.monotonic() - freed[-1][1])
