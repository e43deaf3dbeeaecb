"""Where fetches run: in as many child processes as the command line says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.options.table import Options

if TYPE_CHECKING:
    from fetch_engine.executors.processes.executor import ProcessExecutor


def process_executor(options: Options) -> ProcessExecutor | None:
    """The executor for --processes; None without. Raises ValueError for options that need a single process."""
    if options.processes is None:
        return None
    if options.cluster is not None:
        raise ValueError("argument --processes: not with --cluster, which has processes of its own")
    if options.access.cookie_files is not None:
        raise ValueError("argument --processes: not with -b or -c, since a jar of cookies belongs to one process")
    from fetch_engine.executors.processes.executor import ProcessExecutor

    return ProcessExecutor(options.processes)
