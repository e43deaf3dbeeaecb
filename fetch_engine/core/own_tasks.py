"""The engine's own tasks: under a task of their own, which no scope and no task group of a caller reaches.

On asyncio that is a task of the event loop, on trio a system task. Either ends with the loop at the latest.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
from anyio.lowlevel import current_token

from fetch_engine.core import gc_watch
from fetch_engine.core.mailbox import Mailbox
from fetch_engine.model.loop_waker import knowing_its_library

# Set in the engine's own tasks: the mailbox of the engine.
_within: contextvars.ContextVar[Mailbox] = contextvars.ContextVar("fetch_engine")

# asyncio keeps tasks weakly: one that waits for an engine nobody refers to any more would vanish in a collection.
_homes: set[asyncio.Task[None]] = set()


class OwnTasks:
    """A task group from `settle` until `close` or the loop's end, and the calls that are owed to the loop.

    proceed: called when calls can be made. shut_down: awaited at the end, before tasks are cancelled; it may be begun
    anew when it was cancelled half way.
    """

    def __init__(self, mailbox: Mailbox, proceed: Callable[[], None], shut_down: Callable[[], Awaitable[None]]) -> None:
        self._mailbox = mailbox
        self._proceed = proceed
        self._shut_down = shut_down
        self.owed: deque[Callable[[], object]] = deque()
        # Tasks start in this context: the submitter's variables may hold a handle.
        self._context = knowing_its_library(contextvars.copy_context())
        self._context.run(_within.set, mailbox)
        self._group: anyio.abc.TaskGroup | None = None
        self._told_to_end = anyio.Event()
        self._ended = anyio.Event()
        self._crash: BaseException | None = None

    @property
    def ended(self) -> bool:
        """Whether no task is left."""
        return self._ended.is_set()

    def spawn(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Soon start a coroutine function as one of the tasks. It must never be given a handle."""
        self.owed.append(functools.partial(self._start, function, *args))

    def _start(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        assert self._group is not None
        # A copy each time: a context cannot be entered twice.
        self._context.copy().run(self._group.start_soon, _own, function, *args)

    def make_calls(self) -> None:
        """Make the calls owed, from one of the loop's own turns."""
        while self.owed and self._group is not None:
            call = self.owed.popleft()
            try:
                call()
            except (RecursionError, MemoryError, KeyboardInterrupt):
                self.owed.appendleft(call)  # not its own fault: it is still owed
                raise

    def settle(self) -> None:
        """Begin. Raises RuntimeError where trio has begun to end its own tasks."""
        # From here on, and not only when they have begun: a collection before that is one of the engine's too.
        gc_watch.watch()
        try:
            _settle(self._live, self._context.copy())
        except BaseException:
            gc_watch.unwatch()
            raise

    async def _live(self) -> None:
        group = anyio.create_task_group()
        # Not by `async with`: where the loop is closed under this task nobody can wait for the group's end any more.
        await group.__aenter__()
        self._group = group
        try:
            self._proceed()
            await self._told_to_end.wait()
        except anyio.get_cancelled_exc_class():
            pass  # the event loop ends, or one of the tasks has failed
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await _see_through(self._shut_down)
        group.cancel_scope.cancel()
        try:
            await group.__aexit__(None, None, None)
        except BaseExceptionGroup as failed:
            self._crash = failed.exceptions[0] if len(failed.exceptions) == 1 else failed
        except anyio.get_cancelled_exc_class():
            pass
        gc_watch.unwatch()
        self._ended.set()

    async def close(self) -> None:
        """Shut down; returns when no task is left.

        What cancels the calling task meanwhile comes out after that. Raises what ended one of the tasks, and
        RuntimeError in one of them and in another event loop.
        """
        if not self._ended.is_set():
            if not self._mailbox.is_in_loop():
                raise RuntimeError("an engine is closed in the event loop that it was opened in")
            if _within.get(None) is self._mailbox:
                raise RuntimeError("an engine cannot be closed by one of its own tasks")
            self._told_to_end.set()
            await _see_through(self._ended.wait)
        crash, self._crash = self._crash, None
        if crash is not None:
            try:
                raise crash
            finally:
                del crash  # it refers to this frame


def _settle(live: Callable[[], Awaitable[None]], context: contextvars.Context) -> None:
    """Soon run `live`, which raises nothing, in the loop that is running now. Raises RuntimeError where trio has begun
    to end its own tasks."""
    loop: Any = current_token().native_token
    if not isinstance(loop, asyncio.AbstractEventLoop):
        from trio.lowlevel import enable_ki_protection, spawn_system_task

        enable_ki_protection(_own)
        spawn_system_task(live, name="FetchEngine", context=context)
        return
    _homes.difference_update([task for task in _homes if task.get_loop().is_closed()])
    start: Any = loop.create_task
    task = context.run(start, live())  # any factory of tasks takes this, not all of them a context
    task.set_name("FetchEngine")
    if not task.done():
        _homes.add(task)
        task.add_done_callback(_homes.discard)


async def _own(function: Callable[..., Awaitable[None]], *args: object) -> None:
    """Run it as one of the engine's own tasks. On trio Control-C is the main task's business, not theirs."""
    task: Any = asyncio.current_task() if isinstance(current_token().native_token, asyncio.AbstractEventLoop) else None
    if task is not None:
        task._log_destroy_pending = False  # as asyncio.gather does: an engine whose loop was closed says so itself
    await function(*args)


async def _see_through(step: Callable[[], Awaitable[object]]) -> None:
    """Await `step`, whatever cancels the calling task meanwhile: each time it is begun anew, and the cancellation comes
    out at the end."""
    cancelled: BaseException | None = None
    with anyio.CancelScope(shield=True):
        while True:
            try:
                await step()
                break
            except anyio.get_cancelled_exc_class() as caught:
                cancelled = caught
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled  # it refers to this frame
