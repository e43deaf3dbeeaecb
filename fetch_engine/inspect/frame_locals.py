"""The local variables of frames, read without leaving a copy of them behind."""

from __future__ import annotations

import inspect
import os
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import cast

from fetch_engine.inspect.reference_names import plain

# Before 3.13 `f_locals` fills a dictionary that stays with the frame and keeps alive whatever was in it (PEP 667).
_SNAPSHOTS = sys.version_info < (3, 13)
_UNSHARED = 3  # references to such a dictionary that only the frame has: the frame's, ours, the argument's


def local_ids(frame: FrameType) -> list[tuple[str, int]]:
    """The names of the frame's local variables, each with the id of its value.

    Where the caller's program has itself taken `locals()` of this frame, before 3.13, that dictionary is brought up to
    date: the interpreter gives no way round it.
    """
    if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return []  # a module or a class body: a real dictionary, which the collector sees
    variables = frame.f_locals
    found = [(name, id(value)) for name, value in variables.items()]
    # A debugger writes the dictionary back into the frame after each line: with names taken out, it would unbind them.
    if _SNAPSHOTS and frame.f_trace is None and sys.getrefcount(variables) == _UNSHARED:
        code = frame.f_code
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            variables.pop(name, None)
    return found


def local_name(frame: FrameType, value: object) -> str | None:
    """The name of the local variable that refers to this object, or None."""
    wanted = id(value)
    return next((name for name, found in local_ids(frame) if found == wanted), None)


def place_of(frame: FrameType, line: int | None = None) -> str:
    """File name without folder, and line number."""
    name = plain(os.path.basename(frame.f_code.co_filename), 40)
    return f"{name}:{line or frame.f_lineno or frame.f_code.co_firstlineno}"


def running_locals(skip: int) -> dict[int, list[str]]:
    """By id, the objects that running frames of all threads have as local variables, each with a text that says where.

    The collector does not see these. skip: how many frames, the caller's first, are left out.
    """
    current = threading.get_ident()
    names = {thread.ident: f" of thread '{plain(thread.name, 30)}'" for thread in threading.enumerate()}
    names[current] = ""
    tops = cast("dict[int, FrameType | None]", sys._current_frames())
    # The topmost frame is this one, and it owns `tops`: left there, the two would keep each other alive.
    tops[current] = sys._getframe(skip + 1)
    found: dict[int, list[str]] = {}
    for ident, top in tops.items():
        for frame in _outwards(top):
            where = ""
            for name, value in local_ids(frame):
                where = where or place_of(frame)
                found.setdefault(value, []).append(f"frame {where} local '{plain(name, 40)}'{names.get(ident, '')}")
            if not frame.f_code.co_flags & inspect.CO_OPTIMIZED and frame.f_locals is not frame.f_globals:
                found.setdefault(id(frame.f_locals), []).append(f"frame {place_of(frame)}{names.get(ident, '')}")
    return found


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
