"""python -m tests.wire.fault_table: every fault through the program itself, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .faults import CATALOGUE, FINE, misbehave, name_of, paths
from .servers import RawServer

HEALTHY = 100
OPTIONS = ["--headless", "-j", "400", "--per-host", "400", "--max-filesize", "20M", "--exit-report"]
TOTAL = "6"  # seconds
OPTIONS += ["--read-timeout", "1", "--max-time", TOTAL]


@dataclass(frozen=True)
class Seen:
    """What came of one run: a line for each fault by its name, those of the healthy ones, and the process's peak."""

    faults: dict[str, list[dict[str, Any]]]
    healthy: list[dict[str, Any]]
    report: dict[str, Any]
    peak: int  # bytes


def run(*, faults_too: bool = True) -> Seen:
    """All faults at once, with HEALTHY good fetches beside them, in one run of the program."""
    with RawServer(misbehave) as server, RawServer(misbehave) as good:
        urls = [server.url(path) for _, path in paths()] if faults_too else []
        urls[len(urls) // 2 : len(urls) // 2] = [good.url(f"/fine/{number}") for number in range(HEALTHY)]
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(urls))
            file.flush()
            code = (
                "import sys\nfrom tests.wire.fault_table import peak\nfrom tui.cli import main\n"
                "code = main(sys.argv[1:])\nprint(peak(), file=sys.stderr)\nsys.exit(code)"
            )
            ran = subprocess.run(
                [sys.executable, "-c", code, *OPTIONS, "-i", file.name],
                capture_output=True, text=True, timeout=100, check=False, env=os.environ | {"PYTHONWARNINGS": "error"},
            )  # fmt: skip
        *messages, report, most = ran.stderr.splitlines()
        assert not messages, messages
        faults: dict[str, list[dict[str, Any]]] = {name: [] for name in CATALOGUE}
        healthy = []
        for line in map(json.loads, ran.stdout.splitlines()):
            name = name_of(line["url"].removeprefix(server.url("")))
            if line["url"].startswith(server.url("")) and name is not None:
                faults[name].append(line)
            else:
                healthy.append(line)
        return Seen(faults, healthy, json.loads(report), int(most))


def peak() -> int:
    """The most memory of this process, bytes; getrusage would count what it was before it became this program."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def seen_of(line: dict[str, Any]) -> str | int:
    """The kind of the failure, or the status."""
    kind: str | int = line["error"]["kind"] if line["error"] else line["status"]
    return kind


def table() -> int:
    """Print the table; returns how many faults came out wrong."""
    seen, wrong = run(), 0
    print(f"{'fault':44}{'expected':28}{'seen':20}{'seconds':>8}")
    for name, lines in seen.faults.items():
        fault = CATALOGUE[name]
        got = [seen_of(line) for line in lines]
        fine = len(got) == 1 and got[0] in fault.expected
        wrong += not fine
        expected = " or ".join(map(str, sorted(fault.expected, key=str)))
        seconds = lines[0]["elapsed_ms"] / 1000 if lines else 0.0
        print(f"{name:44}{expected:28}{', '.join(map(str, got)):20}{seconds:8.2f}{'' if fine else '  WRONG'}")
    print(f"{len(seen.faults)} faults, {wrong} wrong; peak memory {seen.peak / 2**20:.0f} MiB; {seen.report}")
    for name, lines in (("beside them", seen.healthy), ("alone", run(faults_too=False).healthy)):
        good = sum(line["status"] == 200 and line["bytes"] == len(FINE) for line in lines)
        times = sorted(line["elapsed_ms"] for line in lines)
        middle = times[len(times) // 2]
        print(f"{good} of {HEALTHY} healthy fetches {name}: median {middle:.0f} ms, most {times[-1]:.0f} ms")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if table() else 0)
