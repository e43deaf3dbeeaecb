"""The line that says on what a figure was measured."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

PACKAGES = ("weakfetch-tui", "textual", "httpx", "httpcore", "anyio", "uvloop", "aiohttp", "pycurl")
PROGRAMS = {"curl": "--version", "aria2c": "--version", "wget2": "--version", "oha": "--version", "nginx": "-v"}


def machine_line() -> str:
    """Cores, processor, load, system, versions and date."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    parts = [
        f"{os.cpu_count()} cores",
        _processor(),
        f"load {load}",
        f"{platform.system()} {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
        *(f"{name} {version}" for name in PACKAGES if (version := _version(name))),
        *(text for name, flag in PROGRAMS.items() if (text := _first_line(name, flag))),
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    ]
    return "; ".join(part for part in parts if part)


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return platform.processor()
    return found[1] if found else platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _first_line(program: str, flag: str) -> str | None:
    """Name and version of a program, where it is installed."""
    if shutil.which(program) is None:
        return None
    ran = subprocess.run([program, flag], capture_output=True, text=True, check=False)
    found = re.search(r"[0-9]+\.[0-9.]+", ran.stdout + ran.stderr)
    return f"{program} {found[0]}" if found else None
