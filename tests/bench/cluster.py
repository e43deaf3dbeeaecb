"""Fetches on Dask workers beside those of this process: CPU in all, CPU here, and throughput from slow hosts."""

from __future__ import annotations

from functools import partial

from .child import run_probe
from .figures import Group, take_turns
from .server import delayed_server
from .settings import Settings

DELAY = 0.2  # seconds
CONNECTIONS = 50


def run(settings: Settings) -> list[Group]:
    fetches = settings.pick(2000, 300)
    with delayed_server(DELAY) as url:

        def probe(workers: int) -> dict[str, float]:
            return run_probe("cluster_probe", url, str(workers), str(CONNECTIONS), str(fetches))

        runs = {"here": partial(probe, 0)}
        runs |= {f"{count} worker{'s' if count > 1 else ''}": partial(probe, count) for count in (1, 2, 4)}
        amount = f"{fetches} fetches of each worker, {CONNECTIONS} at once"
        title = f"{amount}, each answered after {DELAY * 1000:.0f} ms; on one machine"
        return [take_turns(title, settings.rounds, runs, reference="here")]
