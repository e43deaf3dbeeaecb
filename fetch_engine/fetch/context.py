"""What all fetches of one engine have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fetch_engine.bodies.shared_folder import SharedFolder
from fetch_engine.bodies.spool import SpoolFolder
from fetch_engine.fetch.host_backoff import HostBackoff
from fetch_engine.fetch.loop_fairness import LoopFairness
from fetch_engine.fetch.rate_limits import BytePacing
from fetch_engine.fetch.retry import RetryBudgets, RetryPolicy
from fetch_engine.files.name_claims import NameClaims
from fetch_engine.model.limits import Limits, Timeouts

if TYPE_CHECKING:
    from fetch_engine.cookies.jar import CookieJar
    from fetch_engine.fetch.netrc import Netrc


class FetchContext:
    """What holds for all fetches of an engine, and what they share. Made in the loop.

    spool: for bodies longer than the preview. cookies: sent and stored by their rules; None neither sends nor stores.
    netrc: credentials for URLs that are asked for, not for those that redirects lead to. sink: for bodies of requests
    that do not say where theirs is saved.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        spool: SpoolFolder | None = None,
        cookies: CookieJar | None = None,
        netrc: Netrc | None = None,
        sink: SharedFolder | None = None,
    ) -> None:
        self.cookies = cookies
        self.netrc = netrc
        self.limits = limits or Limits()
        self.timeouts = timeouts or Timeouts()
        self.retry = retry or RetryPolicy()
        self.spool = spool
        self.sink = None if sink is None else sink.open()
        self.claims = NameClaims()
        self.budgets = RetryBudgets(self.retry)
        self.backoff = HostBackoff(self.limits)  # for fetches without a place
        self.pacing = BytePacing(self.limits.byte_rate, self.limits.host_byte_rate)
        # Of all that have a long body to decode, one runs between two turns of the loop, and not each.
        self.turns = LoopFairness()
