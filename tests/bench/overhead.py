"""What a fetch costs beside its transfer: handle, lease, queue, limits, result, ledger, line of output."""

from __future__ import annotations

from functools import partial

from .child import run_probe
from .figures import Group, take_turns
from .settings import Settings


def run(settings: Settings) -> list[Group]:
    fetches = settings.pick(20_000, 1_000)
    handles = settings.pick(100_000, 2_000)
    many = settings.pick(1_000_000, 2_000)

    def probe(*arguments: object) -> partial[dict[str, float]]:
        return partial(run_probe, "overhead_probe", *map(str, arguments))

    return [
        take_turns(
            f"{fetches:,} fetches, a transport that answers at once",
            settings.rounds,
            {
                "engine (as_completed)": probe("fetch", fetches),
                "engine and a line of JSON": probe("fetch", fetches, "--lines"),
                "await engine.submit(...), one by one": probe("one-by-one", fetches),
            },
        ),
        take_turns(
            f"{handles:,} handles created, registered, finalised",
            settings.rounds,
            {
                "WeakValueDictionary and weakref.finalize alone": probe("bare", handles),
                "engine.submit, then dropped": probe("handles", handles),
            },
            "WeakValueDictionary and weakref.finalize alone",
        ),
        take_turns(
            "engine.census()",
            settings.rounds,
            {"at 10 handles": probe("census", 10), f"at {many:,} handles": probe("census", many)},
            "at 10 handles",
        ),
        take_turns(f"as_completed over {many:,} URLs, gc off", 1, {"engine": probe("stream", many)}),
    ]
