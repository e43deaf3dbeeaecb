"""The program, whose screen gets stuck at the key `!`, as the first argument says: in a loop, asleep, or as it ends.

The other arguments are the program's.
"""

from __future__ import annotations

import sys
import time

from tui.terminal import setup

HOW = sys.argv.pop(1)
setup.prepare()

from textual import events  # noqa: E402 (Textual reads what `prepare` has set)

from tui.cli import main  # noqa: E402
from tui.screen.app import DashboardApp  # noqa: E402


def stuck(self: DashboardApp, event: events.Key) -> None:
    if event.character != "!":
        return
    if HOW == "asleep":
        time.sleep(1e6)
    while True:
        pass


async def never(*_: object, **__: object) -> None:
    while True:
        pass


if __name__ == "__main__":
    DashboardApp.on_key = stuck  # type: ignore[method-assign, assignment]
    if HOW == "ending":
        DashboardApp._shutdown = never  # type: ignore[method-assign]
    sys.exit(main())
