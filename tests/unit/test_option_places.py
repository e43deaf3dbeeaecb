"""Every option says where it acts, and is a usage error where it would not."""

from __future__ import annotations

import argparse

import pytest

from tui.options.parser import Checker
from tui.options.places import BOTH, RESULTS, SCREEN
from tui.options.settings import PREFIX, SETTINGS, SWITCHES
from tui.options.table import Options, make_parser, parse

pytestmark = pytest.mark.once
VALUES = {"reports": "junit:x.xml", "fps": "2", "max_rows": "5"}  # of those that take one, and name no choices
ACTIONS = [action for action in make_parser(Checker)._actions if action.option_strings]
URL = "http://a/"


def typed(action: argparse.Action, name: str) -> list[str]:
    if action.nargs == 0:
        return [name]
    return [name, next(iter(action.choices)) if action.choices else VALUES[action.dest]]


def ways(places: frozenset[str]) -> list[list[str]]:
    """Each of these options by each of its names."""
    return [typed(action, name) for action in ACTIONS if action.dest in places for name in action.option_strings]


def read(*argv: str, terminal: bool = True) -> Options:
    return parse([*argv, URL], stdout_is_terminal=terminal, environ={})


def refused(capfd: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as end:
        parse(argv, stdout_is_terminal=True, environ={})
    assert end.value.code == 2
    return capfd.readouterr().err


def test_every_option_says_where_it_acts() -> None:
    """Whoever adds one has to find out, and to write it down."""
    places = [SCREEN, RESULTS, BOTH]
    assert sorted({action.dest for action in ACTIONS}) == sorted(dest for place in places for dest in place)


@pytest.mark.parametrize("option", ways(SCREEN), ids=" ".join)
def test_those_of_the_screen_are_refused_where_none_is_wanted(
    option: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    for argv in (["--headless", *option, URL], [URL, *option, "--headless"]):
        said = refused(capfd, *argv)
        assert option[0] in said
        assert "it is for the dashboard" in said
    assert not read(*option).headless
    assert read(*option, terminal=False).headless  # the same command line, in a pipe


@pytest.mark.parametrize("option", ways(RESULTS), ids=" ".join)
def test_those_of_results_are_refused_where_the_dashboard_opens(
    option: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    said = refused(capfd, *option, URL)
    assert option[0] in said
    assert "the dashboard writes no results" in said
    assert read(*option, terminal=False).headless
    assert read(*option, "--headless").headless


def test_settings_are_for_both() -> None:
    names = [name for name in SETTINGS if name.replace("-", "_") in SCREEN | RESULTS]
    assert {"theme", "fps", "ascii", "mouse", "max-rows", "show-secrets"} == set(names)
    values = {name: "true" if name in SWITCHES else "dark" if name == "theme" else "2" for name in names}
    environ = {PREFIX + name.upper().replace("-", "_"): value for name, value in values.items()}
    for argv in ([], ["--headless"]):
        options = parse([*argv, URL], stdout_is_terminal=True, environ=environ)
        assert (options.theme, options.fps, options.max_rows, options.mouse) == ("dark", 2.0, 2, True)


@pytest.mark.parametrize(
    "argv",
    [["--history", URL], ["--history", "-i", "list"], ["-j", "3", "--history"], ["--history", "--format", "csv"]],
)
def test_a_list_of_the_runs_takes_nothing_else(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert "--history" in refused(capfd, *argv)
    assert parse(["--history", "--headless"], stdout_is_terminal=True, environ={}).history
