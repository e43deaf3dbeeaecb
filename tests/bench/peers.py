"""Other programs at the same work, each as it is called from a shell; what is not installed is None."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .child import Ran, run_child, run_probe
from .figures import Run

PER_SECOND, CPU = "requests/s", "CPU µs/fetch"
CURL, ARIA2C, WGET2, OHA = "curl -Z", "aria2c", "wget2", "oha"
AIOHTTP, HTTPX = "aiohttp script", "httpx script"


def many_small(url: str, connections: int, requests: int, few: int) -> dict[str, Run | None]:
    """Programs that fetch `url` with ?1, ?2 and so on. The slow ones, named so, fetch only a few."""
    return {
        CURL: _where(CURL, partial(_curl, url, connections, requests)),
        WGET2: _where(WGET2, partial(_wget2, url, connections, requests)),
        OHA: _where(OHA, partial(_oha, url, connections, requests)),
        ARIA2C: _where(ARIA2C, partial(_aria2c, url, connections, few)),
        AIOHTTP: _script("aiohttp", url, connections, requests),
        HTTPX: _script("httpx", url, connections, few),
    }


def is_installed(name: str) -> bool:
    """Whether this program, or the package of this script, is on this machine."""
    program, _, script = name.partition(" ")
    if script == "script":
        return importlib.util.find_spec(program) is not None
    return shutil.which(program) is not None


def figures(wall: float, cpu: float, requests: int) -> dict[str, float]:
    return {PER_SECOND: requests / wall, CPU: cpu / requests * 1e6}


def run_peer(command: Sequence[str]) -> Ran:
    """Run another program. Raises RuntimeError where it fails."""
    ran = run_child(command, quiet=True)
    if ran.code != 0:
        raise RuntimeError(f"{command[0]}: exit code {ran.code}: {ran.stderr}")
    return ran


def _where(name: str, run: Run) -> Run | None:
    return run if is_installed(name) else None


def _script(name: str, url: str, connections: int, requests: int) -> Run | None:
    return _where(f"{name} script", partial(run_probe, "clients", name, url, str(connections), str(requests)))


def _curl(url: str, connections: int, requests: int) -> dict[str, float]:
    at_once = ["-Z", "--parallel-max", str(connections)]
    ran = run_peer(["curl", "-s", *at_once, "-o", "/dev/null", f"{url}?[1-{requests}]"])
    return figures(ran.wall, ran.cpu, requests)


def _wget2(url: str, connections: int, requests: int) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w") as urls:
        urls.writelines(f"{url}?{number}\n" for number in range(requests))
        urls.flush()
        ran = run_peer(["wget2", "-q", f"--max-threads={connections}", "-O", "/dev/null", "-i", urls.name])
    return figures(ran.wall, ran.cpu, requests)


def _aria2c(url: str, connections: int, requests: int) -> dict[str, float]:
    """It cannot do without a file for each."""
    with tempfile.TemporaryDirectory() as folder:
        urls = Path(folder, "urls")
        urls.write_text("".join(f"{url}?{number}\n out={number}\n" for number in range(requests)))
        quickly = ["--no-conf", "-q", "--file-allocation=none", "-x1", f"-j{connections}"]
        ran = run_peer(["aria2c", *quickly, "-d", f"{folder}/saved", "-i", str(urls)])
    return figures(ran.wall, ran.cpu, requests)


def _oha(url: str, connections: int, requests: int) -> dict[str, float]:
    ran = run_peer(["oha", "--no-tui", "-n", str(requests), "-c", str(connections), url])
    return figures(ran.wall, ran.cpu, requests)
