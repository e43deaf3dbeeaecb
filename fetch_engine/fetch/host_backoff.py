"""Hosts that ask for less (429, or 503 with Retry-After): how long each rests, and which are not asked again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from fetch_engine.model.limits import Limits

FIRST_REST = 1.0  # seconds for which a host rests that does not say for how long
LONGEST_REST = 10.0
FORGIVEN = 60.0  # seconds after which the next such rest is a first one again
LONGEST_COUNTED = 30 * 86400.0  # a number off the wire may be of any size; the event loop's clock takes no such time
NEWS = 1.0  # seconds by which a rest must have become longer to be told of once more
MOST_HOSTS = 10_000


@dataclass(frozen=True, slots=True)
class SlowDown:
    """A response by which a host asks for less.

    status: 429 or 503. seconds: of its Retry-After, None where it names none. longest: seconds that the host rests at
    most for the sake of this one, None for no such bound. waits: whether the fetch that got it waits for the host too.
    """

    host: str
    status: int
    seconds: float | None = None
    longest: float | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class HostRest:
    """A host that asked for less, at one instant.

    asked: seconds by its Retry-After, None where it did not say. left: seconds for which nothing more is sent there.
    waiting: fetches that wait for it. refused: they do not wait, since that is longer than is allowed: they fail.
    """

    host: str
    status: int
    asked: float | None
    left: float
    waiting: int = 0
    refused: bool = False


class _Host:
    __slots__ = ("asked", "guess", "refused", "since", "status", "until")

    def __init__(self) -> None:
        self.status = 0
        self.asked: float | None = None
        self.guess = 0.0  # the last rest that the host did not name
        self.since = 0.0  # when that began
        self.until = 0.0
        self.refused = False


class HostBackoff:
    """What hosts asked for, of those that asked last. `limits` say what comes of it; all times in seconds of `clock`.

    A wait that is longer than `Limits.max_host_wait` is not made shorter: the host is refused for as long as it asked.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._mode = limits.on_429
        self._longest = limits.max_host_wait
        self._clock = clock
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._current: dict[str, None] = {}  # those that rest, or did so lately

    def rest_for(self, told: SlowDown) -> float | None:
        """For how long the host is going to rest if it is told so, as far as is known; None if it is refused."""
        now = self._clock()
        known = self._hosts.get(told.host)
        left = 0.0 if known is None else max(0.0, known.until - now)
        if known is not None and known.refused and left:
            return None
        seconds, _, refused = self._decide(told, known, now)
        return None if refused else max(left, seconds)

    def heed(self, told: SlowDown) -> bool:
        """The host asks for less. Says whether that is news: it begins to rest or to be refused, or does so longer."""
        now = self._clock()
        known = self._hosts.get(told.host)
        seconds, guess, refused = self._decide(told, known, now)
        if known is None:
            known = self._hosts[told.host] = _Host()
        self._hosts.move_to_end(told.host)
        if guess:
            known.guess, known.since = guess, now
        before = known.until if known.until > now else now
        was_refused = known.refused and known.until > now
        known.refused = was_refused or (refused and seconds > 0)
        if now + seconds > before:
            known.status, known.asked, known.until = told.status, told.seconds, now + seconds
            self._current[told.host] = None
        if len(self._hosts) > MOST_HOSTS:
            self._current.pop(self._hosts.popitem(last=False)[0], None)
        if known.until <= now:
            return False
        return known.refused != was_refused or before == now or known.until - before >= NEWS

    def get(self, host: str) -> HostRest | None:
        """The rest of this host, None if it has none now; without the number of those that wait."""
        known = self._hosts.get(host) if host in self._current else None
        if known is None:
            return None
        left = known.until - self._clock()
        if left <= 0:
            del self._current[host]
            return None
        return HostRest(host, known.status, known.asked, left, refused=known.refused)

    def refusal(self, host: str) -> HostRest | None:
        """The same where nothing may be sent there, nor wait for that."""
        if not self._current:
            return None
        rest = self.get(host)
        return rest if rest is not None and rest.refused else None

    def all(self) -> list[HostRest]:
        """Every host that rests or is refused now, first come first."""
        return [rest for host in list(self._current) if (rest := self.get(host)) is not None]

    def describe_refusal(self, rest: HostRest) -> str:
        """Why a request is not sent there."""
        asked = f"{rest.host} answered {rest.status} and "
        asked += "did not say for how long" if rest.asked is None else f"asked to wait {rest.asked:.0f} s"
        if self._mode == "fail":
            return asked
        if not self._longest:
            return f"{asked}, and no wait is allowed"
        return f"{asked}, longer than the {self._longest:g} s allowed"

    def _decide(self, told: SlowDown, known: _Host | None, now: float) -> tuple[float, float, bool]:
        """Seconds of rest, or of refusal; the guess behind them, 0 without one; and whether the host is refused."""
        seconds, guess = told.seconds, 0.0
        if seconds is not None:
            seconds = min(seconds, LONGEST_COUNTED)
        else:
            left = 0.0 if known is None else known.until - now
            if left > 0:  # of those that were under way together the first one counts
                seconds = left
            else:
                grows = known is not None and known.guess > 0 and now - known.since < FORGIVEN
                seconds = guess = min(2 * known.guess, LONGEST_REST) if known is not None and grows else FIRST_REST
        if self._mode == "fail" or (seconds > self._longest and (told.seconds is not None or not self._longest)):
            return seconds, guess, True
        if told.seconds is None:
            seconds = min(seconds, self._longest)
        return (seconds if told.longest is None else min(seconds, told.longest)), guess, False
