"""The bench still runs; what it measures is no test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.once
@pytest.mark.timeout(300)
def test_a_quick_bench_prints_its_table_and_writes_its_values(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "tests.bench",
        "--quick",
        "--only",
        "overhead",
        "--only",
        "handles",
        "--json",
        str(written),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr
    result = json.loads(written.read_text())
    assert result["failed"] == []
    titles = [group["title"] for group in result["groups"]]
    assert len(titles) == 4
    assert all(f"| {title} " in ran.stdout for title in titles)
    targets = [target for group in result["groups"] for target in group["targets"]]
    assert len(targets) == 5
    assert all(f"| {target['work']} " in ran.stdout for target in targets)
    assert all(value >= 0 for group in result["groups"] for row in group["medians"].values() for value in row.values())
