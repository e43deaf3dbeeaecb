"""A million handles, created, registered and finalised; what asking for the census costs among them."""

from __future__ import annotations

from functools import partial

from .child import run_probe
from .figures import Group, take_turns
from .settings import Settings
from .targets import at_most

MADE, LET_GO, BYTES, KEPT = "CPU µs made", "CPU µs let go", "bytes queued", "bytes finished, kept"
BARE, OURS = "WeakValueDictionary and weakref.finalize alone", "engine.submit, then dropped"


def run(settings: Settings) -> list[Group]:
    many = settings.pick(1_000_000, 2_000)

    def probe(*arguments: object) -> partial[dict[str, float]]:
        return partial(run_probe, "overhead_probe", *map(str, arguments))

    title = f"{many:,} handles created, registered, finalised"
    group = take_turns(title, min(3, settings.rounds), {BARE: probe("bare", many), OURS: probe("handles", many)}, BARE)
    made, let_go = group.median(OURS, MADE), group.median(OURS, LET_GO)
    assert made is not None
    assert let_go is not None
    few = "at 10 handles"
    census = take_turns(
        "engine.census()",
        settings.rounds,
        {few: probe("census", 10), f"at {many:,} handles": probe("census", many)},
        few,
    )
    group.targets = [
        at_most(6, "µs of CPU each", title, made + let_go),
        at_most(1024, "bytes each", title, group.median(OURS, BYTES)),
        at_most(1536, "bytes each", "fetches that have ended, kept alive", group.median(OURS, KEPT)),
    ]
    ratio = census.ratio(f"at {many:,} handles", "CPU µs/call")
    census.targets = [at_most(2, "x as at 10 handles", f"engine.census() at {many:,} handles", ratio)]
    return [group, census]
