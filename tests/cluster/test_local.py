"""A cluster on this machine of `--cluster local:N`: its processes end with the one that started them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.once, pytest.mark.timeout(60)]

PARENT = """
import asyncio, psutil
from fetch_engine.executors.dask.local import local_cluster, prepare_local

async def main():
    prepare_local()
    async with local_cluster(2):
        print(*(one.pid for one in psutil.Process().children(recursive=True)), flush=True)
        await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_killing_the_client_ends_its_workers(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"  # a file: spawned children import it
    program.write_text(PARENT)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, str(program)], env=environ, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(children) >= 3  # two workers, and what multiprocessing starts beside them
        parent.kill()
    _, alive = psutil.wait_procs(children, 10)
    assert alive == []
