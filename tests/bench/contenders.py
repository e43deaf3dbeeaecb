"""Which ways this program has to fetch: the program is asked, by fetching one URL that way."""

from __future__ import annotations

from collections.abc import Sequence

from .child import PROGRAM, run_child

HTTPX, FAST, AUTO, PROCESSES = "httpx", "fast", "auto", "--processes 2"
WAYS: dict[str, Sequence[str]] = {
    HTTPX: ("--transport", "httpx"),
    FAST: ("--transport", "fast"),
    AUTO: (),
    PROCESSES: ("--processes", "2"),
}


def ways(url: str) -> dict[str, Sequence[str] | None]:
    """Name and options of each way; None where this installation does not have it."""
    return {name: options if _works(options, url) else None for name, options in WAYS.items()}


def _works(options: Sequence[str], url: str) -> bool:
    return run_child([*PROGRAM, "--headless", *options, url], quiet=True).code == 0
