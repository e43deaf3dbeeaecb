"""Full collections wait for a moment in which nobody types, but not for ever; painting gives them nothing to do."""

from __future__ import annotations

import gc

import pytest

from tests.tui.fake_link import FakeLink, result, snapshot
from tui.screen.app import DashboardApp
from tui.terminal.gc_pauses import EVERY, LATEST, QUIET, Pauses


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.key = 0.0
        self.collected: list[float] = []
        self.pauses = Pauses(lambda: self.key, clock=lambda: self.now, collect=lambda: self.collected.append(self.now))

    def run(self, seconds: float, *, typing: bool) -> None:
        for _ in range(int(seconds)):
            self.now += 1
            if typing:
                self.key = self.now - QUIET / 2
            self.pauses.tick()


def test_collected_now_and_then_while_nobody_types() -> None:
    clock = Clock()
    clock.run(3 * EVERY, typing=False)
    assert clock.collected == [1000 + EVERY, 1000 + 2 * EVERY, 1000 + 3 * EVERY]


def test_typing_puts_it_off_until_the_keys_rest() -> None:
    clock = Clock()
    clock.run(LATEST - 5, typing=True)
    assert clock.collected == []
    clock.run(QUIET, typing=False)
    assert len(clock.collected) == 1


def test_it_is_not_put_off_for_ever() -> None:
    clock = Clock()
    clock.run(2 * LATEST, typing=True)
    assert clock.collected == [1000 + LATEST, 1000 + 2 * LATEST]


@pytest.mark.anyio
async def test_lines_that_are_painted_over_leave_no_garbage() -> None:
    link = FakeLink(snapshot(done=20), [result(number) for number in range(1, 21)])
    async with DashboardApp(link, colours="full").run_test() as pilot:
        await pilot.pause()
        gc.collect()
        gc.disable()
        try:
            await pilot.press(*"3232323232")
            assert gc.collect() < 500  # with Textual's own strips some 3,500
        finally:
            gc.enable()
