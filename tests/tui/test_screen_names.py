"""Which lines about holders name a part of the screen."""

from __future__ import annotations

import pytest

import tui.screen.app  # noqa: F401 - the classes that are meant
from tui.bridge.screen_names import names_screen


@pytest.mark.parametrize(
    "line",
    [
        "asyncio task 'message pump DonePane' > attribute leak of DonePane",
        "list[0] in attribute tasks of Entered",
        "attribute _result of Worker",
        "global demo.APP > attribute leak of DashboardApp",
        "frame app.py:88 local 'task' of thread 'MainThread'",
    ],
)
def test_a_part_of_the_screen(line: str) -> None:
    assert names_screen(line)


@pytest.mark.parametrize(
    "line",
    [
        "global tui.demo.scenario.CACHE > list[0] in attribute entries of ForgottenCache",
        "frame controller.py:88 local 'task'",
        "global app.LAST > LookupError.__traceback__ > frame app.py:7 local 'DonePane'",
        "pinned by the engine",
        "awaited",
    ],
)
def test_something_else(line: str) -> None:
    assert not names_screen(line)
