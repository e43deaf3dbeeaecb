"""Any order of steps: after each one every count is what the model's own account says."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import hypothesis.strategies as st
import pytest
import uvloop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.lifetimes.model import ENOUGH, PATHS, Model
from tests.lifetimes.waiting import turns

EXAMPLES = int(os.environ.get("LIFETIMES_EXAMPLES", "200"))  # more of them for a long search

BOUNDED = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)

HOSTS = st.sampled_from("ab")
PICKS = st.integers(0, 30)
LEFT = st.integers(0, 30)  # calls left to the limit of recursion
# A session that is closed at once, after a while, or for want of running requests.
SESSIONS: Any = st.sampled_from([(0.0, None), (60.0, None), (60.0, 1e-9)])


@pytest.fixture(autouse=True, scope="module")
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # so that a collection looks at little
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


class EngineMachine(RuleBasedStateMachine):
    """Steps, with a real event loop that runs only as long as they say."""

    model_type: type[Model] = Model

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    @initialize(session=SESSIONS)
    def enter(self, session: tuple[float, float | None]) -> None:
        self.loop = self.new_loop()
        self.model = self.model_type(grace=session[0], idle_close=session[1])
        self.host = self.loop.create_task(self.model.host())
        while not self.model.entered:
            self.turn(1)

    def within(self, step: Callable[..., None], *args: Any, **options: Any) -> None:
        async def run() -> None:
            step(*args, **options)

        self.loop.run_until_complete(run())

    def held(self, pick: int) -> int:
        numbers = sorted(self.model.held)
        return numbers[pick % len(numbers)]

    @rule(count=st.integers(1, 12))
    def turn(self, count: int) -> None:
        self.loop.run_until_complete(turns(count))

    @rule(host=HOSTS, path=st.sampled_from(PATHS), pin=st.booleans())
    def submit(self, host: str, path: str, pin: bool) -> None:
        self.within(self.model.submit, host, path, pin=pin)

    @rule(host=HOSTS, path=st.sampled_from(PATHS), count=st.integers(2, 6))
    def submit_many(self, host: str, path: str, count: int) -> None:
        for _ in range(count):
            self.within(self.model.submit, host, path, pin=False)

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS)
    def drop(self, pick: int) -> None:
        self.within(self.model.drop, self.held(pick))

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS)
    def drop_elsewhere(self, pick: int) -> None:
        self.model.drop_elsewhere(self.held(pick))

    @precondition(lambda self: self.model.held)
    @rule()
    def drop_all(self) -> None:
        for number in sorted(self.model.held):
            self.within(self.model.drop, number)

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS)
    def put_into_a_cycle(self, pick: int) -> None:
        self.model.put_into_a_cycle(self.held(pick))

    @precondition(lambda self: self.model.in_cycles)
    @rule()
    def collect(self) -> None:
        self.model.collect()

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS, elsewhere=st.booleans())
    def cancel(self, pick: int, elsewhere: bool) -> None:
        if elsewhere:  # outside of the loop, as another thread is
            self.model.cancel(self.held(pick))
        else:
            self.within(self.model.cancel, self.held(pick))

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS)
    def pin(self, pick: int) -> None:
        self.within(self.model.pin, self.held(pick))

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS)
    def unpin(self, pick: int) -> None:
        self.within(self.model.unpin, self.held(pick))

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS)
    def wait_for(self, pick: int) -> None:
        self.within(self.model.wait_for, self.held(pick))

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS, left=LEFT, name=st.sampled_from(["drop_at_the_limit", "cancel_at_the_limit"]))
    def at_the_limit(self, pick: int, left: int, name: str) -> None:
        self.within(getattr(self.model, name), self.held(pick), left)

    @precondition(lambda self: self.model.held)
    @rule(pick=PICKS)
    def await_elsewhere(self, pick: int) -> None:
        self.model.await_elsewhere(self.held(pick))

    @rule(host=HOSTS, path=st.sampled_from(PATHS))
    def submit_badly_watched(self, host: str, path: str) -> None:
        self.within(self.model.submit_badly_watched, host, path)

    @rule()
    def fail_a_group(self) -> None:
        self.within(self.model.fail_a_group)

    @rule()
    def another_engine(self) -> None:
        self.loop.run_until_complete(self.model.open_or_leave_another())

    @rule(
        step=st.sampled_from(
            [
                Model.fail_a_group,
                Model.release,
                Model.hold_up_closing,
                Model.let_close,
                Model.hold_up_opening,
                Model.let_open,
            ]
        )
    )
    def wire(self, step: Callable[[Model], None]) -> None:
        self.within(step, self.model)

    @rule()
    def settle(self) -> None:
        self.loop.run_until_complete(self.model.settle())

    @invariant()
    def counts(self) -> None:
        self.within(self.model.check)

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.within(self.model.let_close)
        self.within(self.model.let_open)
        self.within(self.model.leave.set)
        ended, _ = self.loop.run_until_complete(asyncio.wait({self.host}, timeout=5))
        assert ended, "the engine's end hangs"
        self.host.result()
        if self.model.other is not None:
            self.loop.run_until_complete(self.model.open_or_leave_another())
        self.model.held.clear()
        self.model.collect()
        census = self.model.engine.census()
        assert census.opened == census.closed
        self.loop.close()


class UvloopMachine(EngineMachine):
    def new_loop(self) -> asyncio.AbstractEventLoop:
        return uvloop.new_event_loop()


TestOnAsyncio = EngineMachine.TestCase
TestOnAsyncio.settings = BOUNDED
TestOnUvloop = UvloopMachine.TestCase
TestOnUvloop.settings = BOUNDED

STEPS = st.one_of(
    st.tuples(st.just("submit"), HOSTS, st.sampled_from(PATHS), st.booleans()),
    st.tuples(st.just("turns"), st.integers(1, 12)),
    st.tuples(st.sampled_from(["drop", "drop_elsewhere", "put_into_a_cycle", "cancel", "pin", "unpin"]), PICKS),
    st.tuples(st.just("wait_for"), PICKS),
    st.tuples(st.sampled_from(["drop_at_the_limit", "cancel_at_the_limit"]), PICKS, LEFT),
    st.tuples(st.just("await_elsewhere"), PICKS),
    st.tuples(st.just("submit_badly_watched"), HOSTS, st.sampled_from(PATHS)),
    st.tuples(st.sampled_from(["open_or_leave_another", "fail_a_group"])),
    st.tuples(st.sampled_from(["collect", "release", "hold_up_closing", "let_close", "hold_up_opening", "let_open"])),
)


async def run_steps(steps: list[tuple[Any, ...]], session: tuple[float, float | None]) -> None:
    model = Model(grace=session[0], idle_close=session[1])
    async with anyio.create_task_group() as group:
        group.start_soon(model.host)
        while not model.entered:
            await turns(1)
        for name, *arguments in steps:
            if name == "submit":
                model.submit(arguments[0], arguments[1], pin=arguments[2])
            elif name == "turns":
                await turns(arguments[0])
            elif name == "open_or_leave_another":
                await model.open_or_leave_another()
            elif name == "submit_badly_watched":
                model.submit_badly_watched(*arguments)
            elif not arguments:
                getattr(model, name)()
            elif model.held:
                numbers = sorted(model.held)
                getattr(model, name)(numbers[arguments[0] % len(numbers)], *arguments[1:])
            model.check()
        await turns(ENOUGH)
        model.check()
        model.let_open()
        model.let_close()
        model.leave.set()
    if model.other is not None:
        await model.open_or_leave_another()


@given(steps=st.lists(STEPS, min_size=10, max_size=60), session=SESSIONS)
@settings(BOUNDED)
def test_on_trio(steps: list[tuple[Any, ...]], session: tuple[float, float | None]) -> None:
    anyio.run(run_steps, steps, session, backend="trio")
