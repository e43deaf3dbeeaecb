"""What importing pulls in: the engine knows nothing of the screen."""

from __future__ import annotations

import subprocess
import sys

import pytest

FOREIGN = ("tui", "textual", "rich")


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import fetch_engine",
        "import fetch_engine.holders",
        "import fetch_engine.outputs.ndjson",
        "import fetch_engine.transports.httpx_transport",
    ],
)
def test_the_engine_imports_nothing_of_the_screen(statement: str) -> None:
    # httpx imports rich for its own command line, where click is installed as well.
    brought = modules_after(statement) - modules_after("import httpx")
    assert brought.isdisjoint(FOREIGN)


def test_this_test_would_notice() -> None:
    assert modules_after("import tui.app").issuperset(FOREIGN)
