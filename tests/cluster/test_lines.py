"""What the dashboard and the exit report say of a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fetch_engine.core.worker_facts import ClusterFacts, Versions, WorkerFacts
from tui.run.exit_report import ExitReport
from tui.screen.panels.cluster_lines import cluster_lines
from tui.text.glyphs import ASCII

pytestmark = pytest.mark.once

WORKERS = (
    WorkerFacts("tcp://10.0.0.1:4 (a)", "ready", 3, 256, 4, 5, 2, 2048.0, Versions("3.11.7", "0.1.0", "2026.8.0")),
    WorkerFacts("tcp://10.0.0.2:4\x1b[2J", "refused", note="weakfetch-tui 1 there, 2 here"),
    WorkerFacts("tcp://10.0.0.3:4", "silent", slots=256),
)


def texts(cluster: ClusterFacts, room: int) -> list[str]:
    return ["".join(text for text, _ in line) for line in cluster_lines(cluster, 7, ASCII, room)]


def test_workers_that_something_is_wrong_with_come_first() -> None:
    lines = texts(ClusterFacts(WORKERS, rerun=2, late=1, reconnected=1), 4)
    assert lines[0] == (
        "cluster 1 of 3 workers  alive here 7, there 4  run again 2, late 1  reconnected 1  Python 3.11.7 dask 2026.8.0"
    )
    assert [line.split()[1] for line in lines[1:]] == ["refused", "silent", "ready"]
    assert "2 here" in lines[1]
    assert "\x1b" not in lines[1]
    assert lines[3].endswith("10.0.0.1:4 (a)  3/256 slots  leases 5  conns 2  2K/s")


def test_all_of_a_worker_is_seen_in_a_narrow_terminal() -> None:
    versions = Versions("3.11.7", "0.1.0", "2026.8.0")
    busy = WorkerFacts("tcp://192.168.100.100:44349", "ready", 64, 256, 64, 64, 64, 123e6, versions)
    lines = texts(ClusterFacts((busy, busy)), 3)
    assert lines[0].endswith("Python 3.11.7 dask 2026.8.0")
    assert max(map(len, lines)) <= 76


def test_different_versions_stand_behind_each_worker() -> None:
    other = replace(WORKERS[0], versions=Versions("3.11.8", "0.1.0", "2026.8.0"))
    lines = texts(ClusterFacts((WORKERS[0], other)), 3)
    assert "Python" not in lines[0]
    assert [line.split("Python ")[1] for line in lines[1:]] == ["3.11.7 dask 2026.8.0", "3.11.8 dask 2026.8.0"]


def test_a_small_pane_has_the_sum() -> None:
    assert len(texts(ClusterFacts(WORKERS), 1)) == 1
    assert texts(ClusterFacts(), 5) == ["cluster 0 workers  alive here 7, there 0"]


def test_the_exit_report_counts_what_was_run_again() -> None:
    report = ExitReport(1, 1, 1, 0, 1, 1, 5, 5, run_again=3, late=1)
    assert report.as_text().endswith("; cluster: 3 fetches run again, 1 outcomes late")
    assert '"run_again": 3, "late": 1' in report.as_json()
    assert "cluster" not in ExitReport(1, 1, 1, 0, 1, 1, 5, 5).as_text() + ExitReport(1, 1, 1, 0, 1, 1, 5, 5).as_json()
