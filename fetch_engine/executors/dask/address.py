"""Where a cluster is: the address of a scheduler, or `local[:N]` for one on this machine."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass

MOST_LOCAL_WORKERS = 64

_LOCAL = re.compile(r"local(?::(\d{1,4}))?")
_REMOTE = re.compile(r"(tcp|tls|ws|wss)://(\[[0-9A-Fa-f:.%]+\]|[^\s/:\[\]@?#]+):(\d{1,5})/?")
_IN_PROCESS = re.compile(r"inproc://\S+")


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """url: of the scheduler, None for a cluster of our own on this machine, with so many workers."""

    url: str | None
    workers: int = 0

    @property
    def warning(self) -> str | None:
        """What is unsafe about it: Dask's messages are pickles, and whoever can change one can run code."""
        match = _REMOTE.fullmatch(self.url or "")
        if match is None or match[1] in ("tls", "wss") or _is_this_machine(match[2]):
            return None
        return (
            f"{self.url} is not encrypted: whoever is on the way to it can run code here and there; "
            "use tls:// outside of a network that you trust"
        )


def parse_cluster(text: str) -> ClusterAddress:
    """Read what --cluster takes. Raises ValueError."""
    if local := _LOCAL.fullmatch(text):
        workers = int(local[1]) if local[1] else max(2, os.cpu_count() or 1)
        if not 1 <= workers <= MOST_LOCAL_WORKERS:
            raise ValueError(f"a cluster on this machine has 1 to {MOST_LOCAL_WORKERS} workers")
        return ClusterAddress(None, workers)
    if remote := _REMOTE.fullmatch(text):
        if not 1 <= int(remote[3]) <= 65535:
            raise ValueError(f"no port: {remote[3]}")
        return ClusterAddress(text.rstrip("/"))
    if _IN_PROCESS.fullmatch(text):
        return ClusterAddress(text)
    raise ValueError("a cluster is tcp://HOST:PORT, tls://HOST:PORT, or local[:WORKERS]")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
