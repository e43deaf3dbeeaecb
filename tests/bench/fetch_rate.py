"""Many small fetches over 100 connections, beside other programs and plain scripts."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from . import contenders, peers
from .child import run_probe, run_program
from .figures import Group, Run, Target, take_turns
from .peers import ARIA2C, CPU, CURL, HTTPX, PER_SECOND, figures
from .server import file_server
from .settings import Settings
from .targets import at_least, at_most

CONNECTIONS = 100
SCRIPTS = {
    "the engine in a script, httpx": "engine",
    "the engine in a script, fast": "fast",
    "pycurl alone": "pycurl",  # what fast stands on
}


def run(settings: Settings) -> list[Group]:
    requests = settings.pick(20_000, 3_000)
    few = settings.pick(2_000, 500)  # plain httpx takes seconds for these already
    with file_server() as (server, url), tempfile.TemporaryDirectory() as folder:
        many, one = Path(folder, "many"), Path(folder, "one")
        many.write_text("".join(f"{url}/k?{number}\n" for number in range(requests)))
        one.write_text(f"{url}/k\n")
        runs: dict[str, Run | None] = {}
        for name, options in contenders.ways(f"{url}/k").items():
            whole = _name(name)
            if options is None:
                runs[whole] = None
                continue
            start = _StartUp(one, options)
            runs[whole] = partial(_headless, many, requests, options, start)
            runs[_without_start(whole)] = start.rest
        loop = ["--uvloop"] if importlib.util.find_spec("uvloop") else []
        for script, client in SCRIPTS.items():
            probe = partial(run_probe, "clients", client, f"{url}/k", str(CONNECTIONS), str(requests), *loop)
            runs[script] = probe if client == "engine" or importlib.util.find_spec("pycurl") else None
        runs |= peers.many_small(f"{url}/k", CONNECTIONS, requests, few)
        title = f"{requests:,} x 1 KiB, {CONNECTIONS} connections, {server} ({few:,} with {ARIA2C} and {HTTPX})"
        group = take_turns(title, settings.rounds, runs, CURL)
    group.targets = _targets(group, f"{requests:,} x 1 KiB")
    return [group]


def _targets(group: Group, work: str) -> list[Target]:
    fast, httpx, both = map(_name, (contenders.FAST, contenders.HTTPX, contenders.PROCESSES))
    others = (peers.ARIA2C, peers.WGET2, peers.AIOHTTP)
    cpu = group.median(_without_start(fast), CPU)
    return [
        at_least(0.5, group, fast, CURL, PER_SECOND, work, _without_start(fast)),
        *(at_least(1, group, fast, other, PER_SECOND, work) for other in others),
        at_least(0.8, group, both, CURL, PER_SECOND, work, _without_start(both)),
        at_least(4, group, httpx, peers.HTTPX, PER_SECOND, work),
        at_most(150, "µs", f"CPU per fetch, {_without_start(fast)}", cpu),
    ]


def _name(way: str) -> str:
    return f"headless, {way}"


def _without_start(name: str) -> str:
    return f"{name}, without start-up"


class _StartUp:
    """The same run twice: as it is, then less what a run over one URL takes just before it."""

    def __init__(self, one: Path, options: Sequence[str]) -> None:
        self._one = one
        self._options = options
        self._wall = self._cpu = 0.0
        self._figures: dict[str, float] = {}

    def measure(self) -> None:
        ran = run_program("--headless", *_ALL_AT_ONCE, *self._options, "-i", str(self._one))
        self._wall, self._cpu = ran.wall, ran.cpu

    def take_off(self, wall: float, cpu: float, requests: int) -> None:
        self._figures = figures(wall - self._wall, cpu - self._cpu, requests)

    def rest(self) -> Mapping[str, float]:
        return self._figures


_ALL_AT_ONCE = ("-j", str(CONNECTIONS), "--per-host", str(CONNECTIONS))


def _headless(urls: Path, requests: int, options: Sequence[str], start: _StartUp) -> dict[str, float]:
    start.measure()
    ran = run_program("--headless", *_ALL_AT_ONCE, *options, "-i", str(urls))
    start.take_off(ran.wall, ran.cpu, requests)
    return figures(ran.wall, ran.cpu, requests)
