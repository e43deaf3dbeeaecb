"""Which event loop the engine runs on: uvloop where it is installed."""

from __future__ import annotations

import importlib.util


def prepare_loop() -> dict[str, bool]:
    """The backend options for anyio's asyncio backend. Call it before counting descriptors.

    libuv opens a pipe for its signals with the first loop of a process and keeps it: not a leak, so it has to be there
    when the count begins.
    """
    if importlib.util.find_spec("uvloop") is None:
        return {"use_uvloop": False}
    import uvloop

    uvloop.new_event_loop().close()
    return {"use_uvloop": True}
