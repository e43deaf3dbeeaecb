"""Hosts on this machine: network namespaces on one bridge, whose links can be cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).parents[2]
PREFIX = "weakfetch-"
NET = "10.199.77"


class NoNamespaces(Exception):
    """This machine or user cannot make them; says why."""


class Hosts:
    """`with Hosts(folder, "a", "b") as hosts`: the first has the bridge. Their addresses end in .1, .2 and so on.

    Leaving ends what was started in them and removes them; entering removes what a killed test left.
    """

    def __init__(self, folder: Path, *names: str) -> None:
        self._folder = folder
        self._spaces = {name: f"{PREFIX}{os.getpid()}-{name}" for name in names}
        self.addresses = {name: f"{NET}.{number}" for number, name in enumerate(names, 1)}
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Hosts:
        if shutil.which("ip") is None:
            raise NoNamespaces("there is no program ip")
        _sweep()
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        for space in self._spaces.values():
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)

    def start(self, name: str, *command: str) -> subprocess.Popen[str]:
        """Python with these arguments, there."""
        environ = {**os.environ, "PYTHONPATH": str(TREE), "DASK_LOGGING__DISTRIBUTED": "error"}
        with open(self._folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self._spaces[name], sys.executable, *command],
                cwd=self._folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def cut(self, name: str) -> None:
        """Nothing comes through to that host or from it any more, and nobody is told."""
        _ip("-n", next(iter(self._spaces.values())), "link", "set", f"to-{name}", "down")

    def _build(self) -> None:
        first, *others = self._spaces
        hub = self._spaces[first]
        _ip("netns", "add", hub)
        _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        _up(hub, "bridge", self.addresses[first])
        for name in others:
            space = self._spaces[name]
            _ip("netns", "add", space)
            _ip("-n", hub, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "net", "netns", space)
            _ip("-n", hub, "link", "set", f"to-{name}", "master", "bridge", "up")
            _up(space, "net", self.addresses[name])


def _up(space: str, device: str, address: str) -> None:
    _ip("-n", space, "addr", "add", f"{address}/24", "dev", device)
    for each in ("lo", device):
        _ip("-n", space, "link", "set", each, "up")


def _sweep() -> None:
    listed = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        space = line.split()[0]
        owner = space.removeprefix(PREFIX).partition("-")[0]
        if space.startswith(PREFIX) and not Path(f"/proc/{owner}").exists():
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise NoNamespaces(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
