"""What crosses from the engine's thread to the screen, and back: frozen records and ids, never a handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.entry.commands import AddGlob, AddRequests, AddUrls
from tui.run.counts import NONE, Counts

if TYPE_CHECKING:  # the screen is there before the engine is
    from fetch_engine.core.census import Census
    from fetch_engine.core.process_facts import ProcessFacts
    from fetch_engine.core.session import GenerationFacts
    from fetch_engine.core.worker_facts import ClusterFacts
    from fetch_engine.fetch.host_backoff import HostRest
    from fetch_engine.model.requests import FetchRequest
    from fetch_engine.model.results import FetchError, FetchResult, FetchState


@dataclass(frozen=True, slots=True)
class Wait:
    """What a fetch waits for that is not a free place: a host that rests (`host`), or else its own next attempt.

    cause: the status, or the kind of error, that led to it. seconds: left of it.
    """

    cause: str
    seconds: float
    host: str = ""


@dataclass(frozen=True, slots=True)
class ActiveRow:
    """A fetch that has not ended. rate: bytes/s over the last second; age: seconds since submit.

    request: None where it is not known, for a plain one of `url`.
    """

    id: int
    url: str
    state: FetchState
    body_size: int
    expected_size: int | None
    rate: float
    age: float
    attempt: int
    pinned: bool
    warnings: tuple[str, ...] = ()  # what the lints say of it
    request: FetchRequest | None = None
    wait: Wait | None = None


@dataclass(frozen=True, slots=True)
class FinishedRecord:
    """A fetch that has ended, as a copy that keeps nothing alive. `finished_at` is time.time().

    request: None where it is not known, for a plain one of `url`.
    """

    id: int
    url: str
    outcome: FetchResult | FetchError
    finished_at: float
    warnings: tuple[str, ...] = ()  # what was odd about it to the end
    request: FetchRequest | None = None


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A handle that is alive after its fetch ended. held: seconds since then; by: who holds it, nearest first."""

    id: int
    url: str
    code: str
    held: float
    pinned: bool
    by: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The shared session: is a client open, of which generation, held by how many leases."""

    is_open: bool
    generation: int
    leases: int
    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What the garbage collector came to when it was asked for last: handles alive before and after, and seconds."""

    before: int
    after: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The engine at one instant. Rows are in order of id; `waiting` counts URLs that have no row yet, also those that
    are still in a list; has_more: whether a list may have more of them, as its length is not known.
    """

    census: Census
    session: SessionFacts
    active: tuple[ActiveRow, ...]
    held: tuple[HeldRow, ...]
    waiting: int
    counts: Counts  # of this time
    rate: float  # bytes/s from the wire, all fetches
    peak_alive: int
    history: tuple[int, ...]  # alive, one number a second, newest last, at most 60
    concurrency: int
    closing: bool = False
    has_more: bool = False
    earlier: Counts = NONE  # of the run before it went on
    failing: int = 0  # fetches that make the run fail
    warnings: tuple[str, ...] = ()  # a line for each lint that has something to say, bugs of ours first
    bugs: int = 0  # how many of them are
    generations: tuple[GenerationFacts, ...] = ()  # of the session, newest first
    collected: Collected | None = None
    cluster: ClusterFacts | None = None  # where fetches run on one
    search_asked_only: bool = False  # whether holders are searched for only on request, since that has become slow
    processes: ProcessFacts | None = None  # child processes, where fetches run there
    resting: tuple[HostRest, ...] = ()  # hosts that asked for less


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the fetch with this id, or every one that has not ended (None)."""

    id: int | None


@dataclass(frozen=True, slots=True)
class Drop:
    """Let go of the handle with this id, whatever its state."""

    id: int


@dataclass(frozen=True, slots=True)
class TogglePin:
    """Pin the handle with this id, or release it."""

    id: int


@dataclass(frozen=True, slots=True)
class FindHolders:
    """Find out who holds the handle with this id."""

    id: int


@dataclass(frozen=True, slots=True)
class Collect:
    """Run the garbage collector, and tell what only it could free."""


@dataclass(frozen=True, slots=True)
class SetRate:
    """Send this many snapshots a second."""

    per_second: float


Command = AddUrls | AddRequests | AddGlob | Cancel | Drop | TogglePin | FindHolders | Collect | SetRate
