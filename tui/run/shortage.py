"""What the system must have left for the program to start, and how a lack of it is told: in one line."""

from __future__ import annotations

import errno
import os
import resource

from fetch_engine.executors.dask.address import parse_cluster
from tui.options.table import Options

MIB = 1 << 20

# Measured on Linux with two cores, with a margin: descriptors beside those that are open at the start, and the address
# space that one process takes.
DESCRIPTORS = 32
DESCRIPTORS_OF_A_PROCESS = 4
DESCRIPTORS_OF_A_WORKER = 20  # of a cluster on this machine, whose scheduler and nannies are in this process
SPACE = 160 * MIB
SPACE_OF_THE_SCREEN = 448 * MIB
SPACE_OF_A_CLUSTER = 448 * MIB

_FEW = {
    errno.EMFILE: "too many open files for this process: raise its limit (ulimit -n)",
    errno.ENFILE: "the system has too many open files",
    errno.ENOMEM: "not enough memory",
    errno.EAGAIN: "no more threads or processes may be started: raise their limit (ulimit -u)",
}
_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "malloc failure", "cannot load any more")


def too_little(options: Options) -> str | None:
    """Which limit of this process is too low for what the options ask for; None if none is."""
    local = 0
    if options.cluster is not None:
        address = parse_cluster(options.cluster)
        local = address.workers if address.url is None else 0
    open_at_most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = DESCRIPTORS + DESCRIPTORS_OF_A_PROCESS * (options.processes or 0)
    needed += DESCRIPTORS + DESCRIPTORS_OF_A_WORKER * local if local else 0
    if open_at_most != resource.RLIM_INFINITY:
        used = len(os.listdir("/dev/fd")) - 1  # without the one that lists them
        if open_at_most - used < needed:
            return f"at most {open_at_most} files may be open, {used + needed} are needed: raise the limit (ulimit -n)"
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    wanted = SPACE if options.headless else SPACE_OF_THE_SCREEN
    wanted = max(wanted, SPACE_OF_A_CLUSTER) if local else wanted
    if space != resource.RLIM_INFINITY and space < wanted:
        return f"memory is limited to {space // MIB} MiB, {wanted // MIB} are needed: raise the limit (ulimit -v)"
    return None


def shortage(error: BaseException) -> str | None:
    """What the system lacked where this was raised; None if it was something else."""
    if isinstance(error, BaseExceptionGroup):
        return next((why for each in error.exceptions if (why := shortage(each)) is not None), None)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.errno in _FEW:
        return _FEW[error.errno]
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "no more threads may be started: raise the limits on them or on memory (ulimit -u, ulimit -v)"
    if isinstance(error, ImportError) and any(each in str(error).lower() for each in _NO_MEMORY):
        return "not enough memory"
    return None
