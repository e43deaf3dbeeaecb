"""Waiting for a condition, with a limit."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel

from fetch_engine import FetchEngine


async def until(condition: Callable[[], bool], limit: float = 60.0) -> None:
    """Let the loop run until the condition holds."""
    deadline = anyio.current_time() + limit
    while not condition():
        assert anyio.current_time() < deadline, "the condition did not come to hold"
        await anyio.sleep(0.001)


async def all_let_go(engine: FetchEngine, limit: float = 60.0) -> None:
    """Wait for what every use of the engine must end in: nothing alive, leased or unwinding."""

    def let_go() -> bool:
        census = engine.census()
        return census.alive == 0 and census.dropping == 0 and engine.session.leases == 0

    await until(let_go, limit)
    census = engine.census()
    assert census.opened == census.closed


async def turns(count: int) -> None:
    """Let everybody else run `count` times."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()
