"""An exception that nobody expected, as one line of text."""

from __future__ import annotations

import os
import traceback


def describe_bug(exc: BaseException) -> str:
    """Its type, where it was raised, and what it says; of one that cannot say anything, its type."""
    place = ""
    for frame, line in traceback.walk_tb(exc.__traceback__):
        place = f" at {os.path.basename(frame.f_code.co_filename)}:{line}"
    try:
        says = ": " + " ".join(str(exc)[:200].split())
    except Exception:  # noqa: BLE001 - a bug in what describes a bug
        says = ""
    return f"{type(exc).__name__}{place}{says}"
