"""Copies by OSC 52: what is in them, how much, and no secret unasked."""

from __future__ import annotations

import base64

import pytest
from textual.pilot import Pilot

from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind
from tests.tui.fake_link import FakeLink, failure, result, snapshot
from tests.tui.test_body_view import until
from tests.tui.test_saving import told
from tui.bridge.snapshot import FinishedRecord
from tui.screen.app import DashboardApp
from tui.screen.copying import MOST
from tui.screen.panels.details import DetailsPane
from tui.screen.screens.copy import CopyScreen

pytestmark = pytest.mark.anyio

URL = "https://user:tops3cret@api.example.org/items"
HEADERS = (("Content-Type", "text/plain"), ("Set-Cookie", "sid=tops3cret; Path=/"))


def app_with(record: FinishedRecord) -> DashboardApp:
    return DashboardApp(FakeLink(snapshot(done=1), [record]))


async def copied(pilot: Pilot[None], *keys: str) -> str:
    count = len(told(pilot))
    await pilot.press(*keys)
    await until(lambda: len(told(pilot)) > count)
    return pilot.app.clipboard


async def test_each_thing_can_be_copied_without_secrets_and_with_them_when_asked() -> None:
    record = result(1, URL, body="grüße".encode(), content_type="text/plain", headers=HEADERS)
    request = FetchRequest(URL, "POST", (("Authorization", "Bearer tops3cret"),), b"a=1")
    record = FinishedRecord(record.id, record.url, record.outcome, record.finished_at, request=request)
    async with app_with(record).run_test() as pilot:
        await pilot.pause()
        assert await copied(pilot, "y", "u") == "https://api.example.org/items"
        assert await copied(pilot, "y", "b") == "grüße"
        assert (
            await copied(pilot, "y", "h") == "HTTP/1.1 200 OK\nContent-Type: text/plain\nSet-Cookie: sid=***; Path=/\n"
        )
        command = await copied(pilot, "y", "c")
        assert command.startswith("curl ")
        assert "a=1" in command
        assert "tops3cret" not in command
        await pilot.press("enter", "S")
        assert "tops3cret" in await copied(pilot, "y", "h")
        assert "tops3cret" in await copied(pilot, "y", "c")
        assert await copied(pilot, "y", "u") == URL
        assert await copied(pilot, "y", "j", "j", "k", "enter") == await copied(pilot, "y", "c")
        await pilot.press("y")
        assert isinstance(pilot.app.screen, CopyScreen)
        await pilot.press("escape")
        assert pilot.app.screen.query_one(DetailsPane).secrets


async def test_a_long_body_is_cut_at_a_character_and_that_is_said() -> None:
    async with app_with(result(1, body="é".encode() * MOST, content_type="text/plain")).run_test() as pilot:
        await pilot.pause()
        text = await copied(pilot, "y", "b")
        assert text == "é" * (MOST // 2)
        assert "first 74K" in told(pilot)[-1]


async def test_what_is_not_there_cannot_be_copied() -> None:
    async with app_with(result(1, body=b"\0\1", content_type="image/png")).run_test() as pilot:
        await pilot.pause()
        await copied(pilot, "y", "b")
        assert "not text" in told(pilot)[-1]
    async with app_with(failure(1, "http://h/", ErrorKind.DNS, "no such name")).run_test() as pilot:
        await pilot.pause()
        await pilot.press("y", "b", "h")
        assert isinstance(pilot.app.screen, CopyScreen)
        assert await copied(pilot, "u") == "http://h/"


async def test_inside_tmux_it_goes_through_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")
    written: list[str] = []
    async with app_with(result(1, body=b"hello", content_type="text/plain")).run_test() as pilot:
        await pilot.pause()
        assert pilot.app._driver is not None
        monkeypatch.setattr(pilot.app._driver, "write", written.append)
        await copied(pilot, "y", "b")
    data = base64.b64encode(b"hello").decode()
    assert f"\x1b]52;c;{data}\a" in written
    assert f"\x1bPtmux;\x1b\x1b]52;c;{data}\a\x1b\\" in written
