"""Waking the running event loop from any thread, on asyncio (and uvloop) and on trio."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import Any

from anyio.lowlevel import current_token


def waker(callback: Callable[[], None]) -> Callable[[], None]:
    """A function that, from any thread, has `callback` run soon in the loop that is running now.

    It raises RuntimeError once that loop is closed. `callback` must not raise: trio would end its run.
    """
    loop: Any = current_token().native_token
    if isinstance(loop, asyncio.AbstractEventLoop):
        # An empty context: the poster's context variables may hold a handle, which the callback would keep alive.
        return functools.partial(loop.call_soon_threadsafe, callback, context=contextvars.Context())
    return functools.partial(loop.run_sync_soon, callback, idempotent=True)
