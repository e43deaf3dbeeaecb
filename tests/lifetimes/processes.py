"""Running a script in an interpreter of its own, where every warning is an error."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]

PREAMBLE = """
import asyncio, gc, logging, os, sys, threading
import anyio
from fetch_engine import FetchEngine, Limits
from tests.lifetimes.fake_transport import FakeWire
from tests.lifetimes.waiting import all_let_go, turns, until

logging.getLogger("asyncio").setLevel(logging.ERROR)  # a slow machine is no complaint

HOST = "http://a.test"
wire = FakeWire()
"""


def run_script(
    script: str, *arguments: str, warnings: str = "error", first: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; `warnings` is the interpreter's -W, `first` what comes before all imports."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", warnings, "-c", first + PREAMBLE + textwrap.dedent(script), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
