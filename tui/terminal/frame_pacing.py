"""When the next frame may go out: as many as the terminal has shown, and two more.

A slow link queues output where the program can't see it (in ssh, in the kernel), and every key then waits for that
queue. So each frame ends with a cursor position query (DSR 6, ECMA-48 8.3.35); the reply says that the frame was shown.
"""

from __future__ import annotations

import threading
import time
from collections import deque

ASK = "\x1b[6n"
IN_FLIGHT = 2  # frames sent and not yet answered for
BACKLOG = 16384  # bytes not yet taken by the terminal above which frames wait
LAPSE = 0.5  # seconds after which a frame goes out although nothing was answered
FORGET = 5.0  # seconds without any answer after which what was asked is taken for lost
FIRST_ANSWER = 1.0  # seconds an exit waits for the first answer of a terminal that may never give one


class Flow:
    """Counts frames and answers. Answers come from the input thread, everything else from the event loop."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked: deque[float] = deque(maxlen=64)  # when, for each ask without an answer
        self._sent_at = -LAPSE
        self._heard_at = 0.0  # the last answer, or the first ask that is waiting for one
        self._answered = False
        self._round_trip = 0.0
        self.asking = True

    def wait_before_next(self, backlog: int) -> float:
        """Seconds until a frame may go out; 0.0 means now. `backlog`: bytes the terminal has not taken yet."""
        now = time.monotonic()
        if backlog > BACKLOG:
            return LAPSE / 2
        with self._changed:
            if self._asked and now - self._heard_at > FORGET:
                self._asked.clear()
            if len(self._asked) < IN_FLIGHT:
                return 0.0
        return max(0.0, self._sent_at + LAPSE - now)

    def sent(self) -> str:
        """A frame goes out now; returns what to append to it."""
        self._sent_at = now = time.monotonic()
        with self._changed:
            if not self.asking:
                return ""
            if not self._asked:
                self._heard_at = now
            self._asked.append(now)
        return ASK

    def answer(self) -> None:
        """The terminal has answered once."""
        now = time.monotonic()
        with self._changed:
            self._heard_at = now
            if self._asked:
                self._answered = True
                self._round_trip = max(now - self._asked.popleft(), 0.8 * self._round_trip)
                self._changed.notify_all()

    def settle(self) -> None:
        """Ask no more, and wait until no answer is on its way: it would end up in the shell.

        Waits two round trips and a little at most; a second for a terminal that has never answered.
        """
        with self._changed:
            self.asking = False
            if not self._asked:
                return
            if self._answered:
                limit = min(FIRST_ANSWER, 0.3 + 2 * self._round_trip)
            else:
                limit = self._asked[0] + FIRST_ANSWER - time.monotonic()
            if limit > 0:
                self._changed.wait_for(lambda: not self._asked, limit)
            self._asked.clear()
