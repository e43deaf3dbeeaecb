"""One body of 1 GiB, thrown away and saved to disk, beside other programs. All figures with start-up."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from . import contenders, peers
from .child import PROGRAM, run_child
from .figures import Group, Run, take_turns
from .server import file_server
from .settings import Settings
from .targets import at_least

RATE, CPU, PEAK = "MB/s", "CPU s", "peak RSS MB"
CURL, HASHED = "curl", "curl | sha256sum"  # the other programs do not hash
ENOUGH = {contenders.FAST: 0.8, contenders.HTTPX: 0.4}  # of curl's bytes a second


def run(settings: Settings) -> list[Group]:
    size = settings.pick(2**30, 2**26)
    with file_server(large=size) as (server, base), tempfile.TemporaryDirectory() as folder:
        ways = contenders.ways(f"{base}/k")
        ways.pop(contenders.PROCESSES)
        groups = []
        for where, target in (("to /dev/null", None), ("to disk", Path(folder, "saved"))):
            work = _Work(f"{base}/large", size, target)
            runs = {CURL: work.by(CURL, "curl", "-s", "-o", work.place, work.url)}
            runs |= {_name(way): None if options is None else work.ours(options) for way, options in ways.items()}
            if target is None:
                pipe = f'curl -s "{work.url}" | sha256sum'
                runs[HASHED] = work.by("curl", "sh", "-c", pipe)
            runs |= work.by_others()
            title = f"{size / 2**20:,.0f} MiB {where}"
            group = take_turns(f"{title}, {server}", settings.rounds, runs, CURL)
            group.targets = [at_least(enough, group, _name(way), CURL, RATE, title) for way, enough in ENOUGH.items()]
            groups.append(group)
    return groups


def _name(way: str) -> str:
    return f"headless, {way}"


class _Work:
    """One body of so many bytes. target: where it is saved, None if it is not."""

    def __init__(self, url: str, size: int, target: Path | None) -> None:
        self.url = url
        self.place = str(target or "/dev/null")
        self._size = size
        self._target = target

    def ours(self, options: Sequence[str]) -> Run:
        """What is not saved is counted and hashed all the same, and its beginning kept."""
        place = [] if self._target is None else ["-o", self.place]
        return partial(self._run, [*PROGRAM, "--headless", "--max-filesize", "2G", *options, *place, self.url])

    def by(self, name: str, *command: str) -> Run | None:
        return partial(self._run, command) if peers.is_installed(name) else None

    def by_others(self) -> dict[str, Run | None]:
        runs = {peers.WGET2: self.by(peers.WGET2, "wget2", "-q", "-O", self.place, self.url)}
        if self._target is None:  # aria2c cannot do without a file
            for name in (peers.AIOHTTP, peers.HTTPX):
                script = [sys.executable, "-m", "tests.bench.body_client", name.partition(" ")[0], self.url]
                runs[name] = self.by(name, *script)
        else:
            quickly = ["--no-conf", "-q", "--file-allocation=none", "-x1"]
            place = ["-d", str(self._target.parent), "-o", self._target.name]
            runs[peers.ARIA2C] = self.by(peers.ARIA2C, "aria2c", *quickly, *place, self.url)
        return runs

    def _run(self, command: Sequence[str]) -> dict[str, float]:
        if self._target is not None:
            self._target.unlink(missing_ok=True)
        ran = run_child(command, quiet=True)
        if ran.code != 0:
            raise RuntimeError(f"{command[0]}: exit code {ran.code}: {ran.stderr}")
        if self._target is not None and self._target.stat().st_size != self._size:
            raise RuntimeError(f"{command[0]} saved {self._target.stat().st_size} bytes of {self._size}")
        return {RATE: self._size / ran.wall / 1e6, CPU: ran.cpu, PEAK: ran.max_rss / 1e6}
