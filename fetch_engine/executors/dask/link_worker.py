"""What one end of a connection to a Dask scheduler knows of a worker."""

from __future__ import annotations

import time
from typing import Any

from fetch_engine.core.process_facts import FarFacts
from fetch_engine.core.worker_facts import Versions, WorkerFacts

SILENT = 5.0  # seconds after which a worker is shown as silent


class LinkWorker:
    """What is known of one: its lease, what it is to be told, and when it was heard of."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.name = name
        self.state = "starting"
        self.note = ""
        self.versions: Versions | None = None
        self.lease: Any = None  # a future
        self.session = ""  # its name there: that of the lease, so that nothing sent before gets into a later one
        self.commands: list[tuple[Any, ...]] = []
        self.is_commanding = False
        self.heard_at = self.beat_at = self.told_at = time.monotonic()
        self.last_seen: object = None  # by the scheduler, when it was lost for being silent
        self.ahead = 0.0  # seconds that its clock is ahead of the one here
        self.facts = FarFacts()
        self.received = 0  # bytes since the last beat
        self.rate = 0.0

    def beat(self, facts: FarFacts, now: float) -> None:
        """It tells how it is."""
        self.facts = facts
        self.rate = self.received / max(now - self.beat_at, 0.1)
        self.received, self.beat_at = 0, now

    def as_facts(self, fetches: int, slots: int, now: float) -> WorkerFacts:
        """A copy for those who show it. fetches: of as many as slots, those that it was given."""
        facts = self.facts
        return WorkerFacts(
            name=self.address if self.name in ("", self.address) else f"{self.address} ({self.name})",
            state="silent" if self.state == "ready" and now - self.heard_at > SILENT else self.state,
            fetches=fetches,
            slots=slots,
            there=facts.alive,
            leases=facts.leases,
            connections=facts.connections,
            rate=self.rate,
            versions=self.versions,
            note=self.note,
        )
