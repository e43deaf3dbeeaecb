"""Whether a line about a holder names a part of the screen: none of them may hold a handle."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

# Where Textual keeps references: whatever derives from these is the screen's.
_ROOTS = (
    ("textual.message_pump", "MessagePump"),
    ("textual.message", "Message"),
    ("textual.worker", "Worker"),
    ("textual.timer", "Timer"),
    ("textual.reactive", "Reactive"),
)
_SCREEN_THREAD = "of thread 'MainThread'"
_CLASS = re.compile(r"(?:^|> | of )([A-Za-z_]\w*)")


@lru_cache(maxsize=1000)
def names_screen(line: str) -> bool:
    """Whether a line of `engine.holders`, asked in the engine's own thread, has a widget, message or worker in it, or
    a frame of the screen's thread."""
    if _SCREEN_THREAD in line:
        return True
    return not _screen_classes().isdisjoint(_CLASS.findall(line))


def _screen_classes() -> set[str]:
    """The names of all classes of the screen, as far as they are there."""
    queue = [kind for module, name in _ROOTS if isinstance(kind := getattr(sys.modules.get(module), name, None), type)]
    for kind in queue:
        queue.extend(kind.__subclasses__())
    return {kind.__name__ for kind in queue}
