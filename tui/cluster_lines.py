"""The workers of a cluster, as lines of a pane."""

from __future__ import annotations

from fetch_engine.executors.worker_facts import ClusterFacts, WorkerFacts
from tui.glyphs import Glyphs
from tui.painted import Line
from tui.plain_text import rate, safe

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
    return [line, *(_worker(worker, glyphs) for worker in workers[: max(0, room - 1)])]


def _worker(worker: WorkerFacts, glyphs: Glyphs) -> Line:
    glyph = glyphs.opened if worker.state == "ready" else glyphs.closed
    line: Line = [(f"  {glyph} {worker.state:<8} ", _ROLES.get(worker.state, "")), (safe(worker.name, 60), "strong")]
    if worker.note:
        return [*line, (f"  {safe(worker.note, 200)}", "warn")]
    line.append((f"  fetches {worker.fetches}/{worker.slots}", ""))
    line.append((f"  leases {worker.leases}", ""))
    if worker.connections is not None:
        line.append((f"  conns {worker.connections}", ""))
    line.append((f"  {rate(worker.rate)}", ""))
    if worker.versions is not None:
        line.append(
            (f"  Python {safe(worker.versions.python, 20)} dask {safe(worker.versions.distributed, 20)}", "faint")
        )
    return line
