"""What is said of hosts that asked for less: on standard error, in the progress line, on the screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio

from tui.text.stderr import print_error_now

if TYPE_CHECKING:
    from fetch_engine.core.hosts import Hosts
    from fetch_engine.fetch.host_backoff import HostRest

AGAIN = 0.2  # seconds after which a standard error that took nothing is tried once more


def notice(rest: HostRest) -> str:
    """A host began to rest, or is refused: `example.com: 429, resting 8 s, 2 waiting`."""
    if not rest.refused:
        return f"{rest.host}: {rest.status}, resting {whole_seconds(rest.left)}, {rest.waiting} waiting"
    asked = "" if rest.asked is None else f", asked to wait {whole_seconds(rest.asked)}"
    return f"{rest.host}: {rest.status}{asked}, refused: {rest.waiting} not sent"


def kept_waiting(rests: Sequence[HostRest]) -> str:
    """The hosts that keep fetches waiting, in few words: `example.com rests 5 s (429)`; "" where there is none."""
    rests = [rest for rest in rests if not rest.refused]
    if not rests:
        return ""
    first = min(rests, key=lambda rest: rest.left)
    if len(rests) == 1:
        return f"{first.host} rests {whole_seconds(first.left)} ({first.status})"
    return f"{len(rests)} hosts rest, {first.host} {whole_seconds(first.left)} ({first.status})"


def rest_text(rest: HostRest) -> str:
    """One such host, in words: `example.com rests 5 s (429), 25 waiting`."""
    if rest.refused:
        return f"{rest.host} is not asked for {whole_seconds(rest.left)} ({rest.status})"
    return f"{rest.host} rests {whole_seconds(rest.left)} ({rest.status}), {rest.waiting} waiting"


def whole_seconds(value: float) -> str:
    """Whole seconds, rounded up: what is left of a wait is never said to be nothing."""
    return f"{max(1, math.ceil(value - 0.001))} s"


async def announce(hosts: Hosts, is_wanted: Callable[[HostRest], bool]) -> None:
    """Say on standard error, a line for each, which hosts began to rest, until cancelled. It is never waited for by
    anybody else: where it takes nothing, lines come later, and of very many the oldest not at all."""
    while True:
        await hosts.wait()
        while (rest := hosts.pop()) is not None:
            while is_wanted(rest) and not print_error_now(notice(rest)):  # noqa: ASYNC110 - no event tells of room there
                await anyio.sleep(AGAIN)


def announce_rest(hosts: Hosts, is_wanted: Callable[[HostRest], bool]) -> None:
    """Say what `announce` has not come to, as far as standard error takes it now."""
    while (rest := hosts.pop()) is not None:
        if is_wanted(rest):
            print_error_now(notice(rest))
