"""The shared HTTP session: one client a generation, opened lazily, closed once, when its last lease is back."""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

CLOSE_LIMIT = 5.0  # seconds for closing a client; its sockets are left to the collector after that

REMEMBERED = 4  # generations told of after their end


class Client(Protocol):
    """What a generation opens: an HTTP client, or what stands for several elsewhere.

    One that counts its sockets may tell them by a property `connections`.
    """

    async def aclose(self) -> None:
        """Called once, when nothing is running."""


@dataclass(frozen=True, slots=True)
class GenerationFacts:
    """One opening of the client, as a copy. Times in seconds.

    leases of taken: claims that are still out, of all there were. running: requests under way. connections: sockets
    that it has, None where the client does not tell. age: since it was opened. unleased: since the last lease came
    back, 0 while one is out. Of one that was closed all is as it was then.
    """

    number: int
    is_open: bool
    is_closing: bool
    leases: int
    taken: int
    running: int
    connections: int | None
    age: float
    unleased: float


class Generation:
    """One opening of the client. `leases`: jobs not yet let go; `running`: those whose request is under way."""

    __slots__ = (
        "client",
        "close_at",
        "closed",
        "closing",
        "idle_since",
        "keeper",
        "leases",
        "number",
        "opened_at",
        "opening",
        "running",
        "sooner",
        "taken",
        "unleased_since",
    )

    def __init__(self) -> None:
        self.number = 0
        self.client: Client | None = None
        self.leases = 0
        self.taken = 0  # leases there ever were
        self.running = 0
        self.opened_at = 0.0
        self.idle_since = 0.0
        self.unleased_since = 0.0
        self.keeper = False  # whether a task waits to close it
        self.close_at = math.inf  # what that task waits for
        self.sooner = anyio.Event()
        self.closing = False
        self.closed = anyio.Event()
        self.opening = anyio.Lock()

    def facts(self, now: float) -> GenerationFacts:
        """A copy, for people; `now` as `time.monotonic()`."""
        return GenerationFacts(
            number=self.number,
            is_open=not self.closed.is_set(),
            is_closing=self.closing,
            leases=self.leases,
            taken=self.taken,
            running=self.running,
            connections=getattr(self.client, "connections", None),
            age=now - self.opened_at,
            unleased=0.0 if self.leases else now - self.unleased_since,
        )


class SharedSession:
    """Hands out leases on the current generation and closes it when nobody has one.

    `open_client`: the executor's; what it opens is an HTTP client, or stands for those of other processes. `spawn` soon
    starts a coroutine function in the engine's task group; `later` soon makes a call into the event loop.
    `grace`: seconds an unleased client stays open. `idle_close`: seconds after which a client without a running
    request is closed in spite of leases (None: never).
    """

    def __init__(
        self,
        open_client: Callable[[], Awaitable[Client]],
        spawn: Callable[..., None],
        later: Callable[[Callable[[], object]], None],
        *,
        grace: float,
        idle_close: float | None,
    ) -> None:
        self._open_client = open_client
        self._spawn = spawn
        self._later = later
        self.grace = grace
        self._idle_close = idle_close
        self._current: Generation | None = None
        self._open: set[Generation] = set()
        self._ended: deque[GenerationFacts] = deque(maxlen=REMEMBERED)
        self.leases = 0
        self.opened_generations = 0
        self.closed_generations = 0
        self.misuses = 0  # requests that met a client which was being closed: there must be none

    @property
    def is_open(self) -> bool:
        """Whether a client is open at this moment, be it one that is closing."""
        return bool(self._open)

    @property
    def generation(self) -> int:
        """The number of the generation opened last; 0 before the first."""
        return self.opened_generations

    def generations(self) -> tuple[GenerationFacts, ...]:
        """Those that are open and the last that were, newest first."""
        now = time.monotonic()
        facts = [*self._ended, *(generation.facts(now) for generation in self._open)]
        return tuple(sorted(facts, key=lambda one: one.number, reverse=True))

    def lease(self) -> Generation:
        """Take a lease; a generation that is closing takes none, so that no request runs on a closed client."""
        generation = self._current
        if generation is None:
            generation = self._current = Generation()
        generation.leases += 1
        generation.taken += 1
        self.leases += 1
        return generation

    def release(self, generation: Generation) -> None:
        """Give a lease back, once."""
        generation.leases -= 1
        self.leases -= 1
        if generation.leases == 0:
            generation.unleased_since = time.monotonic()
            if generation.client is None and self._current is generation:
                self._current = None
            self._watch(generation)

    def renew(self, generation: Generation) -> Generation:
        """The same lease where its client can still be used, else one on the current generation."""
        if not generation.closing:
            return generation
        self.release(generation)
        return self.lease()

    def start(self, generation: Generation) -> None:
        """A request begins; `stop` must follow."""
        generation.running += 1
        self.misuses += generation.closing

    async def client(self, generation: Generation) -> Any:
        """What `open_client` gave this generation, called now if this is its first request. Raises AttemptFailed."""
        if generation.client is None:
            async with generation.opening:
                if generation.client is None:
                    generation.client = await self._opened()
                    self.opened_generations += 1
                    generation.number = self.opened_generations
                    generation.opened_at = time.monotonic()
                    self._open.add(generation)
        return generation.client

    async def _opened(self) -> Client:
        try:
            return await self._open_client()
        except AttemptFailed:
            raise
        except Exception as bug:  # noqa: BLE001 - it may end this fetch, not the engine
            message = f"opening an HTTP client: {bug!r}"
        raise AttemptFailed(ErrorKind.INTERNAL, message)

    def stop(self, generation: Generation) -> None:
        """A request has ended."""
        generation.running -= 1
        if generation.running == 0:
            generation.idle_since = time.monotonic()
            self._watch(generation)

    async def aclose(self) -> None:
        """Close every client now, without grace; returns when all are closed."""
        self._current = None
        for generation in list(self._open):
            await self._close(generation)

    def recount(self, leased: Counter[Generation], running: Counter[Generation]) -> None:
        """Count anew after an operation was interrupted: who has a lease and whose request is under way."""
        generations = {*self._open, *leased}
        if self._current is not None:
            generations.add(self._current)
        self.leases = leased.total()
        for generation in generations:
            if not leased[generation] and generation.leases:
                generation.unleased_since = time.monotonic()
            if not running[generation] and generation.running:
                generation.idle_since = time.monotonic()
            generation.leases, generation.running = leased[generation], running[generation]
            self._watch(generation)

    def _due(self, generation: Generation) -> float:
        """When this generation is to be closed, if nothing changes (as `time.monotonic`); infinity for never."""
        if generation.running or generation.client is None or generation.closing:
            return math.inf
        due = math.inf
        if not generation.leases:
            due = generation.unleased_since + self.grace
        if self._idle_close is not None:
            due = min(due, generation.idle_since + self._idle_close)
        return due

    def _watch(self, generation: Generation) -> None:
        due = self._due(generation)
        if generation.keeper:
            if due < generation.close_at:
                self._later(generation.sooner.set)
        elif due < math.inf:
            self._spawn(self._keep, generation)
            generation.keeper = True

    async def _keep(self, generation: Generation) -> None:
        """Wait until the generation is due; a lease or request in between puts it off."""
        while (due := self._due(generation)) < math.inf:
            remaining = due - time.monotonic()
            if remaining <= 0:
                if self._current is generation:
                    self._current = None
                await self._close(generation)
                break
            generation.close_at = due
            generation.sooner = anyio.Event()
            with anyio.move_on_after(remaining):
                await generation.sooner.wait()
        generation.keeper = False

    async def _close(self, generation: Generation) -> None:
        if generation.closing:
            await generation.closed.wait()
            return
        generation.closing = True
        self.misuses += generation.running
        client: Any = generation.client
        # The shield: whoever cancels the keeper or the engine's end must not leave a client half closed.
        with anyio.CancelScope(shield=True):
            try:
                with anyio.move_on_after(CLOSE_LIMIT):
                    await client.aclose()
            except Exception as error:  # noqa: BLE001 - no fetch of another generation may suffer from it
                warnings.warn(f"closing an HTTP client failed: {error!r}", ResourceWarning, stacklevel=2)
            finally:
                self._open.discard(generation)
                self.closed_generations += 1
                generation.closed.set()
                self._ended.append(generation.facts(time.monotonic()))
