"""From a finalizer to the event loop: the only thing a dying handle touches.

A finalizer may interrupt any line of any code, in any thread, inside the garbage collector. So it takes no lock,
awaits nothing and changes no state of the engine: it appends one entry and wakes the loop (DESIGN section 3, rule 6).
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any, Protocol

from fetch_engine.core import gc_watch

AT_ONCE = 5000  # entries acted on before the loop gets its turn

_forks = 0  # of this process and those that it descends from; asking the system for the process's id takes longer

Action = Callable[[Any, Any], None]
Entry = tuple[Action, Any]


class Owner(Protocol):
    """Who acts on the entries: `advance` at any moment in the loop, `proceed` in a turn of its own."""

    def advance(self) -> None: ...
    def proceed(self) -> None: ...


class Mailbox:
    """Entries `(action, subject)` in the order they were posted, and one coalesced wake-up of the loop.

    The owner is known weakly, since every handle keeps the mailbox and none may keep the engine. waker: makes a
    function that any thread may call to have another one called in the loop. is_in_loop: whether the caller is there.
    """

    __slots__ = (
        "__weakref__",
        "_armed",
        "_entries",
        "_late",
        "_made_in",
        "_on_cancel",
        "_owner",
        "_wake",
        "is_in_loop",
    )

    def __init__(
        self,
        owner: Owner,
        waker: Callable[[Callable[[], None]], Callable[[], None]],
        is_in_loop: Callable[[], bool],
        on_cancel: Action | None = None,
    ) -> None:
        self._owner = weakref.ref(owner)
        self._entries: deque[Entry] = deque()
        self._late: dict[Action, deque[None]] = {}
        self._armed = False
        self._wake: Callable[[], None] | None = waker(self._woken)
        self._made_in = _forks
        self.is_in_loop = is_in_loop
        self._on_cancel = on_cancel

    def __len__(self) -> int:
        return len(self._entries)

    def late(self, action: Action) -> int:
        """How many entries of this action came too late to be acted on: of a reap, handles that outlived the engine."""
        self._count_the_rest()
        return len(self._late.get(action, ()))

    def post(self, action: Action, subject: Any) -> None:
        """Leave an entry. Any thread, any moment; never raises, never blocks."""
        # A forked child inherits the wake-up of its parent's loop and must not use it.
        if _forks != self._made_in:
            return
        wake = self._wake
        if wake is None:
            self._count(action)
            return
        self._entries.append((action, subject))
        if not self._armed:
            try:
                self._armed = True
                wake()
            except (RecursionError, MemoryError):
                # It happened to be called where nothing can be called any more. The entry is there, the next one
                # wakes the loop, and the scheduler looks by itself after a while.
                self._armed = False
            except RuntimeError:
                # The loop was closed under an open engine; its end will be told by a ResourceWarning, once.
                self._wake = None
            except BaseException:
                self._armed = False
                raise

    def post_death(self, action: Action, job: Any) -> None:
        """As `post`, of the job whose handle has just died; notes on it whether the garbage collector did that."""
        if gc_watch.collecting == get_ident():
            job.by_gc = True
        self.post(action, job)

    def put(self, action: Action, subject: Any) -> None:
        """Leave an entry; the caller sees to it that it is acted on."""
        if self._wake is not None:
            self._entries.append((action, subject))

    def put_first(self, action: Action, subject: Any) -> None:
        """Leave an entry that is acted on before all others; once, however often that is asked in a row."""
        entries = self._entries
        if not (entries and entries[0][0] is action):
            entries.appendleft((action, subject))

    def post_now(self, action: Action, subject: Any) -> None:
        """Leave an entry, and have it acted on at once where the caller is in the loop."""
        if self._wake is None or _forks != self._made_in:
            return
        if self.is_in_loop():
            self.put(action, subject)
            owner = self._owner()
            if owner is not None:
                owner.advance()
        else:
            self.post(action, subject)

    def cancel(self, job: Any) -> None:
        """The owner of this job's handle wants it no more: `post_now` of `on_cancel`."""
        if self._on_cancel is not None:
            self.post_now(self._on_cancel, job)

    def act(self, engine: object, spare: Callable[[], bool]) -> None:
        """Act on the entries; where there is none, call `spare` until it finds nothing to do. After AT_ONCE of both
        the loop gets its turn."""
        entries = self._entries
        for _ in range(AT_ONCE):
            if entries:
                action, subject = entries[0]
                try:
                    action(engine, subject)
                except (RecursionError, MemoryError):
                    raise  # it is begun anew, as after KeyboardInterrupt
                except Exception:  # a bug, which would come again and again
                    entries.popleft()
                    raise
                entries.popleft()
            elif not spare():
                return
        self.ask_again()

    def ask_again(self) -> None:
        """Have the loop come back after others had their turn. Raises RecursionError where it cannot be asked."""
        if not self._armed and self._wake is not None:
            try:
                self._armed = True
                self._wake()
            except RecursionError:
                self._armed = False
                raise
            except RuntimeError:
                self._wake = None  # the loop was closed
            except BaseException:
                self._armed = False
                raise

    def pending(self) -> list[Entry]:
        """The entries that have not been acted on."""
        return list(self._entries)

    def close(self) -> None:
        """From now on entries are only counted: there is nobody left to act on them."""
        self._wake = None
        self._count_the_rest()

    def _count(self, action: Action) -> None:
        # The subject is not kept: it is a job, and a job holds this mailbox. A deque counts without a lock.
        self._late.setdefault(action, deque()).append(None)

    def _count_the_rest(self) -> None:
        while self._wake is None and (entry := self._take()) is not None:
            self._count(entry[0])

    def _woken(self) -> None:
        # Disarmed before anything is taken out, so that no entry goes unseen.
        self._armed = False
        owner = self._owner()
        if owner is not None:
            owner.proceed()

    def _take(self) -> Entry | None:
        """The oldest entry, or None."""
        try:
            return self._entries.popleft()
        except IndexError:
            return None


def _count_fork() -> None:
    global _forks  # noqa: PLW0603 - it is the process that was forked
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)
