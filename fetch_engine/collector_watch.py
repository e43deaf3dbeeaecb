"""In which thread the garbage collector runs: a handle that dies there was kept alive, with its fetch, by a cycle."""

from __future__ import annotations

import gc
from threading import get_ident
from typing import Any

# Read by finalizers, which take no lock: get_ident is a look at the thread's own state.
collecting = 0  # the identifier of that thread, 0 while the collector does not run

_users = 0


def watch() -> None:
    """Start noticing; `unwatch` must follow."""
    global _users  # noqa: PLW0603 - there is one collector in a process
    _users += 1
    if _users == 1:
        gc.callbacks.append(_note)


def unwatch() -> None:
    """Stop, if nobody else watches."""
    global _users, collecting  # noqa: PLW0603
    _users -= 1
    if _users == 0:
        gc.callbacks.remove(_note)
        collecting = 0


def _note(phase: str, _info: Any) -> None:
    global collecting  # noqa: PLW0603
    collecting = get_ident() if phase == "start" else 0
