"""The scenario shows what it claims to show."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Iterator

import anyio
import pytest

from fetch_engine import FetchEngine, FetchState, FetchTask
from tui.demo.scenario import SCENARIO, ForgottenCache, Verb, play
from tui.demo.server import demo_server

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


class Owner:
    """An owner table as the dashboard has one: it lets go of a handle when its fetch has ended, unless it is pinned."""

    def __init__(self, engine: FetchEngine) -> None:
        self.engine = engine
        self.handles: dict[int, FetchTask] = {}
        self.urls: dict[int, str] = {}
        self.states: dict[str, FetchState] = {}

    def submit(self, url: str) -> int:
        task = self.engine.submit(url)
        self.handles[task.id] = task
        self.urls[task.id] = url
        return task.id

    def cancel(self, task_id: int) -> None:
        self.handles[task_id].cancel()

    def drop(self, task_id: int) -> None:
        assert not self.handles.pop(task_id).done()

    def pin(self, task_id: int) -> None:
        self.engine.pin(self.handles[task_id])

    def leak(self, task_id: int, holder: ForgottenCache) -> None:
        holder.remember(self.handles[task_id])

    def let_go(self) -> None:
        for task_id in [number for number, task in self.handles.items() if task.done()]:
            self.states[self.urls[task_id]] = self.handles.pop(task_id).state


def test_it_takes_about_twenty_seconds() -> None:
    assert 10 <= sum(step.wait for step in SCENARIO) <= 20


def test_every_verb_has_its_turn_on_a_fetch_that_was_submitted() -> None:
    names = set()
    for step in SCENARIO:
        if step.verb is Verb.SUBMIT:
            names.add(step.name)
        else:
            assert step.name in names - {""}
    assert {step.verb for step in SCENARIO} == {*Verb}


@pytest.mark.once
async def test_played_on_the_engine_one_stays_pinned_one_leaked_and_the_rest_is_gone(server: str) -> None:
    gc.collect()
    gc.disable()
    try:
        async with FetchEngine(outlived_after=0.2) as engine:
            owner, holder = Owner(engine), ForgottenCache()
            # Slow pages take as long as ever, so the steps that need them running come in time all the same.
            steps = [dataclasses.replace(step, wait=step.wait / 5) for step in SCENARIO]
            await play(owner, server, holder, steps)
            with anyio.fail_after(40):
                while True:
                    owner.let_go()
                    if engine.census().finished == engine.census().alive == 2 and engine.census().outlived == 1:
                        break
                    await anyio.sleep(0.05)
            assert owner.handles == {}
            assert engine.census().pinned == 1
            assert [handle.url for handle in holder.entries if isinstance(handle, FetchTask)] == [
                f"{server}/slow?s=1&who=leaked"
            ]
            assert owner.states[f"{server}/stall"] is FetchState.CANCELLED
            assert f"{server}/drip?n=600&every=0.1&who=dropped" not in owner.states
            holder.clear()
            assert engine.alive == 1
        assert engine.alive == 0
        assert engine.session.opened_generations == engine.session.closed_generations
    finally:
        gc.enable()
