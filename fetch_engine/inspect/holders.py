"""Who keeps a handle alive, in words. Slow: it goes through all objects of the program."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from fetch_engine.inspect.frame_locals import running_locals
from fetch_engine.inspect.holder_names import Chain, is_root, is_running
from fetch_engine.inspect.referrers import Referrers

_LEVELS = 3  # the references that one place in words takes at most: a closure is cell, tuple and function
_DESCRIBED = 24  # direct holders that are followed
_PINNED = "pinned by the engine"
_CYCLE = "cycle of garbage (only the collector can free it)"
_NOBODY = "no holder found: native code, or a value that a running frame has not named"


def describe_holders(
    task: object, *, pinned: bool = False, limit: int = 5, depth: int = 4, seconds: float = 0.5
) -> list[str]:
    """Who holds this handle: a line for each holder, the one with the shortest chain first.

    A line is the chain from what lives by itself (a global, a running frame, a task) to the handle, joined by ` > `:
    names, types, file names and line numbers, no values. pinned: whether the engine holds it. limit: how many holders
    are told; depth: how many places of a chain. seconds: of the processor, after which it stops looking and says so,
    though a pass over the heap is not interrupted. Nothing that it looked at is kept alive by it afterwards.
    It cannot see objects under `gc.freeze` nor references from native code.
    """
    own = 2 if sys._getframe(1).f_globals.get("__name__") == "fetch_engine.core.engine" else 1
    running = running_locals(own)
    found = Referrers(
        task,
        lambda thing: 2 if is_root(thing) else int(id(thing) in running),
        lambda thing, inner: is_running(thing) and inner <= running.keys(),
        _unseen_results(),
        seconds,
    )
    found.search(depth * _LEVELS)
    held = [(False, 1, place) for place in running.get(id(task), ())]
    if pinned:
        held.append((False, 0, _PINNED))
    cycles = []
    direct = sorted(found.direct, key=lambda key: not found.leads_to_root(key))
    # Before anything is described: that holds objects for a while, and a look at attributes can make a dictionary.
    garbage = {key for key in direct[:_DESCRIBED] if found.is_garbage(key)}
    for key in direct[:_DESCRIBED]:
        chain = _chain(task, found, key, running)
        if key in garbage:
            cycles.append(chain.line(depth, f"{_CYCLE}: "))
        elif chain.is_pin:
            held.append((False, 0, _PINNED))
        elif len(chain) or not running.get(id(task)):  # else a closure's cell, in which a running frame has the handle
            held.append((not found.leads_to_root(key), len(chain), chain.line(depth)))
    lines = list(dict.fromkeys(line for _, _, line in sorted(held, key=lambda one: one[:2]))) + cycles[:1]
    more = len(lines[limit:]) + len(direct[_DESCRIBED:])
    lines = lines[:limit] or [_NOBODY]
    if more:
        lines.append(f"and {more} more")
    if found.late:
        lines.append(f"stopped looking after {seconds:g} s: there may be more")
    return lines


def _chain(task: object, found: Referrers, key: int, running: dict[int, list[str]]) -> Chain:
    chain = Chain(task)
    way = found.way(key)
    for node, outer in zip(way, [*way[1:], None], strict=True):
        chain.add(node, outer)
    for place in running.get(id(way[-1]), [])[:1]:
        chain.end(place)
    return chain


def _unseen_results() -> dict[int, list[object]]:
    """Asyncio tasks by the id of their result or exception, for the Python whose collector does not look into these."""
    unseen: dict[int, list[object]] = {}
    # Private, but of a Python that gets no more changes; the public `all_tasks` leaves out those that have ended.
    known = getattr(sys.modules.get("asyncio.tasks"), "_all_tasks", ()) if sys.version_info < (3, 12) else ()
    for task in _listed(known):
        for held in (task._result, task._exception):
            if held is not None:
                unseen.setdefault(id(held), []).append(task)
    return unseen


def _listed(tasks: Iterable[Any]) -> list[Any]:
    for _ in range(100):
        try:
            return list(tasks)
        except RuntimeError:  # another thread has just added one
            continue
    return []
