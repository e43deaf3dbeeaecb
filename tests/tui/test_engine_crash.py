"""The engine's thread ends by a bug while the screen is up: the program leaves, says so, and does not hang."""

from __future__ import annotations

import sys

import pytest

from tests.tui.pty_terminal import PtyTerminal
from tui.demo.server import demo_server

pytestmark = pytest.mark.once

LIMIT = 60.0
CRASH = """
import sys
from tui.bridge import controller
from tui.cli import main
calls, last, kind = 0, int(sys.argv.pop(1)), sys.argv.pop(1)
works = controller.Controller._snapshot
def breaks(self):
    global calls
    calls += 1
    if calls > last:
        raise {"RuntimeError": RuntimeError, "SystemExit": SystemExit, "MemoryError": MemoryError}[kind]("on purpose")
    return works(self)
controller.Controller._snapshot = breaks
sys.exit(main())
"""


@pytest.mark.parametrize("last", [0, 2])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("RuntimeError", "weakfetch-tui: the engine ended by a bug"),
        ("SystemExit", "weakfetch-tui: the engine ended by a bug"),
        ("MemoryError", "weakfetch-tui: not enough memory"),
    ],
)
def test_the_program_ends_with_a_message(kind: str, said: str, last: int) -> None:
    with demo_server() as url:
        command = [sys.executable, "-c", CRASH, str(last), kind, f"{url}/fast"]
        with PtyTerminal(command, size=(200, 120)) as terminal:
            assert terminal.wait_exit(LIMIT) == 1
            assert said in terminal.text
