"""A URL that is typed or pasted where keys are commands does no harm, and ends up in its field."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.events import Paste
from textual.widgets import Input

from tests.tui.fake_link import FakeLink, result, snapshot
from tests.tui.pty_terminal import PtyTerminal
from tests.tui.test_url_entry import Stage
from tests.wire.servers import RawServer, echoing
from tui.bridge.snapshot import FindHolders
from tui.entry.commands import AddRequests, AddUrls
from tui.keys.table import change_keys
from tui.screen.app import DashboardApp
from tui.screen.screens.confirm import ConfirmScreen
from tui.screen.screens.dashboard import DashboardScreen
from tui.screen.screens.details import DetailsScreen
from tui.screen.typed_urls import TypedUrls

pytestmark = pytest.mark.anyio
PROGRAM = [sys.executable, "-m", "tui.cli"]
KEYS = {":": "colon", "/": "slash", ".": "full_stop", "-": "minus", " ": "space", "?": "question_mark"}


def keys(text: str) -> list[str]:
    return [KEYS.get(character, character) for character in text]


@asynccontextmanager
async def among_rows(size: tuple[int, int] = (80, 24)) -> AsyncIterator[Stage]:
    link = FakeLink(snapshot(), [result(n) for n in range(1, 4)])
    app = DashboardApp(link)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Stage(pilot, link, app)


@pytest.mark.parametrize(
    "line", ["https://example.com/search?q=xyz", "HTTP://example.com/", "curl -X POST https://h/query"]
)
@pytest.mark.parametrize("place", ["rows", "pane beside", "details", "full"])
async def test_a_line_typed_beside_the_field_goes_into_it(line: str, place: str) -> None:
    async with among_rows((140, 40) if place == "pane beside" else (80, 24)) as stage:
        before = {"rows": [], "pane beside": ["enter"], "details": ["enter"], "full": ["f"]}[place]
        await stage.press(*before, *keys(line))
        await stage.pilot.pause()
        assert isinstance(stage.app.screen, DashboardScreen)
        assert stage.app.focused is stage.field
        assert stage.field.value == line
        assert [command for command in stage.link.sent if not isinstance(command, FindHolders)] == []
        assert [toast.message for toast in stage.app._notifications] == [
            "a URL typed here goes into its field; n leads there"
        ]
        await stage.press("enter")
        assert isinstance(stage.link.sent[-1], AddUrls | AddRequests)


async def test_what_stands_in_the_field_is_not_mixed_with_it() -> None:
    async with among_rows() as stage:
        await stage.press("n", *"host", "escape", *"https")
        assert stage.field.value == "host https"


async def test_commands_are_commands_in_any_order_that_makes_sense() -> None:
    async with among_rows() as stage:
        done = stage.app.screen.query_one("#done")
        await stage.press("g", *"jjj", "h", "j", "k", "h", "h")
        assert stage.app.focused is done
        assert stage.field.value == ""
        await stage.press("s")
        assert not isinstance(stage.app.screen, DashboardScreen)


def test_letters_that_the_user_has_made_commands_are_no_urls() -> None:
    urls = TypedUrls()
    assert [urls.take(letter) for letter in "xhttpscurl"] == ["", "", "", "", "http", "", "", "", "cur", ""]
    assert [urls.take(letter) for letter in ["h", "t", None, "t", "p"]] == [""] * 5
    try:
        change_keys({"row.again": ("t",)})
        urls = TypedUrls()
    finally:
        change_keys({})
    assert [urls.take(letter) for letter in "httpcur"] == [""] * 6 + ["cur"]


@pytest.mark.parametrize("place", ["rows", "details"])
async def test_a_paste_beside_the_field_goes_into_it(place: str) -> None:
    async with among_rows() as stage:
        await stage.press(*(["enter"] if place == "details" else []))
        assert isinstance(stage.app.screen, DetailsScreen) is (place == "details")
        stage.app.post_message(Paste("https://example.com/s\n"))
        await stage.pilot.pause()
        await stage.pilot.pause()
        assert isinstance(stage.app.screen, DashboardScreen)
        assert stage.app.focused is stage.field
        assert (stage.field.value, stage.link.sent) == ("https://example.com/s", [])


async def test_many_lines_pasted_beside_the_field_are_asked_for() -> None:
    """They may be anything."""
    async with among_rows() as stage:
        for answer in "ny":
            await stage.press("escape", "escape")
            stage.app.post_message(Paste("http://a/\nhttp://b/\n"))
            await stage.pilot.pause()
            await stage.pilot.pause()
            assert isinstance(stage.app.screen, ConfirmScreen)
            assert "Fetch 2 URLs?" in stage.screen_text()
            assert stage.link.sent == []
            await stage.press(answer)
        assert stage.link.sent == [AddUrls(("http://a/", "http://b/"))]


async def test_a_paste_into_another_field_or_over_a_question_stays_there() -> None:
    async with among_rows() as stage:
        await stage.press("s")
        stage.app.post_message(Paste("https://example.com/x"))
        await stage.pilot.pause()
        assert isinstance(stage.app.focused, Input)
        assert "example.com" in stage.app.focused.value
        await stage.press("escape")
        assert (stage.field.value, stage.link.sent) == ("", [])


@pytest.mark.once
@pytest.mark.parametrize("pasted", [False, True], ids=["typed", "pasted"])
def test_on_a_terminal_it_is_fetched_and_nothing_is_written(tmp_path: Path, pasted: bool) -> None:
    with (
        RawServer(echoing) as server,
        PtyTerminal(
            [*PROGRAM, "--no-store", server.url("/first")], env={"XDG_STATE_HOME": str(tmp_path)}, cwd=tmp_path
        ) as terminal,
    ):
        terminal.wait_for("Done 1")
        if pasted:
            terminal.paste(server.url("/second"))
        else:
            terminal.send("http")
            terminal.wait_for("ctrl+r")  # the keys of the field
            terminal.send(server.url("/second").removeprefix("http"))
        terminal.wait_for(lambda: "/second" in terminal.text and "ctrl+r" in terminal.text)
        assert "Save as" not in terminal.text
        terminal.send("\r")
        terminal.wait_for("Done 2")
        terminal.send("\x1b")
        terminal.wait_for(lambda: "ctrl+r" not in terminal.text)
        terminal.send("q")
        assert terminal.wait_exit() == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
