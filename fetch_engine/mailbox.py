"""From a finalizer to the event loop: the only thing a dying handle touches.

A finalizer may interrupt any line of any code, in any thread, inside the garbage collector. So it takes no lock,
awaits nothing and changes no state of the engine: it appends one entry and wakes the loop (DESIGN section 3, rule 6).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

AT_ONCE = 5000  # entries acted on before the loop gets its turn

Action = Callable[[Any, Any], None]
Entry = tuple[Action, Any]


class Mailbox:
    """Entries `(action, subject)` in the order they were posted, and one coalesced wake-up of the loop.

    `wake` may be called from any thread; `pump` only in the loop, which `is_in_loop` tells. Wake and pump end in a
    call of the engine that takes the entries out; both reach the engine weakly, since handles keep the mailbox.
    """

    __slots__ = ("_armed", "_entries", "_late", "_pid", "_pump", "_wake", "is_in_loop")

    def __init__(self, wake: Callable[[], object], pump: Callable[[], None], is_in_loop: Callable[[], bool]) -> None:
        self._entries: deque[Entry] = deque()
        self._late: dict[Action, deque[None]] = {}
        self._armed = False
        self._wake: Callable[[], object] | None = wake
        self._pump = pump
        self._pid = os.getpid()
        self.is_in_loop = is_in_loop

    def __len__(self) -> int:
        return len(self._entries)

    def late(self, action: Action) -> int:
        """How many entries of this action came too late to be acted on: of a reap, handles that outlived the engine."""
        self._count_the_rest()
        return len(self._late.get(action, ()))

    def post(self, action: Action, subject: Any, getpid: Callable[[], int] = os.getpid) -> None:
        """Leave an entry. Any thread, any moment; never raises, never blocks."""
        # A forked child inherits the wake-up of its parent's loop and must not use it.
        if getpid() != self._pid:
            return
        wake = self._wake
        if wake is None:
            self._count(action)
            return
        self._entries.append((action, subject))
        if not self._armed:
            self._armed = True
            try:
                wake()
            except RuntimeError:
                # The loop was closed under an open engine; its end will be told by a ResourceWarning, once.
                self._wake = None

    def post_now(self, action: Action, subject: Any) -> None:
        """Leave an entry, and have it acted on at once where the caller is in the loop."""
        if self._wake is None or os.getpid() != self._pid:
            return
        if self.is_in_loop():
            self._entries.append((action, subject))
            self._pump()
        else:
            self.post(action, subject)

    def act(self, engine: object, spare: Callable[[], bool]) -> None:
        """Act on the entries; where there is none, call `spare` until it finds nothing to do. After AT_ONCE of both
        the loop gets its turn."""
        # Disarmed first, so that no entry is left without a wake-up.
        self._armed = False
        for _ in range(AT_ONCE):
            entry = self._take()
            if entry is not None:
                action, subject = entry
                action(engine, subject)
            elif not spare():
                return
        self.ask_again()

    def ask_again(self) -> None:
        """Have the loop come back after others had their turn."""
        if not self._armed and self._wake is not None:
            self._armed = True
            self._wake()

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

    def _take(self) -> Entry | None:
        """The oldest entry, or None."""
        try:
            return self._entries.popleft()
        except IndexError:
            return None
