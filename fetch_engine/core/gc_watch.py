"""When and where the garbage collector runs.

A handle that dies in it was kept alive, with its fetch, by a cycle; and while it runs, everything else waits.
"""

from __future__ import annotations

import gc
import time
from threading import get_ident
from typing import Any

# Read by finalizers, which take no lock: get_ident is a look at the thread's own state.
collecting = 0  # the identifier of that thread, 0 while the collector does not run

_users = 0
_began = 0.0
_longest = 0.0


def watch() -> None:
    """Start noticing; `unwatch` must follow."""
    global _users, _longest  # noqa: PLW0603 - there is one collector in a process
    _users += 1
    if _users == 1:
        _longest = 0.0
        gc.callbacks.append(_note)


def unwatch() -> None:
    """Stop, if nobody else watches."""
    global _users, collecting  # noqa: PLW0603
    _users -= 1
    if _users == 0:
        gc.callbacks.remove(_note)
        collecting = 0


def take_longest() -> float:
    """How long the longest collection since the last call took, in seconds."""
    global _longest
    longest, _longest = _longest, 0.0
    return longest


def _note(phase: str, _info: Any) -> None:
    global collecting, _began, _longest  # noqa: PLW0603
    if phase == "start":
        collecting, _began = get_ident(), time.perf_counter()
    else:
        collecting = 0
        _longest = max(_longest, time.perf_counter() - _began)
