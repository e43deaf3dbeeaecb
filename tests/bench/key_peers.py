"""Key to screen of other programs, in the same terminal at the same pace."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .figures import say
from .key_latency import SIZE, Walk, named
from .recorded_terminal import RecordedTerminal
from .screens import highlighted_line, selected_table_row
from .settings import Settings

DOWN, UP = ("\x1b[B",), ("\x1b[A",)
HTOP_DOWN, HTOP_UP = ("\x1bOB",), ("\x1bOA",)  # as a terminal sends them in its keypad mode
HTOP_DEPTH = 6  # a small container has few processes
REQUESTS = 30  # in posting's collection
REQUEST = "name: r{number:02}\nurl: http://127.0.0.1/k?{number}\n"


def contenders(settings: Settings, keys: int, rows: int) -> dict[str, Callable[[], Mapping[str, float]]]:
    """Those that are there; says which are not."""
    found: dict[str, Callable[[], Mapping[str, float]]] = {
        "Textual's DataTable alone": lambda: _data_table(keys, rows, 0),
        "DataTable, 12 rows change 4 times a second": lambda: _data_table(keys, rows, 12),
    }
    htop = shutil.which("htop")
    if htop:
        found["htop"] = lambda: _htop(htop, keys)
    else:
        say("htop is not installed: not measured (apt-get install htop)")
    posting = shutil.which("posting") or (_install_posting() if settings.with_posting else None)
    if posting:
        found["posting, 30 requests"] = lambda: _posting(posting, keys)
    else:
        say("posting is not on PATH: not measured (--with-posting installs it from PyPI into a folder of its own)")
    return found


def _data_table(keys: int, rows: int, live: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.textual_peers", "table", str(rows), str(live)]
    with RecordedTerminal(command, size=SIZE) as terminal:
        terminal.wait_until(lambda text: "#3 " in text, 180)
        _walk_down(terminal, 3)
        found = named("cursor", Walk(terminal, selected_table_row, DOWN, UP).measure(keys))
        terminal.quit()
    return found


def _htop(program: str, keys: int) -> dict[str, float]:
    with RecordedTerminal([program], size=SIZE) as terminal:
        terminal.wait_until(lambda text: "F10" in text)
        time.sleep(1)
        terminal.show()
        walk = Walk(terminal, lambda screen: highlighted_line(screen, 3, "PID USER"), HTOP_DOWN, HTOP_UP, HTOP_DEPTH)
        found = named("cursor", walk.measure(keys))
        terminal.press("q")
        terminal.process.wait(10)
    return found


def _posting(program: str, keys: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(REQUESTS):
            Path(folder, f"r{number:02}.posting.yaml").write_text(REQUEST.format(number=number))
        command = ["env", "POSTING_FOCUS__ON_STARTUP=collection", program, "--collection", folder]
        with RecordedTerminal(command, size=SIZE) as terminal:
            terminal.wait_until(lambda text: "r03" in text, 60)
            time.sleep(2)
            _walk_down(terminal, 2)
            walk = Walk(terminal, lambda screen: highlighted_line(screen, 6, "Requests"), DOWN, UP, 5)
            found = named("cursor", walk.measure(keys))
            terminal.press("\x03")
            terminal.process.wait(10)
    return found


def _walk_down(terminal: RecordedTerminal, rows: int) -> None:
    time.sleep(1)
    terminal.press(DOWN[0] * rows)
    time.sleep(1)
    terminal.show()


def _install_posting() -> str | None:
    folder = Path(tempfile.gettempdir(), "weakfetch-bench-posting")
    program = folder / "bin" / "posting"
    if not program.exists():
        say("installing posting from PyPI")
        # tree-sitter's newest versions crash it
        install = [str(folder / "bin" / "pip"), "install", "--quiet", "--quiet", "posting", "tree-sitter==0.25.2"]
        for command in ([sys.executable, "-m", "venv", str(folder)], install):
            if subprocess.run(command, check=False).returncode:
                say("posting cannot be installed: not measured")
                return None
    return str(program)
