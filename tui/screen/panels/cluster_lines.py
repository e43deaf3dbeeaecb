"""The workers of a cluster, as lines of a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.text.glyphs import Glyphs
from tui.text.plain_text import rate, safe
from tui.text.spans import Line

if TYPE_CHECKING:
    from fetch_engine.core.worker_facts import ClusterFacts, Versions, WorkerFacts

_ROLES = {"ready": "good", "starting": "busy", "silent": "warn", "refused": "bad"}


def cluster_lines(cluster: ClusterFacts, alive_here: int, glyphs: Glyphs, room: int) -> list[Line]:
    """The cluster as a whole and, in what room there is, its workers; those that something is wrong with first."""
    workers = sorted(cluster.workers, key=lambda one: one.state == "ready")
    there = sum(worker.there for worker in workers)
    ready = sum(worker.state == "ready" for worker in workers)
    count = f"{ready} of {len(workers)}" if ready < len(workers) else str(ready)
    line: Line = [
        ("cluster ", "faint"),
        (f"{count} worker{'s' if len(workers) != 1 else ''}", "good" if ready else "warn"),
    ]
    line.append((f"  alive here {alive_here}, there {there}", ""))
    if cluster.rerun or cluster.late:
        line.append((f"  run again {cluster.rerun}, late {cluster.late}", "warn"))
    if cluster.reconnected:
        line.append((f"  reconnected {cluster.reconnected}", "warn"))
    versions = {worker.versions for worker in workers if worker.versions is not None}
    if len(versions) == 1:  # of all, once: a narrow pane has no room for them behind each
        line.append((f"  {_versions(*versions)}", "faint"))
    return [line, *(_worker(worker, glyphs, len(versions) > 1) for worker in workers[: max(0, room - 1)])]


def _worker(worker: WorkerFacts, glyphs: Glyphs, with_versions: bool) -> Line:
    glyph = glyphs.opened if worker.state == "ready" else glyphs.closed
    name = safe(worker.name.removeprefix("tcp://"), 60)
    line: Line = [(f" {glyph} {worker.state:<8} ", _ROLES.get(worker.state, "")), (name, "strong")]
    if worker.note:
        return [*line, (f"  {safe(worker.note, 200)}", "warn")]
    line.append((f"  {worker.fetches}/{worker.slots} slots", ""))
    line.append((f"  leases {worker.leases}", ""))
    if worker.connections is not None:
        line.append((f"  conns {worker.connections}", ""))
    line.append((f"  {rate(worker.rate)}", ""))
    if with_versions and worker.versions is not None:
        line.append((f"  {_versions(worker.versions)}", "faint"))
    return line


def _versions(versions: Versions) -> str:
    return f"Python {safe(versions.python, 20)} dask {safe(versions.distributed, 20)}"
