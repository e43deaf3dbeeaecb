"""Waking the running event loop from any thread, on asyncio (and uvloop) and on trio."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import Any

from anyio.lowlevel import current_token

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
        except RuntimeError:
            return False

    return is_here
