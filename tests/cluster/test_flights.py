"""Which fetch is where, and that each ends once whatever happens to its worker."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fetch_engine.executors.assignments import MOST_RUNS, QUARANTINE, Assignments, Batch, LossReason

pytestmark = pytest.mark.once


class FlightsMachine(RuleBasedStateMachine):
    """Random fetches, workers, deaths and ends; the model is who has been given what and who has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.flights = Assignments()
        self.now = 0.0
        self.next = 0
        self.alive: dict[int, bool] = {}  # id -> repeatable
        self.ended: set[int] = set()
        self.runs: dict[int, int] = {}
        self.where: dict[int, Batch] = {}
        self.rooms: dict[str, int] = {}

    @rule(count=st.integers(1, 40), repeatable=st.booleans())
    def add(self, count: int, repeatable: bool) -> None:
        for _ in range(count):
            self.next += 1
            self.alive[self.next] = repeatable
            self.flights.add(self.next, repeatable=repeatable)

    @rule(name=st.sampled_from("abcd"), room=st.integers(1, 50))
    def join(self, name: str, room: int) -> None:
        self.rooms.setdefault(name, room)
        self.flights.join(name, room)

    @rule(seconds=st.sampled_from([0.0, 1.0, QUARANTINE]))
    def plan(self, seconds: float) -> None:
        self.now += seconds
        for batch in self.flights.plan(self.now):
            assert batch.ids
            assert batch.worker in self.rooms
            for one in batch.ids:
                assert one in self.alive
                assert one not in self.where, "it is on a worker already"
                self.runs[one] = self.runs.get(one, 0) + 1
                assert self.alive[one] or self.runs[one] == 1, "what must not be repeated was"
                self.where[one] = batch

    @precondition(lambda self: self.where)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(sorted(self.where)))
        assert self.flights.end(one, self.where[one].number)
        self.finish(one)
        assert not self.flights.end(one, 1), "a second outcome counts"

    @precondition(lambda self: self.where)
    @rule(data=st.data())
    def late(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(sorted(self.where)))
        before = self.flights.late
        assert not self.flights.end(one, self.where[one].number - 1 or 10**6)
        assert self.flights.late == before + 1

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(sorted(self.alive)))
        worker = self.flights.stop(one)
        assert worker == (self.where[one].worker if one in self.where else None)
        if worker is None:
            self.finish(one)

    @precondition(lambda self: self.rooms)
    @rule(data=st.data(), died=st.booleans())
    def leave(self, data: st.DataObject, died: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.rooms)))
        del self.rooms[name]
        there = {one for one, batch in self.where.items() if batch.worker == name}
        verdicts = self.flights.leave(name, died=died)
        assert set(verdicts) <= there
        for one in there:
            del self.where[one]
            if one in verdicts:
                assert verdicts[one] is not LossReason.UNKNOWN or not self.alive[one]
                self.finish(one)
            else:
                assert self.alive[one]

    @precondition(lambda self: self.where)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(sorted(set(self.where.values()), key=lambda one: one.number)))
        there = self.flights.unended(batch)
        assert set(there) == {one for one, where in self.where.items() if where == batch}
        verdicts = self.flights.withdraw(there)
        for one in there:
            del self.where[one]
            if one in verdicts:
                self.finish(one)

    def finish(self, one: int) -> None:
        assert one not in self.ended
        self.ended.add(one)
        del self.alive[one]
        self.where.pop(one, None)

    @invariant()
    def agrees(self) -> None:
        assert len(self.flights) == len(self.alive)
        assert set(self.flights.workers) == set(self.rooms)
        for name, room in self.rooms.items():
            there = [one for one, batch in self.where.items() if batch.worker == name]
            assert self.flights.flying(name) == len(there)
            # Suspects are few, and come on top of what is there.
            assert len(there) <= max(room, 2 * room + 40)
        assert self.flights.rerun == sum(runs - 1 for runs in self.runs.values())


FlightsMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestFlights = FlightsMachine.TestCase


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(0, 3), st.integers(1, 4), st.randoms(use_true_random=False))
def test_those_that_kill_workers_are_found_and_the_others_end(
    count: int, poisons: int, workers: int, chance: random.Random
) -> None:
    flights = Assignments()
    poison = set(chance.sample(range(count), min(poisons, count)))
    for one in range(count):
        flights.add(one, repeatable=True)
    done: set[int] = set()
    found: set[int] = set()
    deaths = 0
    running: list[Batch] = []
    for worker in range(workers):
        flights.join(f"w{worker}", 64)
    now = 0.0
    while len(flights):
        assert now < 3000, "no end in sight"
        now += 1.0
        running += flights.plan(now)
        assert running, "nothing runs, and something waits"
        batch = running.pop(chance.randrange(len(running)))
        there = flights.unended(batch)
        if not poison.isdisjoint(there):
            for one in there:
                if one not in poison and chance.random() < 0.3:
                    assert flights.end(one, batch.number)
                    done.add(one)
            deaths += 1
            verdicts = flights.leave(batch.worker, died=True)
            assert set(verdicts.values()) <= {LossReason.POISON}
            found |= set(verdicts)
            running = [one for one in running if one.worker != batch.worker]
            flights.join(f"w{workers + deaths}", 64)
        else:
            for one in there:
                assert flights.end(one, batch.number)
                done.add(one)
    assert found == poison
    assert done == set(range(count)) - poison
    assert deaths <= 12 * len(poison), "halving takes a few deaths for each"


def test_one_that_is_lost_again_and_again_ends() -> None:
    flights = Assignments()
    flights.add(1, repeatable=True)
    for run in range(MOST_RUNS):
        flights.join(f"w{run}", 10)
        (batch,) = flights.plan(0.0)
        verdicts = flights.leave(batch.worker, died=False)
    assert verdicts == {1: LossReason.WORN_OUT}
    assert len(flights) == 0


def test_few_go_together_many_are_spread() -> None:
    flights = Assignments()
    flights.join("a", 100)
    flights.join("b", 100)
    for one in range(6):
        flights.add(one, repeatable=True)
    assert len(flights.plan(0.0)) == 1
    for one in range(100, 180):
        flights.add(one, repeatable=True)
    assert len(flights.plan(0.0)) == 2
    assert abs(flights.flying("a") - flights.flying("b")) <= 8
