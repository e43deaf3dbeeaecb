"""What goes to the terminal while rows change, and while nothing happens."""

from __future__ import annotations

import sys
import time
from functools import partial

from .child import PROGRAM
from .figures import Group, Run, take_turns
from .recorded_terminal import RecordedTerminal
from .screens import focused_pane
from .server import demo_server
from .settings import Settings

Size = tuple[int, int]
SIZES: tuple[tuple[Size, int], ...] = (((80, 24), 12), ((140, 40), 24))


def run(settings: Settings) -> list[Group]:
    seconds = settings.pick(10.0, 4.0)
    rounds = min(settings.rounds, 3)
    groups = []
    with demo_server() as url:
        for size, rows in SIZES:
            contenders: dict[str, Run] = {
                f"{rows} live rows, all panes": partial(_live, url, size, rows, False, seconds),
                f"{rows} live rows, all of them shown (full-size pane)": partial(_live, url, size, rows, True, seconds),
                "idle": partial(_idle, size, seconds),
                f"DataTable, {rows} live rows": partial(_data_table, size, rows, seconds),
            }
            title = f"to the terminal, {size[0]}x{size[1]}, 4 redraws a second, {seconds:g} s"
            groups.append(take_turns(title, rounds, contenders))
    return groups


def _live(url: str, size: Size, rows: int, full: bool, seconds: float) -> dict[str, float]:
    urls = [f"{url}/drip?n=10000&every=0.1&i={number}" for number in range(rows)]
    command = [*PROGRAM, "-j", str(rows), "--per-host", str(rows), *urls]
    with RecordedTerminal(command, size=size) as terminal:
        terminal.wait_until(lambda text: text.count("RECV") >= min(rows, 4))
        if full:
            terminal.press("1")
            terminal.wait_until(lambda _: focused_pane(terminal.screen) == "1")
            terminal.press("f")
            terminal.wait_until(lambda text: text.count("RECV") == rows)
        time.sleep(1)
        figures = terminal.bytes_and_cpu(seconds)
        terminal.quit()
    return figures


def _idle(size: Size, seconds: float) -> dict[str, float]:
    with RecordedTerminal(PROGRAM, size=size) as terminal:
        terminal.wait_until(lambda text: "session CLOSED" in text)
        time.sleep(2)
        figures = terminal.bytes_and_cpu(seconds)
        terminal.quit()
    return figures


def _data_table(size: Size, rows: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.textual_peers", "table", str(rows), str(rows)]
    with RecordedTerminal(command, size=size) as terminal:
        terminal.wait_until(lambda text: "/s" in text)
        time.sleep(1)
        figures = terminal.bytes_and_cpu(seconds)
        terminal.quit()
    return figures
