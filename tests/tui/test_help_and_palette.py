"""Help and palette are made of the keys that work where the focus is."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList

from tests.tui.fake_link import busy
from tests.tui.test_keys import shown, text_of
from tui.keys.table import PLACES, in_place
from tui.screen.app import DashboardApp
from tui.screen.screens.help import HelpPane, HelpScreen
from tui.screen.screens.overview import OverviewScreen
from tui.widgets.frame import Frame

pytestmark = pytest.mark.anyio

FOCUS = [
    (["1"], "Fetches that have not ended", "rows"),
    (["2"], "Fetches that have ended", "rows"),
    (["3"], "Handles: opened = closed + alive", "rows"),
    (["enter"], "One fetch, as a copy", "details"),
    (["o"], "What all fetches of this run came to", "text"),
    (["n"], "", "url"),
]


@pytest.mark.parametrize(("keys", "about", "place"), FOCUS)
async def test_help_starts_with_the_pane_in_focus_and_its_keys(keys: list[str], about: str, place: str) -> None:
    async with shown(size=(80, 150)) as (pilot, _):
        await pilot.press(*keys, "f1")
        lines = [line.strip("│ █") for line in text_of(pilot.app.screen.query_one(HelpPane)).splitlines()]
        assert lines[1].startswith(about or PLACES[place])
        headings = [line for line in lines if line.removesuffix(", not here") in PLACES.values()]
        assert headings[0] == PLACES[place]
        here = [heading for heading in headings if not heading.endswith(", not here")]
        assert headings == here + [heading for heading in headings if heading.endswith(", not here")]
        assert {heading.removesuffix(", not here") for heading in headings} == set(PLACES.values())
        assert PLACES["everywhere"] in here


async def test_every_pane_says_what_it_is() -> None:
    async with shown(size=(140, 40)) as (pilot, _):
        panes = [pane for pane in pilot.app.screen.query(Frame) if pane.display]
        assert len(panes) >= 4
        assert all(pane.ABOUT for pane in panes)


@pytest.mark.parametrize(
    ("keys", "places"), [(["1"], ("rows", "screen", "everywhere")), (["o"], ("text", "back", "everywhere"))]
)
async def test_the_palette_has_every_command_that_works_here(keys: list[str], places: tuple[str, ...]) -> None:
    async with shown() as (pilot, _):
        app = pilot.app
        await pilot.press(*keys)
        titles = {command.title for command in app.get_system_commands(app.screen)}
        wanted = {key.text[0].upper() + key.text[1:] for key in in_place(*places) if key.id != "palette"}
        assert wanted <= titles
        assert {f"Theme {name}" for name in ("dark", "light", "ansi", "contrast", "auto")} <= titles


async def test_a_command_of_the_palette_works_where_it_was_asked_for() -> None:
    app = DashboardApp(busy())
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("o", "colon")
        await pilot.press(*"back to the dash")
        await pilot.pause(0.5)
        assert app.screen.query_one(OptionList).option_count == 1
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert not isinstance(app.screen, OverviewScreen)


@pytest.mark.parametrize(
    "keys", [["q"], ["o"], ["2", "enter"], ["question_mark"], ["2", "y"], ["2", "E"], ["n", "ctrl+r"], ["ctrl+p"]]
)
async def test_keys_typed_ahead_close_a_screen_once(keys: list[str]) -> None:
    async with shown() as (pilot, _):
        app = pilot.app
        await pilot.press(*keys)
        screen = app.screen
        assert screen is not app.screen_stack[0]
        screen.dismiss()
        screen.dismiss()
        await pilot.pause()
        assert app.screen is app.screen_stack[0]
        await pilot.press("f1")
        assert isinstance(app.screen, HelpScreen)
