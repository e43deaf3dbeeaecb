"""python -m tests.wire.fault_table [--transport fast]: every fault through the program itself, and what came of it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

from .faults import CATALOGUE, misbehave, name_of, paths
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


@contextlib.contextmanager
def healthy_server() -> Iterator[str]:
    """A server of its own process: what floods the other one with threads and bytes takes nothing from it."""
    code = (
        "import sys\nfrom tests.wire.servers import RawServer, fine\n"
        "with RawServer(fine) as server:\n print(server.url(''), flush=True)\n sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


@contextlib.contextmanager
def listed(faulty: str, good: str, *, faults: bool = True) -> Iterator[str]:
    """The path of a list with a URL for each fault and HEALTHY good ones among them.

    Without `faults` there is a healthy URL in the place of each of them, so that as many start together.
    """
    urls = [f"{faulty}{path}" if faults else f"{faulty}/fine{path}" for _, path in paths()]
    urls[len(urls) // 2 : len(urls) // 2] = [f"{good}/fine/{number}" for number in range(HEALTHY)]
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(urls))
        file.flush()
        yield file.name


def beside(*, faults: bool) -> dict[str, float]:
    """What `beside_probe` says of the healthy fetches beside faults, or beside other healthy ones."""
    with (
        RawServer(misbehave) as server,
        healthy_server() as good,
        listed(server.url(""), good, faults=faults) as path,
    ):
        command = [sys.executable, "-m", "tests.wire.beside_probe", path, good]
        said = subprocess.run(command, stdout=PIPE, timeout=100, check=True).stdout
        told: dict[str, float] = json.loads(said)
        return told


def run(transport: str) -> Seen:
    """All faults at once, with HEALTHY good fetches beside them, in one run of the program over this transport."""
    with RawServer(misbehave) as server, healthy_server() as good, listed(server.url(""), good) as path:
        code = (
            "import sys\nfrom tests.wire.fault_table import peak\nfrom tui.cli import main\n"
            "code = main(sys.argv[1:])\nprint(peak(), file=sys.stderr)\nsys.exit(code)"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, *OPTIONS, "--transport", transport, "-i", path],
            capture_output=True, text=True, timeout=100, check=False, env=os.environ | {"PYTHONWARNINGS": "error"},
        )  # fmt: skip
        *messages, report, most = ran.stderr.splitlines()
        assert not messages, messages
        seen: dict[str, list[dict[str, Any]]] = {name: [] for name in CATALOGUE}
        healthy = []
        for line in map(json.loads, ran.stdout.splitlines()):
            name = name_of(line["url"].removeprefix(server.url("")))
            if line["url"].startswith(good):
                healthy.append(line)
            elif name is not None:
                seen[name].append(line)
        return Seen(seen, healthy, json.loads(report), int(most))


def peak() -> int:
    """The most memory of this process, bytes; getrusage would count what it was before it became this program."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def seen_of(line: dict[str, Any]) -> str | int:
    """The kind of the failure, or the status."""
    kind: str | int = line["error"]["kind"] if line["error"] else line["status"]
    return kind


def table(transport: str) -> int:
    """Print the table; returns how many faults came out wrong."""
    seen, wrong = run(transport), 0
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
    print(f"{HEALTHY} healthy fetches by turns beside the faults and beside as many healthy ones; ms, in () of CPU:")
    for _ in range(3):
        for name, faults in (("faults", True), ("healthy", False)):
            told = beside(faults=faults)
            times = "{median:6.0f} ({median cpu:.0f}), last{last:6.0f} ({last cpu:.0f})".format_map(
                {key: 1000 * value for key, value in told.items()}
            )
            print(f"  beside {name:8}{told['good']:4} good, median{times}")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.wire.fault_table")
    parser.add_argument("--transport", default="httpx")
    sys.exit(1 if table(parser.parse_args().transport) else 0)
