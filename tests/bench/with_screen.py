"""Many small fetches with the dashboard open, beside the same without a screen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from . import contenders
from .child import PROGRAM, run_program
from .figures import Group, Run, take_turns
from .peers import figures
from .recorded_terminal import RecordedTerminal
from .server import file_server
from .settings import Settings
from .targets import at_least

CONNECTIONS = 100
AT_ONCE = ("-j", str(CONNECTIONS), "--per-host", str(CONNECTIONS))
SIZE = (80, 24)
PATIENCE = 600.0  # seconds for the whole list
HEADLESS, DASHBOARD = "headless", "dashboard"


def run(settings: Settings) -> list[Group]:
    requests = settings.pick(20_000, 3_000)
    with file_server() as (server, url), tempfile.TemporaryDirectory() as folder:
        many, one = Path(folder, "many"), Path(folder, "one")
        many.write_text("".join(f"{url}/k?{number}\n" for number in range(requests)))
        one.write_text(f"{url}/k\n")
        runs: dict[str, Run | None] = {}
        for way in (contenders.FAST, contenders.HTTPX):
            options = contenders.ways(f"{url}/k")[way]
            for name, measure in ((HEADLESS, _headless), (DASHBOARD, _dashboard)):
                runs[f"{name}, {way}"] = None if options is None else partial(measure, many, one, requests, options)
        title = f"{requests:,} x 1 KiB, {CONNECTIONS} connections, {server}, start-up taken off"
        group = take_turns(title, settings.rounds, runs, f"{HEADLESS}, {contenders.FAST}")
    group.targets = [
        at_least(0.9, group, f"{DASHBOARD}, {way}", f"{HEADLESS}, {way}", "requests/s", "the same with the dashboard")
        for way in (contenders.FAST, contenders.HTTPX)
    ]
    return [group]


def _headless(many: Path, one: Path, requests: int, options: Sequence[str]) -> dict[str, float]:
    start, whole = (run_program("--headless", *AT_ONCE, *options, "-i", str(urls)) for urls in (one, many))
    return figures(whole.wall - start.wall, whole.cpu - start.cpu, requests - 1)


def _dashboard(many: Path, one: Path, requests: int, options: Sequence[str]) -> dict[str, float]:
    start, whole = _until_done(one, 1, options), _until_done(many, requests, options)
    return figures(whole[0] - start[0], whole[1] - start[1], requests - 1)


def _until_done(urls: Path, requests: int, options: Sequence[str]) -> tuple[float, float]:
    """Seconds until the screen says that all is done, and the program's CPU seconds until then."""
    with RecordedTerminal([*PROGRAM, *AT_ONCE, *options, "-i", str(urls)], size=SIZE) as terminal:
        end = time.monotonic() + PATIENCE
        while True:
            time.sleep(0.05)
            cpu = terminal.cpu()
            for at, text in terminal.replay(lambda: terminal.text):
                if f" 2xx {requests:,} " in text and " 0 run " in text:
                    terminal.quit()
                    return at - terminal.started_at, cpu
            if time.monotonic() > end or terminal.process.poll() is not None:
                raise RuntimeError(f"not all done:\n{terminal.text}")
