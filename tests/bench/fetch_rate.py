"""Many small fetches over 100 connections, beside curl and a plain httpx script."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from .child import run_child, run_probe, run_program
from .figures import Group, Run, take_turns
from .server import file_server
from .settings import Settings

CONNECTIONS = 100
PER_SECOND, CPU = "requests/s", "CPU µs/fetch"


def run(settings: Settings) -> list[Group]:
    requests = settings.pick(20_000, 3_000)
    few = settings.pick(2_000, 500)  # plain httpx takes seconds for these already
    with file_server() as (server, url), tempfile.TemporaryDirectory() as folder:
        many, one = Path(folder, "many"), Path(folder, "one")
        many.write_text("".join(f"{url}/k?{number}\n" for number in range(requests)))
        one.write_text(f"{url}/k\n")
        start = _StartUp(one)
        loop = ["--uvloop"] if importlib.util.find_spec("uvloop") else []

        def client(name: str, count: int, *options: str) -> Run:
            return partial(run_probe, "clients", name, f"{url}/k", str(CONNECTIONS), str(count), *options)

        contenders: dict[str, Run] = {
            "weakfetch-tui --headless, in all": partial(_headless, many, requests, start),
            "weakfetch-tui --headless, without start-up": start.rest,
            "the engine in a script": client("engine", requests, *loop),
            "httpx.AsyncClient in a script": client("httpx", few),
        }
        if shutil.which("curl"):
            contenders["curl -Z --parallel-max 100"] = partial(_curl, url, requests)
        title = f"{requests:,} x 1 KiB, {CONNECTIONS} connections, {server} ({few:,} with plain httpx)"
        return [take_turns(title, settings.rounds, contenders, "httpx.AsyncClient in a script")]


class _StartUp:
    """The same run twice: as it is, then less what a run over one URL takes just before it."""

    def __init__(self, one: Path) -> None:
        self._one = one
        self._wall = self._cpu = 0.0
        self._figures: dict[str, float] = {}

    def measure(self) -> None:
        ran = run_program("--headless", *_ALL_AT_ONCE, "-i", str(self._one))
        self._wall, self._cpu = ran.wall, ran.cpu

    def take_off(self, wall: float, cpu: float, requests: int) -> None:
        self._figures = _figures(wall - self._wall, cpu - self._cpu, requests)

    def rest(self) -> Mapping[str, float]:
        return self._figures


_ALL_AT_ONCE = ("-j", str(CONNECTIONS), "--per-host", str(CONNECTIONS))


def _headless(urls: Path, requests: int, start: _StartUp) -> dict[str, float]:
    start.measure()
    ran = run_program("--headless", *_ALL_AT_ONCE, "-i", str(urls))
    start.take_off(ran.wall, ran.cpu, requests)
    return _figures(ran.wall, ran.cpu, requests)


def _curl(url: str, requests: int) -> dict[str, float]:
    at_once = ["-Z", "--parallel-max", str(CONNECTIONS)]
    ran = run_child(["curl", "-s", *at_once, "-o", "/dev/null", f"{url}/k?[1-{requests}]"], quiet=True)
    if ran.code != 0:
        raise RuntimeError(f"curl: exit code {ran.code}: {ran.stderr}")
    return _figures(ran.wall, ran.cpu, requests)


def _figures(wall: float, cpu: float, requests: int) -> dict[str, float]:
    return {PER_SECOND: requests / wall, CPU: cpu / requests * 1e6}
