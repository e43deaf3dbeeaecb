"""What a fetch costs beside its transfer: handle, lease, queue, limits, result, ledger, line of output."""

from __future__ import annotations

from functools import partial

from .child import run_probe
from .figures import Group, take_turns
from .settings import Settings
from .targets import at_most

ENGINE, LINES = "engine (as_completed)", "engine and a line of JSON"
CPU = "CPU µs/fetch"


def run(settings: Settings) -> list[Group]:
    fetches = settings.pick(20_000, 1_000)
    many = settings.pick(1_000_000, 2_000)

    def probe(*arguments: object) -> partial[dict[str, float]]:
        return partial(run_probe, "overhead_probe", *map(str, arguments))

    group = take_turns(
        f"{fetches:,} fetches, a transport that answers at once",
        settings.rounds,
        {
            ENGINE: probe("fetch", fetches),
            LINES: probe("fetch", fetches, "--lines"),
            "await engine.submit(...), one by one": probe("one-by-one", fetches),
        },
    )
    group.targets = [at_most(40, "µs of CPU", f"engine's own cost per fetch: {LINES}", group.median(LINES, CPU))]
    return [group, take_turns(f"as_completed over {many:,} URLs, gc off", 1, {"engine": probe("stream", many)})]
