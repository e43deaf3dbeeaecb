"""What can be reached from an object by strong references, as the garbage collector sees them."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable
from types import FrameType, ModuleType

_OURS = ("tui", "textual")


def reachable(starts: Iterable[object], kinds: tuple[type, ...], spare: Collection[object]) -> list[str]:
    """The way to each object of these kinds, as type names, outermost first.

    `spare` is not entered, nor are modules and classes of others than the screen's: they would lead everywhere.
    """
    spared = {id(thing) for thing in spare}
    queue = list(starts)
    before: dict[int, int | None] = {id(start): None for start in queue}
    found: list[object] = []
    for thing in queue:
        if isinstance(thing, kinds):
            found.append(thing)
            continue
        for inner in gc.get_referents(thing):
            if id(inner) not in before and id(inner) not in spared and not _leads_everywhere(inner):
                before[id(inner)] = id(thing)
                queue.append(inner)
    names = {id(thing): type(thing).__name__ for thing in queue}
    ways: list[str] = []
    for thing in found:
        way: list[str] = []
        at: int | None = id(thing)
        while at is not None:
            way.append(names[at])
            at = before[at]
        ways.append(" > ".join(reversed(way)))
    return ways


def _leads_everywhere(thing: object) -> bool:
    if isinstance(thing, ModuleType):
        return not _is_ours(thing.__name__)
    if isinstance(thing, type):
        return not _is_ours(thing.__module__)
    if isinstance(thing, dict) and "__builtins__" in thing:
        return not _is_ours(thing.get("__name__"))
    return isinstance(thing, FrameType) and not _is_ours(thing.f_globals.get("__name__"))


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _OURS
