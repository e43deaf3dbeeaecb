"""The shared HTTP session: one client a generation, opened lazily, closed once, when its last lease is back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from fetch_engine.transports.protocol import Transport

CLOSE_LIMIT = 5.0  # seconds for closing a client; its sockets are left to the collector after that


class Generation:
    """One opening of the client. `leases`: jobs not yet let go; `running`: those whose request is under way."""

    __slots__ = ("closed", "closing", "idle_since", "keeper", "leases", "number", "opening", "running", "transport")

    def __init__(self) -> None:
        self.number = 0
        self.transport: Transport | None = None
        self.leases = 0
        self.running = 0
        self.idle_since = 0.0
        self.keeper = False
        self.closing = False
        self.closed = anyio.Event()
        self.opening = anyio.Lock()


class SharedSession:
    """Hands out leases on the current generation and closes it when nobody has one.

    `spawn` starts a coroutine function in the engine's task group. `grace`: seconds an unleased client stays open.
    `idle_close`: seconds after which a client without a running request is closed in spite of leases (None: never).
    """

    def __init__(
        self,
        open_transport: Callable[[], Awaitable[Transport]],
        spawn: Callable[..., None],
        *,
        grace: float,
        idle_close: float | None,
    ) -> None:
        self._open_transport = open_transport
        self._spawn = spawn
        self._grace = grace
        self._idle_close = idle_close
        self._current: Generation | None = None
        self._open: set[Generation] = set()
        self.leases = 0
        self.opened_generations = 0
        self.closed_generations = 0

    @property
    def is_open(self) -> bool:
        """Whether a client is open at this moment, be it one that is closing."""
        return bool(self._open)

    @property
    def generation(self) -> int:
        """The number of the generation opened last; 0 before the first."""
        return self.opened_generations

    def lease(self) -> Generation:
        """Take a lease; a generation that is closing takes none, so that no request runs on a closed client."""
        generation = self._current
        if generation is None:
            generation = self._current = Generation()
        generation.leases += 1
        self.leases += 1
        return generation

    def release(self, generation: Generation) -> None:
        """Give a lease back, once."""
        generation.leases -= 1
        self.leases -= 1
        if generation.leases == 0:
            if generation.transport is None and self._current is generation:
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

    async def transport(self, generation: Generation) -> Transport:
        """The generation's client, opened if this is its first request."""
        if generation.transport is None:
            async with generation.opening:
                if generation.transport is None:
                    generation.transport = await self._open_transport()
                    self.opened_generations += 1
                    generation.number = self.opened_generations
                    self._open.add(generation)
        return generation.transport

    def stop(self, generation: Generation) -> None:
        """A request has ended."""
        generation.running -= 1
        if generation.running == 0:
            self._watch(generation)

    async def aclose(self) -> None:
        """Close every client now, without grace; returns when all are closed."""
        self._current = None
        for generation in list(self._open):
            await self._close(generation)

    def _due(self, generation: Generation) -> float | None:
        """When this generation is to be closed, if nothing changes (as `time.monotonic`)."""
        if generation.running or generation.transport is None or generation.closing:
            return None
        if not generation.leases:
            return generation.idle_since + self._grace
        if self._idle_close is not None:
            return generation.idle_since + self._idle_close
        return None

    def _watch(self, generation: Generation) -> None:
        generation.idle_since = time.monotonic()
        if not generation.keeper and self._due(generation) is not None:
            generation.keeper = True
            self._spawn(self._keep, generation)

    async def _keep(self, generation: Generation) -> None:
        """Wait until the generation is due; a lease or request in between puts it off."""
        while (due := self._due(generation)) is not None:
            remaining = due - time.monotonic()
            if remaining <= 0:
                if self._current is generation:
                    self._current = None
                await self._close(generation)
                break
            await anyio.sleep(remaining)
        generation.keeper = False

    async def _close(self, generation: Generation) -> None:
        if generation.closing:
            await generation.closed.wait()
            return
        generation.closing = True
        transport: Any = generation.transport
        # The shield: whoever cancels the keeper or the engine's end must not leave a client half closed.
        with anyio.CancelScope(shield=True):
            try:
                with anyio.move_on_after(CLOSE_LIMIT):
                    await transport.aclose()
            finally:
                self._open.discard(generation)
                self.closed_generations += 1
                generation.closed.set()
