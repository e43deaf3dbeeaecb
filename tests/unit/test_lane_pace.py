"""Lanes with gaps and rests, against a clock of the test's own."""

from __future__ import annotations

import math
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.core.host_queues import HostQueues


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def paced(clock: Clock, *, gap: float = 0.0, host_gap: float = 0.0, concurrency: int = 100) -> HostQueues[str]:
    return HostQueues(concurrency, 100, gap=gap, host_gap=host_gap, clock=clock)


def test_starts_keep_their_distance_in_all() -> None:
    clock = Clock()
    lanes = paced(clock, gap=0.5)
    for ticket in ("a1", "b1", "a2"):
        lanes.push(ticket[0], ticket)
    assert [lanes.pop(), lanes.pop()] == ["a1", None]
    assert lanes.next_at() == 1000.5
    clock.now = 1000.6  # a little late, which the next one makes up for
    assert [lanes.pop(), lanes.pop()] == ["b1", None]
    assert lanes.next_at() == 1001.0
    clock.now = 1001.0
    assert [lanes.pop(), lanes.pop()] == ["a2", None]
    assert lanes.next_at() == math.inf


def test_no_burst_after_a_quiet_time() -> None:
    clock = Clock()
    lanes = paced(clock, gap=1.0, host_gap=2.0)
    lanes.push("a", "a1")
    assert lanes.pop() == "a1"
    clock.now += 60
    for ticket in ("a2", "a3", "b1"):
        lanes.push(ticket[0], ticket)
    assert [lanes.pop(), lanes.pop()] == ["b1", None]
    clock.now += 1
    assert [lanes.pop(), lanes.pop()] == ["a2", None]
    clock.now += 1
    assert lanes.pop() is None
    assert lanes.next_at() == clock.now + 1


def test_starts_keep_their_distance_per_host() -> None:
    clock = Clock()
    lanes = paced(clock, host_gap=0.5)
    for ticket in ("a1", "a2", "b1", "b2"):
        lanes.push(ticket[0], ticket)
    assert [lanes.pop() for _ in range(3)] == ["a1", "b1", None]
    clock.now += 0.5
    assert [lanes.pop() for _ in range(3)] == ["a2", "b2", None]


def test_a_resting_host_holds_up_no_other() -> None:
    clock = Clock()
    lanes = paced(clock)
    for ticket in ("a1", "a2", "b1", "b2"):
        lanes.push(ticket[0], ticket)
    assert lanes.pop() == "a1"
    lanes.rest("a", 10)
    lanes.rest("a", 3)  # shorter: changes nothing
    assert lanes.rests("a")
    assert not lanes.rests("b")
    assert [lanes.pop() for _ in range(3)] == ["b1", "b2", None]
    assert lanes.next_at() == 1010.0
    clock.now = 1010.0
    assert lanes.pop() == "a2"


def test_a_rest_is_made_longer_while_it_lasts() -> None:
    clock = Clock()
    lanes = paced(clock)
    lanes.push("a", "a1")
    lanes.rest("a", 1)
    lanes.rest("a", 5)
    clock.now += 1
    assert lanes.pop() is None
    clock.now += 4
    assert lanes.pop() == "a1"


def test_nothing_is_left_of_a_host_that_rested_and_is_done() -> None:
    clock = Clock()
    lanes = paced(clock, host_gap=1.0)
    lanes.push("a", "a1")
    lanes.rest("b", 1)
    lanes.pop()
    lanes.release("a")
    assert lanes.next_at() == math.inf  # nobody waits, so nothing has to be waited for
    clock.now += 2
    assert lanes.pop() is None
    assert (lanes._lanes, lanes._resting) == ({}, [])


def test_a_full_house_waits_for_a_release_and_not_for_the_clock() -> None:
    clock = Clock()
    lanes = paced(clock, gap=1.0, concurrency=1)
    lanes.push("a", "a1")
    lanes.push("a", "a2")
    assert lanes.pop() == "a1"
    assert lanes.next_at() == math.inf
    lanes.release("a")
    assert lanes.next_at() == 1001.0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from("abc"), st.just(0.0)),
        st.tuples(st.just("rest"), st.sampled_from("abc"), st.floats(0.0, 5.0)),
        st.tuples(st.just("wait"), st.just(""), st.floats(0.0, 3.0)),
        st.tuples(st.just("release"), st.sampled_from("abc"), st.just(0.0)),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(steps, st.sampled_from([0.0, 0.5]), st.sampled_from([0.0, 0.7]))
def test_no_start_too_early_and_none_forgotten(todo: list[tuple[str, str, float]], gap: float, host_gap: float) -> None:
    clock = Clock()
    lanes: HostQueues[int] = HostQueues(3, 2, gap=gap, host_gap=host_gap, clock=clock)
    pushed: dict[int, str] = {}
    started: list[tuple[float, str]] = []
    running: defaultdict[str, int] = defaultdict(int)
    rests: defaultdict[str, float] = defaultdict(float)

    def run() -> None:
        while (ticket := lanes.pop()) is not None:
            host = pushed.pop(ticket)
            assert clock.now >= rests[host]
            running[host] += 1
            assert running[host] <= 2
            assert sum(running.values()) <= 3
            started.append((clock.now, host))

    for number, (verb, host, seconds) in enumerate(todo):
        if verb == "push":
            pushed[number] = host
            lanes.push(host, number)
        elif verb == "rest":
            rests[host] = max(rests[host], clock.now + seconds)
            lanes.rest(host, seconds)
        elif verb == "release" and running[host]:
            running[host] -= 1
            lanes.release(host)
        else:
            clock.now += seconds
        run()
    for _ in range(500):
        if not pushed:
            break
        for host, count in running.items():
            for _ in range(count):
                lanes.release(host)
            running[host] = 0
        run()
        if pushed and lanes.next_at() < math.inf:
            assert lanes.next_at() > clock.now
            clock.now = lanes.next_at()
            run()
    assert not pushed
    starts_of_all = [(gap, started), *((host_gap, [one for one in started if one[1] == host]) for host in "abc")]
    for distance, starts in starts_of_all:
        # What starts late may be followed sooner, so three starts are at least one and a bit gaps apart.
        for before, after in zip(starts, starts[2:], strict=False):
            assert after[0] - before[0] >= distance - 1e-6


def test_all_who_wait_for_a_host_share_one_string_of_it() -> None:
    lanes = paced(Clock())
    one, other = (".".join(("a", "example")) for _ in range(2))
    assert one is not other
    assert lanes.push(one, "first") is one
    assert lanes.push(other, "second") is one
