"""How many URLs a list has, where that can be known without waiting for it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable

from tui.inputs.list_formats import open_reader

AT_ONCE = 256 * 1024  # bytes that are counted before the program goes on: some milliseconds
MOST = 16 * 1024 * 1024  # bytes that are counted beside it; a longer list is known by its end only
_CHUNK = 64 * 1024


def count_urls(descriptor: int, form: str, tell: Callable[[int], object]) -> None:
    """Count the URLs that a descriptor's list is going to give, and tell; nothing is told where it is not known.

    Known are regular files up to MOST bytes that name no other lists. Nothing is read from the descriptor, its place
    stays. tell: called at once, or, for a longer file, from a thread.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MOST:
        return
    start = os.lseek(descriptor, 0, os.SEEK_CUR)
    if status.st_size - start <= AT_ONCE:
        _count(descriptor, start, form, tell)
        return
    own = os.dup(descriptor)  # the other one may be closed at any time

    def count() -> None:
        try:
            _count(own, start, form, tell)
        finally:
            os.close(own)

    threading.Thread(target=count, name="list-length", daemon=True).start()


def _count(descriptor: int, at: int, form: str, tell: Callable[[int], object]) -> None:
    reader, count = open_reader(form), 0
    try:
        while chunk := os.pread(descriptor, _CHUNK, at):
            at += len(chunk)
            count += len(reader.feed(chunk))
            if reader.error is not None or at > MOST:
                return
        count += len(reader.finish())
    except OSError:
        return
    if reader.error is None and not reader.nested:
        tell(count)
