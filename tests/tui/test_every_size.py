"""Every size from one cell up draws something, whatever is on the screen and whatever size was there before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from fetch_engine.model.results import ErrorKind
from tests.tui.fake_link import FakeLink, active, busy, failure, result, snapshot
from tests.tui.test_untrusted_text import evil_link, screen_strips
from tui.screen.app import DashboardApp

WIDE = "漢字かな交じり文" * 20
ROWS: dict[str, Callable[[], FakeLink]] = {
    "none": lambda: FakeLink(snapshot()),
    "one": lambda: FakeLink(snapshot([active(1, "http://a/")], done=1), [result(2)]),
    "short": lambda: FakeLink(
        snapshot(done=2), [result(1, body=b""), result(2, body=b"ok", content_type="text/plain")]
    ),
    "many": busy,
    "evil": evil_link,
    "wide": lambda: FakeLink(
        snapshot([active(7, f"http://例え.jp/{WIDE}")], done=2, failed=1),
        [
            result(1, f"http://例え.jp/{WIDE}", body=WIDE.encode(), content_type="text/plain; charset=utf-8"),
            result(2, "http://a/", body=bytes(range(256)), content_type="application/octet-stream"),
            failure(3, "http://b/", ErrorKind.DNS, WIDE),
        ],
    ),
}
KEYS = [
    *("1", "2", "3", "f", "tab", "j", "G", "enter", "escape", "o", "question_mark", "n", "slash"),
    *("X", "w", "W", "z", "ctrl+p"),
    "e",  # the editor of a request
    "s",  # the name of a file
    "y",  # what to copy
    "ctrl+r",  # what was entered before
]
SMALL = st.integers(1, 12)
SIDE = st.one_of(SMALL, st.integers(1, 150))
STEPS = st.lists(st.one_of(st.tuples(SIDE, SIDE), st.sampled_from(KEYS)), min_size=1, max_size=14)


async def draw(rows: str, steps: list[tuple[int, int] | str]) -> None:
    async with DashboardApp(ROWS[rows]()).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        size = 80, 24
        for step in steps:
            if isinstance(step, str):
                await pilot.press(step)
            else:
                size = step
                await pilot.resize_terminal(*step)
            await pilot.pause()
            assert_drawn(pilot, size)


def assert_drawn(pilot: Pilot[None], size: tuple[int, int]) -> None:
    assert pilot.app.is_running
    strips = screen_strips(pilot.app)  # type: ignore[arg-type]
    assert len(strips) == size[1]
    assert {strip.cell_length for strip in strips} == {size[0]}


def test_the_palette_is_drawn_however_narrow_the_terminal_gets() -> None:
    sizes = [(width, height) for height in (12, 5) for width in range(12, 0, -1)]
    asyncio.run(draw("one", ["ctrl+p", "e", *sizes, (80, 24)]))
    asyncio.run(draw("one", [(1, 10), "ctrl+p", "e", *reversed(sizes)]))


# An example takes a second: without shrinking, a failure is told at once.
@settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(rows=st.sampled_from([*ROWS]), steps=STEPS)
def test_any_keys_and_sizes_in_any_order(rows: str, steps: list[tuple[int, int] | str]) -> None:
    asyncio.run(draw(rows, steps))


def test_each_size_up_to_twelve_with_each_pane_alone() -> None:
    small = [(width, height) for width in (1, 2, 3, 5, 6, 7, 10) for height in (1, 3, 12)]
    for rows, pane in (("short", "2"), ("many", "1"), ("wide", "2"), ("many", "3")):
        asyncio.run(draw(rows, [pane, "f", *small]))
