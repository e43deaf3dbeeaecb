"""The garbage collector rests while the program starts: imports make many objects and hardly any garbage.

Measured, its passes over what is being imported take a tenth of the time to the first frame. Nothing relies on it.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_resting = False


@contextlib.contextmanager
def collector_rests() -> Iterator[None]:
    """Until the block is left or `collector_works` is called. Where the collector is off already, it stays so."""
    global _resting  # noqa: PLW0603 - there is one collector
    if gc.isenabled():
        gc.disable()
        _resting = True
    try:
        yield
    finally:
        collector_works()


def collector_works() -> None:
    """The start is over. May be called at any time, by any thread."""
    global _resting  # noqa: PLW0603
    if _resting:
        _resting = False
        # What there is counts as old at once; the first pass would go through all of it.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
