"""Waking the running event loop from any thread, on asyncio (and uvloop) and on trio; and whether one may act now."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
from collections.abc import Callable
from typing import Any

from anyio.lowlevel import current_token

_ENOUGH = 100  # calls within calls: more than anything takes that may interrupt deep recursion

sniffio: Any
try:
    import sniffio
except ModuleNotFoundError:  # anyio does without it, and so do we
    sniffio = None


def waker(callback: Callable[[], None]) -> Callable[[], None]:
    """A function that, from any thread, has `callback` run soon in the loop that is running now.

    It raises RuntimeError once that loop is closed. `callback` must not raise: trio would end its run.
    """
    loop: Any = current_token().native_token
    if isinstance(loop, asyncio.AbstractEventLoop):
        # A context of its own: the poster's variables may hold a handle, which the callback would keep alive.
        # From Python 3.14 on asyncio makes a lock for each such callback. Only the loop takes it, when it runs the
        # callback, so a finalizer that interrupts the loop there waits for nothing: it makes another one.
        context = knowing_its_library(contextvars.Context())
        schedule: Any = loop.call_soon_threadsafe
        return functools.partial(schedule, callback, context=context)
    return functools.partial(loop.run_sync_soon, callback, idempotent=True)


def knowing_its_library(context: contextvars.Context) -> contextvars.Context:
    """The context; code that runs in it outside of any task, as callbacks do, can tell which loop it is in.

    anyio asks sniffio where that is installed: it sees tasks, and this variable, which only `anyio.run` has set.
    """
    if sniffio is not None:
        context.run(sniffio.current_async_library_cvar.set, sniffio.current_async_library())
    return context


def presence() -> Callable[[], bool]:
    """A function that tells whether the loop that is running now is running in the calling thread at that moment."""
    loop: Any = current_token().native_token
    current: Callable[[], object]
    if isinstance(loop, asyncio.AbstractEventLoop):
        current = asyncio.get_running_loop
    else:
        from trio.lowlevel import current_trio_token as current

    def is_here() -> bool:
        try:
            return current() is loop
        except RecursionError:
            raise  # a RuntimeError too, which says nothing of the loop
        except RuntimeError:
            return False

    return is_here


def ending() -> Callable[[], bool]:
    """A function that tells whether the loop that is running now has been closed. trio's ends its tasks before."""
    loop: Any = current_token().native_token
    closed: Callable[[], bool] = loop.is_closed if isinstance(loop, asyncio.AbstractEventLoop) else bool
    return closed


def interrupter() -> Callable[[], None] | None:
    """A function that has KeyboardInterrupt raised soon in a turn of the loop that is running now, so that it comes out
    of it. None on trio, which raises it in the tasks of its user and in nothing of its own."""
    is_asyncio = isinstance(current_token().native_token, asyncio.AbstractEventLoop)
    return waker(_interrupt) if is_asyncio else None


def _interrupt() -> None:
    raise KeyboardInterrupt


def is_in_abandoned_generator() -> bool:
    """Whether asyncio closes an async generator that was dropped before its end, in a task of its own. trio warns of
    that itself."""
    try:
        task: Any = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and type(task.get_coro()).__name__ == "async_generator_athrow"


def has_headroom() -> bool:
    """Whether there are enough calls left to the limit of recursion to change a state and not be interrupted by it."""
    try:
        sys._getframe(_ENOUGH)
    except ValueError:
        return True  # a shallow stack, which is the rule
    try:
        _descend(_ENOUGH)
    except RecursionError:
        return False
    return True


def _descend(depth: int) -> None:
    if depth:
        _descend(depth - 1)
