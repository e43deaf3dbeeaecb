"""What the wire costs: stock `httpx.AsyncClient`, whose pool looks through its connections, beside our transport."""

from __future__ import annotations

from functools import partial

from .child import run_probe
from .figures import Group, Run, take_turns
from .server import file_server
from .settings import Settings


def run(settings: Settings) -> list[Group]:
    requests = settings.pick(3_000, 500)
    groups = []
    with file_server() as (server, url):
        for connections in (1, 16, 100):
            contenders: dict[str, Run] = {
                name: partial(run_probe, "clients", client, f"{url}/k", str(connections), str(requests))
                for name, client in (("httpx, its own transport", "httpx"), ("our transport", "transport"))
            }
            title = f"{requests:,} x 1 KiB, {connections} connection{'s' * (connections > 1)}, {server}, asyncio"
            groups.append(take_turns(title, settings.rounds, contenders, "httpx, its own transport"))
    return groups
