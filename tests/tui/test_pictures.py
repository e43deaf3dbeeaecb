"""Pictures of the screen, compared cell by cell with the ones that were looked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tui.fake_link import FakeLink, busy, snapshot
from tests.tui.test_untrusted_text import evil_link
from tests.tui.test_warnings import warned
from tui.screen.app import DashboardApp
from tui.text.glyphs import ASCII, UNICODE

SIZES = [(80, 24), (140, 40)]
SCENES: dict[str, tuple[Callable[[], FakeLink], list[str]]] = {
    "empty": (lambda: FakeLink(snapshot()), []),
    "busy": (busy, []),
    "details": (busy, ["2", "j", "enter"]),
    "help": (busy, ["question_mark"]),
    "held": (busy, ["3", "f"]),
    "untrusted": (evil_link, []),
    "question": (busy, ["q"]),
    "overview": (busy, ["o"]),
    "filter": (busy, ["2", "greater_than_sign", "i", "slash", *"!code:200"]),
    "warnings": (warned, ["w"]),
    "timing": (busy, ["2", "enter", "right", "right"]),
    "copy": (busy, ["2", "y"]),
    "editor": (busy, ["2", "E"]),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES)
def test_picture(snap_compare: Callable[..., bool], scene: str, size: tuple[int, int]) -> None:
    link, keys = SCENES[scene]
    assert snap_compare(DashboardApp(link(), colours="full"), terminal_size=size, press=keys)


@pytest.mark.parametrize("size", [(60, 15), (40, 10)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_a_small_screen(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert snap_compare(DashboardApp(busy(), colours="full"), terminal_size=size)


@pytest.mark.parametrize("ascii_only", [False, True], ids=["unicode", "ascii"])
def test_picture_in_sixteen_colours(snap_compare: Callable[..., bool], ascii_only: bool) -> None:
    app = DashboardApp(busy(), colours="ansi", glyphs=ASCII if ascii_only else UNICODE)
    assert snap_compare(app, terminal_size=(80, 24))
