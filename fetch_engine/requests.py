"""What to fetch."""

from __future__ import annotations

from dataclasses import dataclass, field

from fetch_engine.limits import Timeouts


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One request as a user gives it. `url` is kept as given; whether it is valid is found out when it runs.

    method: as in curl -X. headers: pairs, sent as given. body: bytes. timeouts: None takes the engine's.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeouts: Timeouts | None = None
