"""The lints: each says when it fires, and how it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fetch_engine.core.facts import CollectedFacts, LeaseFacts
from fetch_engine.core.session import CLOSE_LIMIT
from fetch_engine.lints.facts import FetchFacts, HeldFacts, LoopFacts
from fetch_engine.lints.linter import Lint
from fetch_engine.model.limits import KIB
from fetch_engine.model.results import FetchState

STALLED_AFTER = 5.0  # seconds without a byte
QUEUED_LONG = 5.0  # seconds
SLOW_SHARE = 0.5  # of the time of a request
SLOW_LEAST = 1.0  # seconds
TINY_READ = KIB  # bytes, on average
MANY_READS = 100
OUTLIVED_AFTER = 2.0  # seconds
LARGE_BODY = KIB * KIB  # bytes
RECENT = 60.0  # seconds for which deaths by the collector are told
LATE_ONCE = 0.25  # seconds: a beat that is less late counts if it is not the only one
LATE_RECENT = 10.0  # seconds for which a blocked loop is told
STUCK_AFTER = CLOSE_LIMIT + 2.0  # seconds beyond the grace

_WAITING_FOR = {"connect": "no connection for {}", "wait": "no answer for {}", "receive": "no bytes for {}"}
_CYCLE = "cycle of garbage"  # how `engine.holders` begins such a line
_TRACEBACK = (".__traceback__", "exception of ")  # what its lines have in them


class Stalled(Lint[FetchFacts]):
    """The other side is silent. after: seconds."""

    def __init__(self, after: float = STALLED_AFTER) -> None:
        self._after = after

    def check(self, facts: FetchFacts) -> bool:
        return facts.quiet >= self._after and facts.phase in _WAITING_FOR

    def format(self, facts: FetchFacts) -> str:
        return _WAITING_FOR[facts.phase or "receive"].format(_time(facts.quiet))

    def summary(self, found: Sequence[FetchFacts]) -> str:
        return f"{_count(found, 'fetch has', 'fetches have')} had no bytes for over {_time(self._after)}"


class QueuedLong(Lint[FetchFacts]):
    """It waits for a place, or for a socket. after: seconds."""

    def __init__(self, after: float = QUEUED_LONG) -> None:
        self._after = after

    def check(self, facts: FetchFacts) -> bool:
        return facts.state is FetchState.QUEUED and facts.queued >= self._after

    def format(self, facts: FetchFacts) -> str:
        return f"in the queue for {_time(facts.queued)}"

    def summary(self, found: Sequence[FetchFacts]) -> str:
        return f"{_count(found, 'fetch has', 'fetches have')} waited over {_time(self._after)} for a place"


class SlowStart(Lint[FetchFacts]):
    """Finding the address or the TLS handshake takes most of the time of a request. least: seconds that it must take,
    since a large part of next to nothing is no news."""

    def __init__(self, least: float = SLOW_LEAST) -> None:
        self._least = least

    def check(self, facts: FetchFacts) -> bool:
        longest = max(facts.dns, facts.tls)
        return longest >= self._least and longest > SLOW_SHARE * facts.elapsed

    def format(self, facts: FetchFacts) -> str:
        name, longest = ("dns", facts.dns) if facts.dns >= facts.tls else ("tls", facts.tls)
        return f"{name} took {longest:.1f} s of {facts.elapsed:.1f} s"

    def summary(self, found: Sequence[FetchFacts]) -> str:
        return f"dns or tls took over {SLOW_SHARE:.0%} of the time of {_count(found, 'fetch', 'fetches')}"


class TinyReads(Lint[FetchFacts]):
    """The body comes in crumbs, each of which costs a turn of the loop."""

    def check(self, facts: FetchFacts) -> bool:
        return facts.reads >= MANY_READS and facts.read_bytes < TINY_READ * facts.reads

    def format(self, facts: FetchFacts) -> str:
        return f"{facts.reads} reads of {facts.read_bytes // facts.reads} B on average"

    def summary(self, found: Sequence[FetchFacts]) -> str:
        return f"{_count(found, 'fetch gets its body', 'fetches get their bodies')} in reads below 1 KB on average"


class Outlived(Lint[HeldFacts]):
    """Somebody has not let go. after: seconds."""

    def __init__(self, after: float = OUTLIVED_AFTER) -> None:
        self._after = after

    def check(self, facts: HeldFacts) -> bool:
        return not facts.pinned and facts.seconds >= self._after

    def format(self, facts: HeldFacts) -> str:
        return f"alive {_time(facts.seconds)} after the end of its fetch"

    def summary(self, found: Sequence[HeldFacts]) -> str:
        return f"{_count(found, 'handle', 'handles')} outlived {_its(found)} fetch by over {_time(self._after)}"


class HeldByTraceback(Lint[HeldFacts]):
    """An exception that is kept holds the frame in which the handle was a local variable."""

    grace = 0.0

    def check(self, facts: HeldFacts) -> bool:
        return not facts.pinned and any(_is_traceback(line) for line in facts.by)

    def format(self, facts: HeldFacts) -> str:
        line = next((line for line in facts.by if _is_traceback(line)), "")
        return f"held by a traceback: {line}"

    def summary(self, found: Sequence[HeldFacts]) -> str:
        return f"{_count(found, 'handle is', 'handles are')} held by the traceback of a kept exception"


class HeldByCycle(Lint[HeldFacts]):
    """Nothing that runs can reach it any more, but it is part of a cycle."""

    grace = 0.0

    def check(self, facts: HeldFacts) -> bool:
        return any(line.startswith(_CYCLE) for line in facts.by)

    def format(self, facts: HeldFacts) -> str:
        return "held by a cycle: only the garbage collector can free it"

    def summary(self, found: Sequence[HeldFacts]) -> str:
        return f"{_count(found, 'handle is', 'handles are')} held by a cycle only, until the collector runs"


class HeldByScreen(Lint[HeldFacts]):
    """A widget, message or worker has a handle, which none may. `is_screen` knows a line that names one."""

    is_bug = True
    grace = 0.0

    def __init__(self, is_screen: Callable[[str], bool]) -> None:
        self._is_screen = is_screen

    def check(self, facts: HeldFacts) -> bool:
        return any(map(self._is_screen, facts.by))

    def format(self, facts: HeldFacts) -> str:
        return f"held by the screen: {next(filter(self._is_screen, facts.by), '')}"

    def summary(self, found: Sequence[HeldFacts]) -> str:
        return f"{_count(found, 'handle is', 'handles are')} held by the screen: a bug of this program"


class LargeBody(Lint[HeldFacts]):
    """A handle that is kept keeps its result. least: bytes."""

    def __init__(self, least: int = LARGE_BODY) -> None:
        self._least = least

    def check(self, facts: HeldFacts) -> bool:
        return facts.kept >= self._least

    def format(self, facts: HeldFacts) -> str:
        return f"keeps {_megabytes(facts.kept)} of body"

    def summary(self, found: Sequence[HeldFacts]) -> str:
        total = _megabytes(sum(facts.kept for facts in found))
        return f"{_count(found, 'held handle keeps its large body', 'held handles keep their large bodies')}, {total}"


class FreedByCollector(Lint[CollectedFacts]):
    """Handles died when the collector ran: dropped, they lived on in a cycle, and their fetches with them."""

    grace = 0.0

    def check(self, facts: CollectedFacts) -> bool:
        return facts.age < RECENT

    def format(self, facts: CollectedFacts) -> str:
        return f"freed by the garbage collector: {', '.join(facts.urls)}"

    def summary(self, found: Sequence[CollectedFacts]) -> str:
        count, last = sum(facts.count for facts in found), found[-1].urls[-1]
        which = last if count == 1 else f"the last {last}"
        return f"{count} handle{' was' if count == 1 else 's were'} freed only by the garbage collector: {which}"


class BlockedLoop(Lint[LoopFacts]):
    """Something kept the event loop from everybody else: once for long, or again and again."""

    grace = 0.0

    def check(self, facts: LoopFacts) -> bool:
        return facts.age < LATE_RECENT and (facts.times > 1 or facts.worst >= LATE_ONCE)

    def format(self, facts: LoopFacts) -> str:
        blamed = f" by {facts.blamed}" if facts.blamed else ""
        return f"the event loop was blocked for {facts.worst * 1000:.0f} ms{blamed}"

    def summary(self, found: Sequence[LoopFacts]) -> str:
        facts = found[-1]
        often = "" if facts.times == 1 else f" {facts.times} times, at worst"
        blamed = f", by {facts.blamed}" if facts.blamed else ""
        return f"the event loop was blocked{often} for {facts.worst * 1000:.0f} ms{blamed}"


class SessionStuck(Lint[LeaseFacts]):
    """The session does not follow its leases. after: seconds beyond the grace that a client may stay open."""

    is_bug = True

    def __init__(self, after: float = STUCK_AFTER) -> None:
        self._after = after

    def check(self, facts: LeaseFacts) -> bool:
        return bool(self._reason(facts))

    def format(self, facts: LeaseFacts) -> str:
        return f"the session is stuck: {self._reason(facts)}"

    def summary(self, found: Sequence[LeaseFacts]) -> str:
        return f"{self.format(found[-1])}: a bug of this program"

    def _reason(self, facts: LeaseFacts) -> str:
        if facts.leases != facts.wanted:
            return f"{facts.leases} leases for {facts.wanted} handles"
        if facts.misuses:
            return "a request met a client that was being closed"
        for generation in facts.generations:
            if generation.is_open and not generation.leases and generation.unleased > facts.grace + self._after:
                return f"generation {generation.number} has no lease and does not close"
        return ""


FETCH_LINTS: tuple[Lint[FetchFacts], ...] = (Stalled(), QueuedLong(), SlowStart(), TinyReads())
ENDED_LINTS: tuple[Lint[FetchFacts], ...] = (SlowStart(), TinyReads())
HELD_LINTS: tuple[Lint[HeldFacts], ...] = (Outlived(), HeldByTraceback(), HeldByCycle(), LargeBody())


def _is_traceback(line: str) -> bool:
    return any(word in line for word in _TRACEBACK)


def _count(found: Sequence[object], one: str, many: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else many}"


def _its(found: Sequence[object]) -> str:
    return "its" if len(found) == 1 else "their"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _megabytes(count: int) -> str:
    return f"{count / (KIB * KIB):.1f} MB"
