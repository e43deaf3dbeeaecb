"""What importing pulls in: the engine knows nothing of the screen, and nobody waits for what is not needed yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

FOREIGN = ("tui", "textual", "rich")


ENGINE = {
    "fetch_engine.core.engine",
    "fetch_engine.lints.lints",
    "fetch_engine.core.scheduler",
    "fetch_engine.core.session",
    "fetch_engine.http.http11",
    "fetch_engine.http.httpx_transport",
    "h2",
    "httpx",
    "uvloop",
}
SELDOM = {
    "fetch_engine.curl.reader",
    "fetch_engine.core.process_facts",
    "fetch_engine.core.worker_facts",
    "importlib.metadata",
    "textual.widgets._text_area",
    "tui.headless.run",
    "tui.screen.body.document",
    "tui.screen.panels.overview",
    "tui.screen.screens.help",
    "tui.screen.screens.request_editor",
    "urllib.request",
}
SCREEN = {"textual", "rich", "tui.screen.app"}


def imported_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def modules_after(statement: str) -> set[str]:
    return {name.partition(".")[0] for name in imported_by(statement)}


@pytest.mark.parametrize(
    "statement",
    [
        "import fetch_engine",
        "import fetch_engine.inspect.holders",
        "import fetch_engine.outputs.ndjson",
        "import fetch_engine.http.httpx_transport",
    ],
)
def test_the_engine_imports_nothing_of_the_screen(statement: str) -> None:
    # httpx imports rich for its own command line, where click is installed as well.
    brought = modules_after(statement) - modules_after("import httpx")
    assert brought.isdisjoint(FOREIGN)


def test_this_test_would_notice() -> None:
    assert modules_after("import tui.screen.app").issuperset(FOREIGN)


@pytest.mark.parametrize(
    ("statement", "later"),
    [
        ("import fetch_engine.model.results", ENGINE),
        (
            "from tui.options.table import parse; parse([], stdout_is_terminal=True)",
            ENGINE | SCREEN | {"anyio", "asyncio"},
        ),
        ("import tui.screen.main, tui.screen.app", ENGINE | SELDOM | {"tui.bridge.controller", "tui.demo.scenario"}),
        ("import tui.headless.run", {"httpx", "textual", "tui.screen.app", "tui.bridge.controller"}),
    ],
    ids=["results", "command line", "first frame", "headless"],
)
def test_nobody_waits_for_what_is_not_needed_yet(statement: str, later: set[str]) -> None:
    assert imported_by(statement).isdisjoint(later)


def test_the_library_has_what_it_names() -> None:
    import fetch_engine

    assert set(fetch_engine.__all__) <= set(dir(fetch_engine))
    assert all(getattr(fetch_engine, name).__name__ == name for name in fetch_engine.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fetch_engine.nothing  # noqa: B018
