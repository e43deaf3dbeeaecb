"""When an attempt is repeated, and after how long."""

from __future__ import annotations

import email.utils
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fetch_engine.model.methods import IDEMPOTENT
from fetch_engine.model.results import ErrorKind

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

_MOST_HOSTS = 10_000

# What may go away by itself.
RETRIED_KINDS = frozenset(
    {
        ErrorKind.DNS,
        ErrorKind.CONNECT,
        ErrorKind.RESET,
        ErrorKind.INCOMPLETE,
        ErrorKind.TIMEOUT_CONNECT,
        ErrorKind.TIMEOUT_READ,
        ErrorKind.TIMEOUT_WRITE,
        ErrorKind.TIMEOUT_POOL,
        ErrorKind.TIMEOUT_TOTAL,
    }
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a failed attempt is repeated.

    retries: after the first attempt, 0 for none. statuses: responses that are retried. all_methods: also those that
    are not idempotent, POST among them. delay, max_delay: seconds; the n-th wait is drawn evenly from 0 to
    `delay * 2**(n - 1)`, and at most `max_delay`; a host that asks for less is waited for besides (`Limits.on_429`).
    max_time: seconds after the start of the first attempt in which a further one may start, None for no bound; where
    the wait for it would take longer there is none. budget: how many
    retries a host gets for each request sent to it, beside ten times `retries` to begin with; so that a host which
    fails all of them gets that much more load and not `retries` times as much.
    """

    retries: int = 0
    statuses: frozenset[int] = RETRIED_STATUSES
    all_methods: bool = False
    delay: float = 1.0
    max_delay: float = 60.0
    max_time: float | None = None
    budget: float = 0.2

    def __post_init__(self) -> None:
        for name in ("retries", "delay", "max_delay", "budget"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative")

    def may_repeat(self, method: str) -> bool:
        """Whether a request may be sent again though the first may have been acted upon: the one rule for it, where an
        attempt failed here, and where a process or the worker of a cluster was lost with it."""
        return self.all_methods or method in IDEMPOTENT

    def repeats(self, method: str, attempts: int, failure: ErrorKind | int) -> bool:
        """Whether to try again after so many attempts, the last of which ended with this kind or status."""
        if attempts > self.retries or not self.may_repeat(method):
            return False
        return failure in (RETRIED_KINDS if isinstance(failure, ErrorKind) else self.statuses)

    def wait(self, attempts: int, draw: Callable[[], float] = random.random) -> float:
        """Seconds to wait after so many attempts (1 or more); `draw` gives a number from 0 to 1."""
        return min(self.delay * 2.0 ** min(attempts - 1, 64), self.max_delay) * draw()


def unknown_outcome(what: str, method: str) -> str:
    """Says why a request is not sent again that may have been acted upon. what: came between."""
    return f"unknown outcome: {what} and {method} must not be sent twice"


class RetryBudgets:
    """What each host still has to its credit, for the hosts used last."""

    __slots__ = ("_hosts", "_policy")

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._hosts: OrderedDict[str, float] = OrderedDict()

    def sent(self, host: str) -> None:
        """A first attempt goes to this host."""
        if self._policy.retries:
            self._put(host, min(self._credit(host) + self._policy.budget, self._reserve))

    def take(self, host: str) -> bool:
        """Use the credit of one retry, if there is so much."""
        credit = self._credit(host)
        if credit < 1:
            return False
        self._put(host, credit - 1)
        return True

    @property
    def _reserve(self) -> float:
        return 10.0 * self._policy.retries

    def _credit(self, host: str) -> float:
        return self._hosts.get(host, self._reserve)

    def _put(self, host: str, credit: float) -> None:
        self._hosts[host] = credit
        self._hosts.move_to_end(host)
        if len(self._hosts) > _MOST_HOSTS:
            self._hosts.popitem(last=False)


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110 section 10.2.3), at least 0; None if it is invalid.

    date: the Date header of the same response, by whose clock a date in it counts; without a valid one, by ours.
    """
    if value is None:
        return None
    value = value.strip(" \t")
    if value.isascii() and value.isdigit():
        return float(value.lstrip("0")[:18] or 0)
    moment = _moment(value)
    if moment is None:
        return None
    now = (None if date is None else _moment(date)) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _moment(value: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
