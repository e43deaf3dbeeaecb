"""Long bodies in the details: never in the way of a key, searched, cut with a word, dropped when nobody looks."""

from __future__ import annotations

import asyncio
import json
import pathlib
import threading
import time
from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from tests.tui.fake_link import FakeLink, result, snapshot
from tui.bridge.snapshot import FinishedRecord
from tui.screen.app import DashboardApp
from tui.screen.body import document
from tui.screen.body.pace import Background
from tui.screen.details import DetailsTarget
from tui.screen.panels.details import DetailsPane

pytestmark = pytest.mark.anyio

PIXELS = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\x80\0\0\1\xe0\x08\2\0\0\0" + bytes(range(256)) * 8


def long_json(size: int) -> bytes:
    item = {"id": 1, "name": "alpha \u00e9", "tags": ["a", "b"], "nested": {"x": None, "y": [1.5, True]}}
    return ("[" + ",".join([json.dumps(item, ensure_ascii=False)] * (size // 80)) + "]").encode()[:size]


def spooled(tmp_path: pathlib.Path, body: bytes, content_type: str = "application/json") -> FinishedRecord:
    path = tmp_path / "body"
    path.write_bytes(body)
    return result(1, body=body[:65536], size=len(body), content_type=content_type, body_path=str(path))


def text_of(pane: DetailsPane) -> str:
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def until(condition: Callable[[], object], limit: float = 60) -> None:
    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 - the thread that makes it true knows nothing of us
            await asyncio.sleep(0.005)

    await asyncio.wait_for(wait(), limit)


async def opened(pilot: Pilot[None]) -> DetailsPane:
    await pilot.press("enter")
    pane = pilot.app.screen.query_one(DetailsPane)
    await until(lambda: pane.body is not None and pane.body.complete)
    await pilot.pause()
    return pane


def app_with(*records: FinishedRecord) -> DashboardApp:
    return DashboardApp(FakeLink(snapshot(done=len(records)), list(records)), colours="full")


class Heartbeat:
    """The times in which the event loop did not come round, as far as this program itself was at work in them."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def _beat(self) -> None:
        before, worked = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(0.001)
            # Of all threads: one of them that has the interpreter's lock works while the loop waits.
            now, work = time.perf_counter(), time.process_time()
            self.gaps.append(min(now - before, work - worked))
            before, worked = now, work

    async def __aenter__(self) -> Heartbeat:
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._task is not None
        self._task.cancel()


@pytest.mark.once
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.timing
async def test_five_megabytes_of_json_leave_the_loop_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    if whole:
        monkeypatch.setattr("tui.screen.body.view.SHOWN", 16 << 20)
    async with app_with(spooled(tmp_path, long_json(5 << 20))).run_test() as pilot:
        await pilot.pause()
        async with Heartbeat() as heart:
            pane = await opened(pilot)
            for keys in ("G", "g", "pagedown", "j"):
                await pilot.press(keys)
            await pilot.press("slash", *"alpha", "enter")
            await until(lambda: pane.body is not None and pane.body.found is not None)
            await pilot.press("n", "N")
        assert len(heart.gaps) > 10
        assert sorted(heart.gaps)[-2] < 0.05  # 0.02 at most as a rule; the very worst may have a collection in it
        assert ("first 1.0 of 5.0 MB" in text_of(pane)) != whole


async def test_what_is_cut_is_said(tmp_path: pathlib.Path) -> None:
    async with app_with(spooled(tmp_path, long_json(5 << 20))).run_test() as pilot:
        pane = await opened(pilot)
        assert "first 1.0 of 5.0 MB, v for all" in text_of(pane).splitlines()[3]
        await pilot.press("G")
        assert "-- first 1.0 of 5.0 MB, v for all --" in text_of(pane)


async def test_a_body_that_left_the_spool_says_so(tmp_path: pathlib.Path) -> None:
    record = spooled(tmp_path, long_json(1 << 20))
    (tmp_path / "body").unlink()
    async with app_with(record).run_test() as pilot:
        pane = await opened(pilot)
        assert "first 0.1 of 1.0 MB" in text_of(pane)
        await pilot.press("G")
        assert "let go of to bound the disk" in text_of(pane)


async def test_search_counts_goes_round_and_marks(tmp_path: pathlib.Path) -> None:
    body = "\n".join(f"line {n} " + ("Needle needle" if n % 50 == 7 else "") for n in range(300)).encode()
    async with app_with(result(1, body=body, content_type="text/plain")).run_test() as pilot:
        pane = await opened(pilot)
        await pilot.press("slash", *"needle", "enter")
        await until(lambda: pane.body is not None and pane.body.found is not None)
        await pilot.pause()
        seen = text_of(pane)
        assert "1 of 12 needle" in seen
        assert "8▶line 7 Needle needle" in seen
        marked = [
            segment.text
            for y in range(pane.size.height)
            for segment in pane.render_line(y)
            if segment.style is not None and segment.style.bgcolor == pane._look("cursor").bgcolor
        ]
        assert marked == ["Needle", "needle"]
        await pilot.press("n", "n")
        assert "3 of 12" in text_of(pane)
        assert "58▶line 57" in text_of(pane)
        await pilot.press("N", "N", "N")
        assert "12 of 12" in text_of(pane)
        assert "line 257 Needle" in text_of(pane)
        await pilot.press("slash", *"Needle", "enter")
        await until(lambda: pane.body is not None and pane.body.found is not None)
        await pilot.pause()
        assert "of 6 Needle" in text_of(pane)
        await pilot.press("slash", *"nowhere", "enter")
        await until(lambda: "not found: nowhere" in text_of(pane))
        await pilot.press("n", "slash", "escape")
        assert "not found: nowhere" in text_of(pane)


async def test_binary_is_shown_in_hex_and_searched_by_its_bytes() -> None:
    record = result(1, body=PIXELS, content_type="image/png")
    async with app_with(record).run_test() as pilot:
        pane = await opened(pilot)
        seen = text_of(pane)
        assert "PNG picture, 640 x 480 pixels" in seen
        assert "000000  89 50 4e 47 0d 0a 1a 0a  00 00 00 0d 49 48 44 52" in seen
        await pilot.press("slash", *"DEF", "enter")
        await until(lambda: "1 of 8 DEF" in text_of(pane))
        assert "44 45 46" in text_of(pane)


async def test_a_result_for_a_body_that_is_gone_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, entered = threading.Event(), threading.Event()
    form = document._formatted

    def held_up(text: str, content_type: str) -> object:
        if "first" in text:
            entered.set()
            assert slow.wait(10)
        return form(text, content_type)

    monkeypatch.setattr(document, "_formatted", held_up)
    first, second = (
        result(n, body=f"{word} ".encode() * 2000, content_type="text/plain")
        for n, word in ((1, "first"), (2, "other"))
    )
    async with app_with(first, second).run_test() as pilot:
        await pilot.press("j", "enter")
        pane = pilot.app.screen.query_one(DetailsPane)
        await until(entered.is_set)
        assert "putting it in form" in text_of(pane)
        pane.show(DetailsTarget(second, second))
        await until(lambda: pane.body is not None and pane.body.document is not None)
        slow.set()
        await asyncio.sleep(0.05)
        assert "other other" in text_of(pane)
        assert "first" not in text_of(pane)


async def test_background_hands_over_only_what_is_still_wanted() -> None:
    def fail(pace: object) -> None:
        raise ArithmeticError("of no use")

    got: list[object] = []
    background = Background()
    go = threading.Event()
    background.start(lambda pace: go.wait(10), got.append, got.append)
    background.start(lambda pace: "second", got.append, got.append)
    await until(lambda: got)
    go.set()
    background.start(fail, got.append, got.append)
    await until(lambda: len(got) == 2)
    assert got == ["second", "ArithmeticError: of no use"]
    background.start(lambda pace: "third", got.append, got.append)
    background.stop()
    await asyncio.sleep(0.02)
    assert len(got) == 2


async def test_the_beginning_is_there_while_the_rest_is_put_in_form(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, form = threading.Event(), document._formatted

    def held_up(text: str, content_type: str) -> object:
        if len(text) > 100_000:
            assert slow.wait(10)
        return form(text, content_type)

    monkeypatch.setattr(document, "_formatted", held_up)
    async with app_with(spooled(tmp_path, long_json(1 << 20))).run_test() as pilot:
        await pilot.press("enter")
        pane = pilot.app.screen.query_one(DetailsPane)
        await until(lambda: pane.body is not None and pane.body.document is not None)
        seen = text_of(pane)
        assert '"name": "alpha é"' in seen
        assert "putting the rest in form" in seen
        await pilot.press("pagedown", "slash")
        top = text_of(pane).splitlines()[4]
        slow.set()
        await until(lambda: pane.body is not None and pane.body.complete)
        assert text_of(pane).splitlines()[4].split() == top.split()
        assert "lines" in text_of(pane)


async def test_of_many_matches_in_a_row_some_are_marked() -> None:
    async with app_with(result(1, body=b"ab" * 30_000, content_type="text/plain")).run_test() as pilot:
        pane = await opened(pilot)
        await pilot.press("slash", "a", "enter")
        await until(lambda: pane.body is not None and pane.body.found is not None)
        assert pane.body is not None
        pieces = [len(row) for line in range(20) for row in pane.body.rows(line, 66)]
        assert 60 < max(pieces) < 100
