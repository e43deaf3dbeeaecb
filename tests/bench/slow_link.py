"""Fetches from a server that answers after 50 ms: how close to the shortest time that so many connections allow."""

from __future__ import annotations

import importlib.util
import math
from functools import partial

from .child import run_probe
from .figures import Group, take_turns
from .server import delayed_server
from .settings import Settings
from .targets import at_most

DELAY = 0.05  # seconds
CONNECTIONS = (8, 25, 50)
CLIENTS = {"fast": "fast", "httpx": "engine"}  # by the transport that carries them
BARE = "bare sockets"  # what of the lateness is the machine's and the server's
LATE = "% over the ideal"


def run(settings: Settings) -> list[Group]:
    fetches = settings.pick(500, 100)
    loop = ["--uvloop"] if importlib.util.find_spec("uvloop") else []
    with delayed_server(DELAY) as url:

        def late(client: str, connections: int) -> dict[str, float]:
            """The connections are open already: a server, unlike a link, does not delay those."""
            figures = run_probe("clients", client, url, str(connections), str(fetches), *loop)
            seconds = fetches / figures["requests/s"]
            ideal = math.ceil(fetches / connections) * DELAY
            return {"s": seconds, "ideal s": ideal, LATE: (seconds / ideal - 1) * 100}

        there = [way for way in CLIENTS if way != "fast" or importlib.util.find_spec("pycurl")]
        ways = [(way, connections) for connections in CONNECTIONS for way in there]
        runs = {_name(BARE, connections): partial(late, "sockets", connections) for connections in CONNECTIONS}
        runs |= {_name(*way): partial(late, CLIENTS[way[0]], way[1]) for way in ways}
        group = take_turns(f"{fetches} fetches, each answered after {DELAY * 1000:.0f} ms", settings.rounds, runs)
    group.targets = [at_most(5, LATE, f"{group.title}: {_name(*way)}", group.median(_name(*way), LATE)) for way in ways]
    return [group]


def _name(way: str, connections: int) -> str:
    return f"{way}, {connections} connections"
