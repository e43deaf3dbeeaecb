"""`--history`: the saved runs as a table on standard output."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Container, Sequence
from pathlib import Path

from fetch_engine.store.file import RunLocks
from fetch_engine.store.place import is_there
from fetch_engine.store.reader import Reader, RunFacts, StoreError
from tui.run.resume import store_path, why_unreadable
from tui.text.stderr import print_error, printable

URL_CELLS = 100  # longer ones are cut
COLUMNS = ("run", "started", "state", "ok", "failed", "left", "first URL")


def print_history() -> int:
    """Print the table, the newest run last; returns the exit code."""
    path = store_path()
    runs: list[RunFacts] = []
    alive: set[int] = set()
    try:
        if is_there(path):
            with Reader(path) as reader:
                runs = [run for run in reader.runs() if run.asked or run.inputs]
            alive = _alive(path, runs)
    except (StoreError, OSError) as error:
        print_error(why_unreadable(error))
        return 1
    try:
        for line in table(runs, alive):
            print(line)
        sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
    return 0


def _alive(path: Path, runs: Sequence[RunFacts]) -> set[int]:
    with contextlib.closing(RunLocks(path)) as locks:
        return {run.id for run in runs if run.ended is None and not locks.take(run.id)}


def table(runs: Sequence[RunFacts], alive: Container[int] = ()) -> list[str]:
    """Its lines, plain text of printable characters. alive: the ids of runs that are running."""
    rows = [COLUMNS, *(_row(run, running=run.id in alive) for run in reversed(runs))]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS) - 1)]
    return [
        "  ".join(
            [
                cell.rjust(width) if name in ("run", "ok", "failed", "left") else cell.ljust(width)
                for name, cell, width in zip(COLUMNS, row, widths, strict=False)
            ]
            + [row[-1]]
        )
        for row in rows
    ]


def _row(run: RunFacts, *, running: bool) -> tuple[str, ...]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
    state = "running" if running else "complete" if run.complete else "ended" if run.ended is not None else "cut short"
    url = printable(run.first_url)
    url = url if len(url) <= URL_CELLS else f"{url[: URL_CELLS - 3]}..."
    # As far as is known, where a list has not been read to its end.
    left = f"{run.left + run.unread}{'+' if run.has_more else ''}"
    return str(run.id), started, state, str(run.done - run.refused), str(run.failed + run.refused), left, url
