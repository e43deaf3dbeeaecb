"""Who refers to an object, who to those, and so on, within bounds of time and breadth."""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice

_PER_LEVEL = 24  # each further object looked for in one pass over the heap makes the pass longer
_PER_OBJECT = 8
_EXAMINED = 5000  # referrers of one level that are looked at


class Referrers:
    """The referrers of an object, found level by level; one pass of the collector's lists for each level.

    root_rank: above 0 for an object that needs no explanation, so that the search ends there; of two equally near ones
    the higher is taken. is_echo: whether a referrer stands
    for something that the ids of its referents already tell. results: tasks by the id of their result, where the
    collector does not see that reference.
    It holds what it found: drop it.
    """

    def __init__(
        self,
        start: object,
        root_rank: Callable[[object], int],
        is_echo: Callable[[object, set[int]], bool],
        results: dict[int, list[object]],
        seconds: float,
    ) -> None:
        self.late = False
        self._start = id(start)
        self._objects: dict[int, object] = {id(start): start}
        self._up: dict[int, list[int]] = {id(start): []}
        self._down: dict[int, set[int]] = {}
        self._looked: set[int] = set()  # whose referrers are all known
        self._roots: dict[int, int] = {}  # with their rank
        self._reached: set[int] = set()  # from which a way to a root is known
        self._root_rank = root_rank
        self._is_echo = is_echo
        self._results = results
        # Of the processor: what others on a busy machine take must not change what is found.
        self._deadline = time.thread_time() + seconds

    def search(self, levels: int) -> None:
        """Look up to this many levels far, until every direct referrer has a way to a root, or the time is over."""
        level, longest = [self._start], 0.0
        for _ in range(levels):
            began = time.thread_time()
            # A pass cannot be interrupted, so it is not begun if the last one was longer than what is left.
            if not level or began + longest > self._deadline:
                self.late = bool(level)
                break
            candidates = self._level(level)
            longest = max(longest, time.thread_time() - began)
            if self.late or all(key in self._reached for key in self.direct):
                break
            level = [key for key in candidates if key not in self._reached][:_PER_LEVEL]

    @property
    def direct(self) -> list[int]:
        """The keys of the direct referrers."""
        return self._up[self._start]

    def way(self, key: int) -> list[object]:
        """From a direct referrer outwards: the shortest way to a root, or else as far as was looked."""
        previous: dict[int, int] = {key: key}
        ring, end = [key], key
        while ring:
            end = max(ring, key=lambda at: self._roots.get(at, 0))
            if end in self._roots:
                break
            further = []
            for at in ring:
                for outer in self._up[at]:
                    if outer not in previous and outer != self._start:
                        previous[outer] = at
                        further.append(outer)
            ring = further
        keys = [end]
        while keys[-1] != key:
            keys.append(previous[keys[-1]])
        return [self._objects[key] for key in reversed(keys)]

    def leads_to_root(self, key: int) -> bool:
        """Whether something that lives by itself was found behind this referrer."""
        return key in self._reached

    def is_garbage(self, key: int) -> bool:
        """Whether every reference to this referrer, and to all that leads to it, comes from among these objects: then
        only the collector can free them. It is its own test; a reference that nobody can see makes it false."""
        members, queue = {key, self._start}, [key]
        for at in queue:
            if at in self._roots or at not in self._looked:
                return False
            for outer in self._up[at]:
                if outer not in members:
                    members.add(outer)
                    queue.append(outer)
        self._results.clear()
        inside: Counter[int] = Counter()
        for at in members:
            inside.update(map(id, gc.get_referents(self._objects[at])))
        # The two further references are that of `_objects` and that of the argument.
        return all(sys.getrefcount(self._objects[at]) - 2 == inside[at] for at in queue)

    def _level(self, level: list[int]) -> list[int]:
        targets = tuple([self._objects[key] for key in level])  # of a list, the call would make a tuple that it finds
        found = gc.get_referrers(*targets)
        for key in level:
            found.extend(self._results.get(key, ()))
        own = {id(targets), id(self._objects), *map(id, self._results.values())}
        wanted = set(level)
        counts: Counter[int] = Counter()
        candidates: list[int] = []
        for holder in islice(found, _EXAMINED):
            if time.thread_time() > self._deadline:
                self.late = True
                return candidates
            key = id(holder)
            if key in own:
                continue
            inner = wanted.intersection(map(id, gc.get_referents(holder)))
            inner.update(at for at in level if any(task is holder for task in self._results.get(at, ())))
            if not inner or self._is_echo(holder, inner):  # it may have let go meanwhile
                continue
            for at in inner:
                self._up[at].append(key)
            if key not in self._objects:
                self._objects[key] = holder
                self._up[key] = []
                rank = self._root_rank(holder)
                if rank:
                    self._roots[key] = rank
                else:
                    counts.update(inner)
                    if level == [self._start] or min(counts[at] for at in inner) <= _PER_OBJECT:
                        candidates.append(key)
            self._down.setdefault(key, set()).update(inner)
            if key in self._roots or key in self._reached:
                self._reach(key)
        if len(found) <= _EXAMINED:
            self._looked.update(level)
        return candidates

    def _reach(self, root: int) -> None:
        queue = [root]
        for key in queue:
            self._reached.add(key)
            queue.extend(self._down.get(key, set()) - self._reached)
        self._reached.discard(self._start)
