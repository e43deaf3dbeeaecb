"""For how long hosts rest that ask for less, and which are refused, against a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fetch_engine.core.host_queues import HostQueues
from fetch_engine.fetch.host_backoff import FIRST_REST, FORGIVEN, LONGEST_COUNTED, LONGEST_REST, HostBackoff, SlowDown
from fetch_engine.model.limits import Limits
from tests.unit.test_lane_pace import Clock


def told(seconds: float | None = None, status: int = 429, longest: float | None = None) -> SlowDown:
    return SlowDown("a", status, seconds, longest)


def test_what_is_asked_for_is_kept_to() -> None:
    clock = Clock()
    backoff = HostBackoff(Limits(), clock)
    assert backoff.get("a") is None
    assert backoff.heed(told(8.0))
    rest = backoff.get("a")
    assert rest is not None
    assert (rest.host, rest.status, rest.asked, rest.left, rest.refused) == ("a", 429, 8.0, 8.0, False)
    clock.now += 3
    assert not backoff.heed(told(2.0))  # shorter: no news
    assert [rest.left for rest in backoff.all()] == [5.0]
    assert not backoff.heed(told(5.5))  # hardly longer: those under way together
    assert backoff.heed(told(30.0, 503))
    assert [(rest.left, rest.status) for rest in backoff.all()] == [(30.0, 503)]
    clock.now += 30
    assert backoff.all() == []
    assert backoff.heed(told(1.0))


def test_without_a_time_it_rests_longer_each_time_until_that_is_forgiven() -> None:
    clock = Clock()
    backoff = HostBackoff(Limits(), clock)
    rests = []
    for _ in range(6):
        assert backoff.rest_for(told()) == backoff.rest_for(told())  # asking changes nothing
        rests.append(backoff.rest_for(told()))
        assert backoff.heed(told())
        clock.now += 0.25
        assert not backoff.heed(told())  # of those under way together the first one counts
        clock.now += 10
    assert rests == [FIRST_REST, 2, 4, 8, LONGEST_REST, LONGEST_REST]
    clock.now += FORGIVEN
    assert backoff.rest_for(told()) == FIRST_REST


def test_more_than_is_allowed_is_refused_and_not_made_shorter() -> None:
    clock = Clock()
    backoff = HostBackoff(Limits(max_host_wait=60), clock)
    assert backoff.rest_for(told(60.0)) == 60.0
    assert backoff.rest_for(told(60.5)) is None
    assert backoff.heed(told(3600.0))
    assert backoff.rest_for(told(1.0)) is None  # whatever another answer says
    assert not backoff.heed(told(1.0))
    rest = backoff.refusal("a")
    assert rest is not None
    assert backoff.describe_refusal(rest) == "a answered 429 and asked to wait 3600 s, longer than the 60 s allowed"
    clock.now += 3599
    assert backoff.refusal("a") is not None
    clock.now += 1
    assert backoff.refusal("a") is None
    assert backoff.rest_for(told(1.0)) == 1.0


def test_a_host_that_rests_may_come_to_be_refused() -> None:
    clock = Clock()
    backoff = HostBackoff(Limits(), clock)
    assert backoff.heed(told(10.0))
    assert backoff.refusal("a") is None
    assert backoff.heed(told(100.0))
    assert backoff.refusal("a") is not None


@pytest.mark.parametrize(
    ("limits", "seconds", "refused_for", "why"),
    [
        (Limits(on_429="fail"), None, 1.0, "a answered 429 and did not say for how long"),
        (Limits(on_429="fail"), 5.0, 5.0, "a answered 429 and asked to wait 5 s"),
        (Limits(max_host_wait=0), None, 1.0, "a answered 429 and did not say for how long, and no wait is"),
        (Limits(max_host_wait=0), 2.0, 2.0, "a answered 429 and asked to wait 2 s, and no wait is allowed"),
    ],
)
def test_no_wait_at_all(limits: Limits, seconds: float | None, refused_for: float, why: str) -> None:
    backoff = HostBackoff(limits, Clock())
    assert backoff.rest_for(told(seconds)) is None
    assert backoff.heed(told(seconds))
    rest = backoff.refusal("a")
    assert rest is not None
    assert rest.left == refused_for
    assert backoff.describe_refusal(rest).startswith(why)


def test_our_own_guess_is_no_longer_than_what_is_allowed() -> None:
    backoff = HostBackoff(Limits(max_host_wait=0.25), Clock())
    assert backoff.rest_for(told()) == 0.25


def test_a_bound_of_the_fetch_that_was_told() -> None:
    clock = Clock()
    backoff = HostBackoff(Limits(), clock)
    assert backoff.rest_for(told(30.0, longest=4.0)) == 4.0
    backoff.heed(told(30.0, longest=4.0))
    assert [(rest.asked, rest.left) for rest in backoff.all()] == [(30.0, 4.0)]
    assert backoff.rest_for(told(100.0, longest=4.0)) is None


def test_no_number_is_too_large_for_a_clock() -> None:
    backoff = HostBackoff(Limits(), Clock())
    backoff.heed(told(1e18))
    assert [rest.left for rest in backoff.all()] == [LONGEST_COUNTED]
    patient = HostBackoff(Limits(max_host_wait=1e30), Clock())
    assert patient.rest_for(told(1e18)) == LONGEST_COUNTED


def test_hosts_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fetch_engine.fetch.host_backoff.MOST_HOSTS", 3)
    backoff = HostBackoff(Limits(), Clock())
    for host in "abcde":
        backoff.heed(SlowDown(host, 429, 100.0))
    assert [rest.host for rest in backoff.all()] == ["c", "d", "e"]
    assert len(backoff._hosts) == 3


class HostMachine(RuleBasedStateMachine):
    """A host, its lane and who waits there, beside what was asked for: the plainest account of it that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.backoff = HostBackoff(Limits(max_host_wait=20.0), self.clock)
        self.lanes: HostQueues[int] = HostQueues(3, 2, clock=self.clock)
        self.opens = 0.0  # nothing is sent before
        self.refused_until = 0.0
        self.since: dict[int, float] = {}  # who waits, and since when
        self.rests: list[tuple[float, float]] = []
        self.running = 0
        self.count = 0

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 20.0, 21.0, 1e18]))
    def asks_for_less(self, seconds: float) -> None:
        now = self.clock.now
        refused = seconds > 20 or self.refused_until > now
        foreseen = self.backoff.rest_for(SlowDown("a", 429, seconds))
        assert (foreseen is None) == refused
        self.backoff.heed(SlowDown("a", 429, seconds))
        self.opens = max(self.opens, now + min(seconds, LONGEST_COUNTED))
        if refused:
            self.refused_until = self.opens
            self.lanes.turn_away("a")
            while (turned := self.lanes.pop_refused()) is not None:
                self.check_rested(turned[1])
            assert not self.since
        elif seconds:
            assert foreseen == self.opens - now
            self.rests.append((now, self.opens))
            self.lanes.rest("a", self.opens - now)

    @rule()
    def comes(self) -> None:
        assert (self.backoff.refusal("a") is not None) == (self.refused_until > self.clock.now)
        if self.backoff.refusal("a") is None:
            self.count += 1
            self.since[self.count] = self.clock.now
            self.lanes.push("a", self.count)

    @rule(which=st.integers(0, 5))
    def goes(self, which: int) -> None:
        if self.since:
            ticket = list(self.since)[which % len(self.since)]
            del self.since[ticket]
            assert self.lanes.remove("a", ticket)

    @rule(seconds=st.sampled_from([0.25, 1.0, 5.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def ends(self) -> None:
        if self.running:
            self.running -= 1
            self.lanes.release("a")

    @rule()
    def starts(self) -> None:
        while (ticket := self.lanes.pop()) is not None:
            assert self.clock.now >= self.opens, "sent to a host that rests"
            assert ticket == min(self.since)
            self.running += 1
            assert self.running <= 2
            self.check_rested(ticket)
        if self.since and self.running < 2:
            assert self.clock.now < self.lanes.next_at() <= self.opens

    def check_rested(self, ticket: int) -> None:
        """What is said of its wait is what the host rested meanwhile, each second once."""
        since, now, rested, at = self.since.pop(ticket), self.clock.now, 0.0, 0.0
        for began, until in self.rests:
            rested += max(0.0, min(until, now) - max(began, since, at))
            at = max(at, min(until, now))
        assert self.lanes.rested == pytest.approx(rested)

    @invariant()
    def counts(self) -> None:
        assert self.lanes.waiting_for("a") == len(self.since)
        if self.opens > self.clock.now and self.refused_until <= self.clock.now:
            assert self.lanes.held == len(self.since)
        assert [rest.host for rest in self.backoff.all()] == (["a"] if self.opens > self.clock.now else [])


TestHostMachine = HostMachine.TestCase
TestHostMachine.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | st.floats(0.001, 1e20), st.floats(0, 100)), max_size=20), st.floats(0, 1000))
def test_no_rest_is_shorter_than_asked_and_none_longer_than_allowed(
    asked: list[tuple[float | None, float]], allowed: float
) -> None:
    clock = Clock()
    backoff = HostBackoff(Limits(max_host_wait=allowed), clock)
    for seconds, passes in asked:
        backoff.heed(told(seconds))
        rest = backoff.get("a")
        if seconds:
            assert rest is not None
            assert rest.left >= min(seconds, LONGEST_COUNTED) - 1e-6
        if rest is not None and not rest.refused:
            assert rest.left <= allowed + 1e-6
        clock.now += passes
