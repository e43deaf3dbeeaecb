"""Themes: what can be read in each, and how one is chosen and kept."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from tests.tui.fake_link import busy
from tui.keys.choices import Choices
from tui.options.table import THEMES as CHOICES
from tui.screen.app import DashboardApp
from tui.screen.panels.done import DonePane
from tui.widgets.themes import CONTRAST, DAY, NIGHT, OWN, THEMES

pytestmark = pytest.mark.anyio


def contrast(one: str | None, other: str | None) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    assert one is not None
    assert other is not None
    lights = sorted(_luminance(Color.parse(each)) for each in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(color: Color) -> float:
    parts = [part / 255 for part in color.rgb]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("theme", "least"), [(NIGHT, 4.5), (DAY, 4.5), (CONTRAST, 7.0)], ids=lambda each: getattr(each, "name", "")
)
def test_every_text_can_be_read_on_every_ground(theme: Theme, least: float) -> None:
    texts = [theme.foreground, theme.primary, theme.secondary, theme.accent, theme.success, theme.warning, theme.error]
    texts.append(theme.variables["faint"])
    for text, ground in product(texts, (theme.background, theme.panel, theme.variables["selection"])):
        on_selection = ground == theme.variables["selection"]
        assert contrast(text, ground) >= (least if not on_selection else least - 1.5), (text, ground)


def test_the_settings_offer_what_there_is() -> None:
    assert set(CHOICES) == {*THEMES, "auto"}
    assert {theme.name for theme in OWN} == set(THEMES.values()) - {"ansi-dark"}


@pytest.mark.parametrize("name", THEMES)
async def test_a_theme_of_the_settings_is_shown(name: str) -> None:
    async with DashboardApp(busy(), theme=name, colours="full").run_test() as pilot:
        assert pilot.app.theme == THEMES[name]
        assert pilot.app.native_ansi_color == (name == "ansi")


async def test_a_theme_is_chosen_in_the_palette_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "choices.json"
    app = DashboardApp(busy(), colours="full", choices=Choices(path))
    async with app.run_test() as pilot:
        before = app.screen.query_one(DonePane).rich_style
        await pilot.press("colon")
        await pilot.press(*"theme light")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert app.theme == DAY.name
        assert app.screen.query_one(DonePane).rich_style.bgcolor != before.bgcolor
        app.choose_theme("ansi")
        await pilot.pause()
        assert app.native_ansi_color
        app.choose_theme("auto")
        await pilot.pause()
        assert app.theme == NIGHT.name
        app.choose_theme("contrast")
        await pilot.press("plus")
        await pilot.pause()
    app.choices.save()
    for colours in ("full", "ansi"):
        later = DashboardApp(busy(), colours=colours, choices=Choices(path))
        assert (later.theme, later.fps) == (CONTRAST.name, 5.0)
    given = DashboardApp(busy(), colours="full", theme="dark", fps=2.0, choices=Choices(path, fixed={"theme", "fps"}))
    assert (given.theme, given.fps) == (NIGHT.name, 2.0)
