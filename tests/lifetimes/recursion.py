"""Calls made near the limit of recursion."""

from __future__ import annotations

from collections.abc import Callable


def down(level: int) -> int:
    try:
        return down(level + 1)
    except RecursionError:
        return level


def go(level: int, call: Callable[[], object]) -> None:
    if level:
        go(level - 1, call)
    else:
        call()


def at_depth(left: int, call: Callable[[], object]) -> None:
    """Call it where `left` more calls fit, found by going down until none does."""
    go(max(down(0) - left, 0), call)
