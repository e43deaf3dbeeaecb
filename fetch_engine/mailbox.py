"""From a finalizer to the event loop: the only thing a dying handle touches.

A finalizer may interrupt any line of any code, in any thread, inside the garbage collector. So it takes no lock,
awaits nothing and changes no state of the engine: it appends one entry and wakes the loop (DESIGN section 3, rule 6).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

Action = Callable[[Any, Any], None]
Entry = tuple[Action, Any]


class Mailbox:
    """Entries `(action, subject)` in the order they were posted, and one coalesced wake-up of the loop.

    `wake` may be called from any thread; `pump` only from the thread that made the mailbox. Both end in a call of the
    engine that takes the entries out; both reach the engine weakly, since handles keep the mailbox.
    """

    __slots__ = ("_armed", "_entries", "_late", "_pid", "_pump", "_thread", "_wake")

    def __init__(self, wake: Callable[[], None], pump: Callable[[], None]) -> None:
        self._entries: deque[Entry] = deque()
        self._late: deque[Action] = deque()
        self._armed = False
        self._wake: Callable[[], None] | None = wake
        self._pump = pump
        self._pid = os.getpid()
        self._thread = threading.get_ident()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_open(self) -> bool:
        """Whether anybody still takes entries out."""
        return self._wake is not None

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller runs in the thread of the engine's event loop."""
        return threading.get_ident() == self._thread

    def late(self, action: Action) -> int:
        """How many posts of this action came after `close`; those of a reap are handles that outlived the engine."""
        return self._late.count(action)

    def post(self, action: Action, subject: Any, getpid: Callable[[], int] = os.getpid) -> None:
        """Leave an entry. Any thread, any moment; never raises, never blocks."""
        # A forked child inherits the wake-up of its parent's loop and must not use it.
        if getpid() != self._pid:
            return
        wake = self._wake
        if wake is None:
            # Only counted: the subject is a job, and a job holds this mailbox.
            self._late.append(action)
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
        """Leave an entry, and have it acted on at once where the caller is in the loop's own thread."""
        if not self.is_open:
            return
        if self.is_own_thread:
            self._entries.append((action, subject))
            self._pump()
        else:
            self.post(action, subject)

    def disarm(self) -> None:
        """The next post wakes the loop again. Called before taking, so that no entry is left without a wake-up."""
        self._armed = False

    def rearm(self) -> None:
        """Ask for another round, for entries left behind."""
        if self._entries and not self._armed and self._wake is not None:
            self._armed = True
            self._wake()

    def take(self) -> Entry | None:
        """The oldest entry, or None."""
        try:
            return self._entries.popleft()
        except IndexError:
            return None

    def close(self) -> None:
        """From now on posts are only counted: there is nobody left to act on them."""
        self._wake = None
        self._entries.clear()
