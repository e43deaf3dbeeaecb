"""libcurl's transfers driven by an asyncio loop (curl_multi_socket_action(3))."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import pycurl  # type: ignore[import-untyped]

from fetch_engine.libcurl.readiness import IN, OUT, readiness

_WANTS = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: IN,
    pycurl.POLL_OUT: OUT,
    pycurl.POLL_INOUT: IN | OUT,
    pycurl.POLL_REMOVE: 0,
}
_NEVER = float("inf")
_CLOCK = 0.001  # seconds, by which a loop's timer may be early

_SPAN = 0.05  # seconds
_FEW = 60  # transfers added in one


class Ended(Protocol):
    """What is told when its transfer is over."""

    def ended(self, code: int, text: str) -> None:
        """Its handle is free again. code: 0 or one of libcurl-errors(3)."""
        ...


class CurlLoop:
    """Runs handles in the asyncio loop in which the first one is added, uvloop or not; trio has no such loop.

    idle: connections kept for later at most. most: connections in all. ahead: bytes that wait for whoever reads them,
    as the transfers count them.
    """

    def __init__(self, idle: int, most: int) -> None:
        self.ahead = 0
        self._found: asyncio.AbstractEventLoop | None = None
        self._running: dict[pycurl.Curl, Ended] = {}
        self._readiness = readiness(self._act)
        self._acted: dict[int, float] = {}
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._fires = _NEVER  # when libcurl wants to be called, and when it is looked at; loop.time()
        self._since = 0.0  # of this span, in which so many were added
        self._added = 0
        self._is_calm = True
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, 0)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max(1, idle))
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, most)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._found is None:
            self._found = asyncio.get_running_loop()
        return self._found

    def add(self, curl: pycurl.Curl, whose: Ended) -> None:
        """Start a transfer; `whose` is told of its end, unless it is removed before."""
        self._running[curl] = whose
        self._multi.add_handle(curl)
        now = time.monotonic()
        if now - self._since >= _SPAN:
            self._is_calm = self._added < _FEW
            self._since, self._added = now, 0
        self._added += 1
        if self._is_calm and self._soon is not None:
            # libcurl would send in the loop's next turn, when all that are at work now are through with this one.
            # Where there are many, sending together is worth more than a millisecond.
            self._soon.cancel()
            self._expire()

    def remove(self, curl: pycurl.Curl) -> None:
        """End a transfer. Its connection is closed, unless the response had come whole."""
        if self._running.pop(curl, None) is not None:
            self._multi.remove_handle(curl)

    def moved(self, curl: pycurl.Curl) -> float:
        """When its socket was last ready, as `time.monotonic()`; 0 for never."""
        return self._acted.get(curl.getinfo(pycurl.ACTIVESOCKET), 0.0)

    def close(self) -> None:
        """End all transfers and close all connections."""
        for curl in list(self._running):
            self.remove(curl)
        for timer in (self._soon, self._timer):
            if timer is not None:
                timer.cancel()
        self._soon = self._timer = None
        self._multi.close()
        self._readiness.close()

    def _watch(self, what: int, descriptor: int, *_: object) -> None:
        wanted = _WANTS[what]
        self._readiness.watch(descriptor, wanted)
        if not wanted:
            self._acted.pop(descriptor, None)

    def _set_timer(self, milliseconds: int) -> None:
        """libcurl moves its one timer several times in each transfer, mostly to later: one that runs is left alone."""
        if milliseconds < 0:
            self._due = _NEVER
        elif milliseconds == 0:
            self._due = _NEVER
            if self._soon is None:
                # Not at once: libcurl does not allow itself to be called from its own callbacks.
                self._soon = self._loop.call_soon(self._expire)
        else:
            self._due = self._loop.time() + milliseconds / 1000
            if self._due < self._fires:
                self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = self._due
        self._timer = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._timer, self._fires = None, _NEVER
        if self._due <= self._loop.time() + _CLOCK:
            self._act([(pycurl.SOCKET_TIMEOUT, 0)])
        elif self._due < _NEVER:
            self._arm()

    def _expire(self) -> None:
        self._soon = None
        self._act([(pycurl.SOCKET_TIMEOUT, 0)])

    def _act(self, ready: list[tuple[int, int]]) -> None:
        for descriptor, what in ready:
            self._acted[descriptor] = time.monotonic()
            self._multi.socket_action(descriptor, what)
        _, finished, failed = self._multi.info_read()
        for curl in finished:
            self._end(curl, 0, "")
        for curl, code, text in failed:
            self._end(curl, code, text)

    def _end(self, curl: pycurl.Curl, code: int, text: str) -> None:
        whose = self._running.get(curl)
        if whose is not None:
            self.remove(curl)
            whose.ended(code, text)
